-- $1 the owner
--
-- Takes the run over.
update cognito.reconcile_run
set owner = $1
returning page, token, is_listed, judged, first_as_of, clock_timestamp() as now
