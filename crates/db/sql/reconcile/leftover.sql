-- $1 the scope
--
-- The run that an earlier process has left, if there is one, and whether it may go on.
select scope = $1 as is_same,
       started_at < clock_timestamp() - interval '1 day' as is_old
from cognito.reconcile_run
