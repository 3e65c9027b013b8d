-- Activities ({activities}) by so many users ({users}), evenly over the last 60 days, of all times to live.
-- Foreign keys are not checked meanwhile: what is written here is right.
set session_replication_role = replica;
insert into users (uuid, display_name, handle, cognito_user_id)
select format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid, 'User ' || n, 'user' || n, n
from generate_series(1, {users}) as n;
insert into activities (user_uuid, message, created_at, expires_at)
select format('00000000-0000-4000-8000-%s', lpad((1 + n % {users})::text, 12, '0'))::uuid,
       'Activity ' || n,
       created_at,
       created_at + interval '1 hour' * (array[720, 168, 72, 24, 12, 3, 1])[1 + n % 7]
from generate_series(1, {activities}) as n,
     lateral (select now() - n * interval '60 days' / {activities} as created_at) as times;
set session_replication_role = origin;
vacuum analyze users, activities;
