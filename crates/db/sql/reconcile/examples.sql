-- $1 how many at most of each kind and state
select sub, kind, state, reason
from (
    select *, row_number() over (partition by kind, state order by sub) as place from cognito.reconcile_findings
) as findings
where place <= $1
order by kind, state, sub
