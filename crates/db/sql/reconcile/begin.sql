-- $1 the scope, $2 the owner
insert into cognito.reconcile_run (scope, owner, first_as_of)
select $1, $2, (select min(as_of) from cognito.known_users(null))
on conflict (single) do nothing
