-- $1 the statuses that count, $2 only users created from then on, or null
--
-- A user can be on two pages, when the pool changed in between.
select status,
       count(*) as users,
       count(*) filter (where not enabled) as disabled,
       count(*) filter (where status = any ($1) and ($2::timestamptz is null or created_at >= $2)) as considered
from (select distinct on (sub) sub, status, enabled, created_at from cognito.reconcile_users order by sub, at desc) as users
group by status
order by users desc, status
