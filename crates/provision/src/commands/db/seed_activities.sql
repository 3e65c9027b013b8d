-- The first activity of the sample users, as far as it is missing, and the samples whose handles other users have. One that
-- has expired comes back. A statement of its own, because it sees the users that another seed has written meanwhile.
with samples (handle, cognito_user_id) as (
    values ('andrewbrown', 'seed-andrewbrown'), ('bayko', 'seed-bayko')
), seeded as (
    select uuid, cognito_user_id from public.users where cognito_user_id in (select cognito_user_id from samples)
), new_activities as (
    insert into public.activities (uuid, user_uuid, message, expires_at)
    select '5eed0000-0000-4000-8000-000000000001', uuid, 'This was imported as seed data!',
           now() + interval '240 hours'
    from seeded
    where cognito_user_id = 'seed-andrewbrown'
    on conflict (uuid) do update
        set created_at = excluded.created_at, expires_at = excluded.expires_at
        where activities.expires_at <= now()
    returning 1
)
select (select count(*) from new_activities) as activities,
       array(
           select handle from samples where cognito_user_id not in (select cognito_user_id from seeded) order by 1
       ) as taken
