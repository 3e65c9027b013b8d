-- Columns of other roles' sessions may be hidden from this login: null, and a query that says so.
select pid,
       usename::text as "user",
       application_name as application,
       host(client_addr) as client,
       state,
       to_char(state_change at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since,
       pg_blocking_pids(pid) as waits_for,
       query
from pg_stat_activity
where datname = current_database()
  and coalesce(backend_type, 'client backend') = 'client backend'
  and usesysid is not null
  and pid <> pg_backend_pid()
order by backend_start, pid
