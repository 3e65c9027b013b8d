-- $1 the subs
delete from cognito.reconcile_changed where sub = any ($1)
