-- $1 the statuses that count, $2 only users created from then on, or null
--
-- A user can be on two pages, when the pool changed in between.
select status,
       count(*) as users,
       count(*) filter (where counts) as considered,
       count(*) filter (where counts and not enabled) as disabled
from (
    select distinct on (users.sub collate "C")
           users.status, users.enabled,
           users.status = any ($1) and ($2::timestamptz is null or users.created_at >= $2) as counts
    from cognito.reconcile_users as pages,
         unnest(pages.sub, pages.status, pages.enabled, pages.created_at) as users (sub, status, enabled, created_at)
    order by users.sub collate "C", at desc
) as users
group by status
order by users desc, status
