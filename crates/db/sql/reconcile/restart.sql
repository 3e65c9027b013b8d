-- $1 the owner, $2 the page whose token was refused
--
-- What was found is found again, what was repaired stays so.
with restarted as (
    update cognito.reconcile_run
    set token = null, page = 0, judged = 0
    where owner = $1 and page = $2
    returning true
),
forgotten as (
    delete from cognito.reconcile_users where exists(select from restarted)
),
reopened as (
    delete from cognito.reconcile_findings where state <> 'repaired' and exists(select from restarted)
)
select exists(select from cognito.reconcile_run where owner = $1) as is_ours
