-- $1 the subs, $2 addresses in lower case, $3 handles
select users.cognito_user_id as sub, users.email, users.email_verified, users.cognito_as_of as as_of, users.created_at,
       users.handle, asked.handles
from public.users,
     lateral (
         -- As the unique index compares them.
         select array_agg(handle) as handles
         from unnest($3::text[]) as asked (handle)
         where cognito.handle_key(asked.handle) = cognito.handle_key(users.handle)
     ) as asked
where users.cognito_user_id = any ($1)
   or lower(users.email) = any ($2)
   or asked.handles is not null
order by users.created_at
limit 100
