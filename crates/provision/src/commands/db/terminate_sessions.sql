-- $1 the database's name. Ends what occupants.sql lists.
select pg_terminate_backend(pid)
from pg_stat_activity
where datname = $1
  and usesysid is not null
  and coalesce(backend_type, 'client backend') not in ('autovacuum worker', 'parallel worker')
