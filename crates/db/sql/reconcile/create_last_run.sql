-- When a run for each purpose has ended. Nothing in it is personal.
create table if not exists cognito.last_reconcile (
    -- As in `cognito.reconcile_run`.
    scope text primary key,
    ended_at timestamptz not null
)
