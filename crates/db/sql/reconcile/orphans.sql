-- $1 the owner, $2 for how many seconds the pool may not list a new user
--
-- Rows whose user was not listed. One that was written so shortly before the run, or since, may be of a new user.
insert into cognito.reconcile_findings (sub, kind, state)
select known.sub, 'orphan', 'open'
from cognito.known_users(null) as known,
     cognito.reconcile_run as run
where run.owner = $1
  and known.sub is not null
  and known.sub not like 'seed-%'
  and (known.as_of is null or known.as_of < run.started_at - $2::float8 * interval '1 second')
  and not exists (
      select from (select unnest(sub) as sub from cognito.reconcile_users) as listed where listed.sub = known.sub
  )
on conflict (sub) do nothing
