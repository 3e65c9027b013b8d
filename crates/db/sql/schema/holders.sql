-- $1 the lock's number, of which pg_locks shows the halves
--
-- Names as bytes in the server's encoding, which may be none of this database's.
select pid,
       replace(usename::text, e'\\', e'\\\\')::bytea as "user",
       replace(application_name, e'\\', e'\\\\')::bytea as application,
       host(client_addr) as client,
       to_char(coalesce(xact_start, state_change) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since
from pg_locks left join pg_stat_activity using (pid)
where locktype = 'advisory'
  and granted
  and pid <> pg_backend_pid()
  and database = (select oid from pg_database where datname = current_database())
  and (classid::int8 << 32) | objid::int8 = $1
  and objsubid = 1
order by pid
