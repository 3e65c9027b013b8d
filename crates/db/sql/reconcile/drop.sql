drop table if exists
    cognito.reconcile_run, cognito.reconcile_users, cognito.reconcile_links, cognito.reconcile_findings,
    cognito.reconcile_changed
