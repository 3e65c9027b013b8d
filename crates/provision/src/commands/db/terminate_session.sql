-- $1 the session's pid, $2 whether to end it only if it is idle
select pg_terminate_backend(pid)
from pg_stat_activity
where pid = $1
  and datname = current_database()
  and (not $2 or state like 'idle%')
