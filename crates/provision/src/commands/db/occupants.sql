-- $1 the database's name. Everything that is connected to it and does not leave by itself, as autovacuum does. For a login
-- without the rights to see more, each looks like a client.
with login as (
    select rolsuper as is_superuser, pg_has_role('pg_signal_backend', 'usage') as may_signal
    from pg_roles
    where rolname = current_user
)
select pid,
       coalesce(nullif(backend_type, 'client backend'), 'session') as kind,
       coalesce(rolsuper, false) as is_superusers,
       -- https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
       is_superuser or not coalesce(rolsuper, false) and (may_signal or pg_has_role(usesysid, 'usage')) as may_end
from login, pg_stat_activity left join pg_roles on pg_roles.oid = usesysid
where datname = $1
  and usesysid is not null
  and coalesce(backend_type, 'client backend') not in ('autovacuum worker', 'parallel worker')
order by pid
