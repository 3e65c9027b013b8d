-- $1 the subs, or null for every row, $2 only rows with one of these addresses, in lower case, or null
select known.sub, known.email, known.as_of, known.email_verified
-- A contract of an application's own may have no such column: then this one is meant.
from (select null::boolean as email_verified) as absent,
     lateral (select sub, email, as_of, email_verified from cognito.known_users($1)) as known
where known.sub is not null
  and ($2::text[] is null or lower(known.email) = any ($2))
limit 100
