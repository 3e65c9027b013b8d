-- $1 cognito_user_id, $2 display_name, $3 the handles to try, best first, $4 email
--
-- On an existing row only the e-mail address follows Cognito, the rest belongs to the application.
-- No row comes back when nothing had to change. When another sign-up takes the chosen handle at this
-- very moment, users_handle_key refuses it (23505): run again, and the next handle is chosen.
insert into users (display_name, handle, email, cognito_user_id)
select $2, wanted.handle, $4, $1
from unnest($3) with ordinality as wanted (handle, preference)
order by exists (select from users where lower(users.handle) = lower(wanted.handle)),
         wanted.preference
limit 1
on conflict (cognito_user_id) do update
    set email = excluded.email
    where users.email is distinct from excluded.email
returning xmax = 0 as created
