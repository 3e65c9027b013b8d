select kind, state, reason, sqlstate, message, count(*) as users
from cognito.reconcile_findings
group by kind, state, reason, sqlstate, message
order by users desc, kind, state, reason, sqlstate, message
