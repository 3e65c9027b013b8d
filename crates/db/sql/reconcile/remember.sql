-- $1 the scope
insert into cognito.last_reconcile (scope, ended_at)
values ($1, pg_catalog.clock_timestamp())
on conflict (scope) do update set ended_at = excluded.ended_at
