-- $1 how many at most
select sub, username from cognito.reconcile_changed order by sub limit $1
