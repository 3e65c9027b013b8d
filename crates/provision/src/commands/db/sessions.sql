-- What this login may not see of other roles' sessions is null, and the query says so. Names and queries as bytes in the
-- server's encoding, which may be none of this database's: a role belongs to the whole server.
select pid,
       replace(usename::text, e'\\', e'\\\\')::bytea as "user",
       replace(application_name, e'\\', e'\\\\')::bytea as application,
       host(client_addr) as client,
       state,
       to_char(state_change at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since,
       pg_blocking_pids(pid) as waits_for,
       replace(query, e'\\', e'\\\\')::bytea as query,
       coalesce(state is null and query = '<insufficient privilege>', false) as is_hidden,
       coalesce(rolsuper, false) as is_superusers
from pg_stat_activity left join pg_roles on pg_roles.oid = usesysid
where datname = current_database()
  and coalesce(backend_type, 'client backend') = 'client backend'
  and usesysid is not null
  and pid <> pg_backend_pid()
order by backend_start, pid
