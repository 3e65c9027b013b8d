-- How many seconds ago the user was created who is without a row for longest.
select pg_catalog.floor(extract(epoch from pg_catalog.clock_timestamp() - min(users.created_at)))::int8 as seconds
from cognito.reconcile_users as pages,
     unnest(pages.sub, pages.created_at) as users (sub, created_at)
where exists(
    select from cognito.reconcile_findings as findings
    where findings.sub = users.sub and kind = 'missing' and state in ('found', 'failed')
)
