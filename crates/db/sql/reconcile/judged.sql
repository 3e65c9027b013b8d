-- $1 the owner, $2 the last page that was judged
with judged as (
    update cognito.reconcile_run set judged = greatest(judged, $2) where owner = $1 returning true
)
select exists(select from judged) as is_ours
