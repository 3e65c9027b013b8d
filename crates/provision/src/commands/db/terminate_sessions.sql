-- $1 the database's name
select pg_terminate_backend(pid)
from pg_stat_activity
where datname = $1
  and coalesce(backend_type, 'client backend') = 'client backend'
  and usesysid is not null
