-- $1 the time and $2 the uuid of the activity that ended the page before, $3 how many
--
-- No activity lives longer than 720 hours, so that the index is read no further back.
where (activities.created_at, activities.uuid) < ($1::timestamptz, $2)
  and activities.created_at >= now() - interval '720 hours'
  and activities.expires_at > now()
order by activities.created_at desc, activities.uuid desc
limit $3
