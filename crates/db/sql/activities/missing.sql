-- $1 the author's handle or $2 uuid, $3 the activity to reply to
select exists (select from users where lower(handle) = lower($1) or uuid = $2) as has_author,
       $3 is null or exists (select from activities where uuid = $3 and expires_at > now()) as has_parent
