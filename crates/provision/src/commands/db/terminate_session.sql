-- $1 the session's pid, $2 whether to end it only if it is idle; no row if there is none
select pg_terminate_backend(pid) as is_ended
from pg_stat_activity
where pid = $1
  and datname = current_database()
  and (not $2 or state like 'idle%')
