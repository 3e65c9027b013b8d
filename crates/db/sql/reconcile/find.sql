-- $1 the owner, $2 to $9 the findings
with findings as (
    insert into cognito.reconcile_findings as known (sub, username, kind, state, reason, sqlstate, message, changed_at)
    select distinct on (sub) found.*
    from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[])
        as found (sub, username, kind, state, reason, sqlstate, message, changed_at)
    where exists(select from cognito.reconcile_run where owner = $1)
    on conflict (sub) do update
    set username = excluded.username, kind = excluded.kind, state = excluded.state, reason = excluded.reason,
        sqlstate = excluded.sqlstate, message = excluded.message, changed_at = excluded.changed_at
    where known.state <> 'repaired'
)
select exists(select from cognito.reconcile_run where owner = $1) as is_ours
