-- $1 the activity's uuid
--
-- The activity comes first, then its replies, oldest first.
where (activities.uuid = $1 or activities.reply_to_activity_uuid = $1)
  and activities.expires_at > now()
order by activities.uuid = $1 desc, activities.created_at, activities.uuid
