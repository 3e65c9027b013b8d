-- $1 the owner, $2 the page
select exists(select from cognito.reconcile_run where owner = $1 and page >= $2) as is_ours
