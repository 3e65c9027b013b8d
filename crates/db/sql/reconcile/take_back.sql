-- $1 the subs
delete from cognito.reconcile_findings where sub = any ($1) and state <> 'repaired'
