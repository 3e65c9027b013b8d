update cognito.reconcile_findings set state = 'open' where kind = 'orphan' and state = 'found'
