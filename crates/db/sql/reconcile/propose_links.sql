-- $1 the owner, $2 `handle` or `email`, $3 the statuses that count, $4 only users created from then on, or null
--
-- Proposes a seeded row for each user without one who has the same handle, or the same verified address. It fits if no
-- other listed user has it, whatever the status, and no other row, whoever's: else nobody can tell whose the row is.
with listed as materialized (
    -- A user can be on two pages, when the pool changed in between.
    select distinct on (users.sub) users.sub, users.status, users.created_at,
           case when $2 = 'handle' then cognito.handle_key(users.handle) when users.email_verified then users.email end as key
    from cognito.reconcile_users as pages,
         unnest(pages.sub, pages.status, pages.created_at, pages.email, pages.email_verified, pages.handle)
             as users (sub, status, created_at, email, email_verified, handle)
    order by users.sub, at desc
),
known as materialized (select sub from cognito.known_users(null) as known),
stored as materialized (
    select uuid, handle, cognito_user_id as sub,
           case when $2 = 'handle' then cognito.handle_key(handle) else email end as key
    from public.users
),
listed_keys as materialized (select key, count(*) as users from listed where key is not null group by key),
stored_keys as materialized (select key, count(*) as rows from stored where key is not null group by key)
insert into cognito.reconcile_links as links (uuid, handle, sub, state)
select stored.uuid, stored.handle, listed.sub, case when users = 1 and rows = 1 then 'fits' else 'ambiguous' end
from stored
join listed using (key)
join listed_keys using (key)
join stored_keys using (key)
where exists(select from cognito.reconcile_run where owner = $1)
  and stored.sub like 'seed-%'
  -- Elsewhere the contract is not about this table.
  and exists(select from known where known.sub = stored.sub)
  and not exists(select from known where known.sub = listed.sub)
  and listed.status = any ($3)
  and ($4::timestamptz is null or listed.created_at >= $4)
on conflict (uuid, sub) do update set state = excluded.state where links.state in ('fits', 'ambiguous')
