-- $1 the scope, $2 how many seconds ago at most
select ended_at
from cognito.last_reconcile
where scope = $1 and ended_at > pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $2)
