-- $1 the event, $2 the kind of the finding, $3 its reason, $4 the answer that tells that the row was repaired
--
-- One statement: a row that is repaired is also found, and its user asked for once more if the row was there, whenever the
-- process is killed.
with ensured as materialized (
    select cognito.ensure_user($1) as answer
),
found as (
    insert into cognito.reconcile_findings as known (sub, kind, state, reason)
    select $1 ->> 'sub', $2, 'repaired', $3
    from ensured
    where answer = $4
    on conflict (sub) do update
    set username = null, kind = excluded.kind, state = excluded.state, reason = excluded.reason,
        sqlstate = null, message = null, changed_at = null
    where known.state <> 'repaired'
),
changed as (
    insert into cognito.reconcile_changed (sub, username)
    select $1 ->> 'sub', coalesce($1 ->> 'user_name', $1 ->> 'sub')
    from ensured
    where answer = 'changed'
    on conflict (sub) do update set username = excluded.username
)
select answer from ensured
