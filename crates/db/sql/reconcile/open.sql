-- $1 the kind, $2 how many at most
--
-- Findings that are not settled, and whether the users have a row by now.
with open as materialized (
    select sub, username, changed_at
    from cognito.reconcile_findings
    where kind = $1 and state = 'open'
    order by changed_at, sub
    limit $2
),
known as materialized (
    select sub from cognito.known_users((select coalesce(pg_catalog.array_agg(sub), '{}') from open)) as known
)
select open.sub, username, changed_at, known.sub is not null as is_known
from open left join known on known.sub = open.sub
