-- $1 the database's name. What stops `drop database`, whoever asks for it, and what goes with the database.
-- https://www.postgresql.org/docs/current/sql-dropdatabase.html
select current_setting('transaction_read_only')::bool as is_read_only,
       pg_is_in_recovery() as is_replica,
       current_user::text as login,
       datallowconn as is_open,
       datistemplate as is_template,
       pg_get_userbyid(datdba)::text as owner,
       pg_has_role(datdba, 'usage') as may_drop,
       -- None that would hand out the rights of a superuser. Up to PostgreSQL 15, the member decides what it inherits, and
       -- from 16 on the membership.
       case when (select rolsuper from pg_roles where oid = datdba) then null
            when current_setting('server_version_num')::int >= 160000
                then format('grant %I to %I with inherit true', pg_get_userbyid(datdba), current_user)
            else concat_ws('; ',
                case when not pg_has_role(datdba, 'member')
                    then format('grant %I to %I', pg_get_userbyid(datdba), current_user) end,
                case when not (select rolinherit from pg_roles where rolname = current_user)
                    then format('alter role %I inherit', current_user) end) end as owner_grant,
       -- Only these roles and superusers end them.
       array(select gid from pg_prepared_xacts where database = datname order by gid) as prepared,
       array(select owner::text from pg_prepared_xacts where database = datname order by gid) as preparers,
       array(select subname::text from pg_subscription where subdbid = d.oid order by subname) as subscriptions,
       array(
           select pg_get_userbyid(subowner)::text from pg_subscription where subdbid = d.oid order by subname
       ) as subscribers,
       array(
           select slot_name::text from pg_replication_slots where database = datname and active order by slot_name
       ) as active_slots,
       array(
           select slot_name::text from pg_replication_slots where database = datname and not active order by slot_name
       ) as idle_slots
from pg_database d
where datname = $1
