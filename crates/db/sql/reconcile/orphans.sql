-- $1 the owner
--
-- Rows whose user was not listed. One that was written since the run began may be of a user who was not there yet.
insert into cognito.reconcile_findings (sub, kind, state)
select known.sub, 'orphan', 'open'
from cognito.known_users(null) as known,
     cognito.reconcile_run as run
where run.owner = $1
  and known.sub is not null
  and known.sub not like 'seed-%'
  and (known.as_of is null or known.as_of < run.started_at)
  and not exists (select from cognito.reconcile_users as listed where listed.sub = known.sub)
on conflict (sub) do nothing
