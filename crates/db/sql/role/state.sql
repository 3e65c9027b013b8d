-- $1 the role's name
--
-- `rights` are those that it was given in this database and on it, in words that `revoke all on` takes where they begin
-- with table, routine or schema; but for the three that it needs. `open_tables` are the tables that it may use anyhow.
select rolcanlogin as can_log_in,
       rolconnlimit as connection_limit,
       coalesce(rolvaliduntil < 'infinity', false) as expires,
       rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as is_powerful,
       exists (
           select from pg_shdepend
           where refclassid = 'pg_authid'::regclass and refobjid = pg_roles.oid and deptype = 'o'
       ) as is_owner,
       array(
           select groups.rolname::text
           from pg_auth_members join pg_roles as groups on groups.oid = roleid
           where member = pg_roles.oid
           order by 1
       ) as member_of,
       array(
           select distinct case classid
                   when 'pg_class'::regclass then 'table '
                   when 'pg_proc'::regclass then 'routine '
                   else object.type || ' '
               end || object.identity
           from pg_shdepend
           join pg_database on datname = current_database() and dbid = pg_database.oid,
           lateral pg_identify_object(classid, objid, 0) as object
           where refclassid = 'pg_authid'::regclass
             and refobjid = pg_roles.oid
             and deptype <> 'o'
             and (classid, objid) not in (
                 ('pg_proc'::regclass, 'upsert_user(text, text, text[], text)'::regprocedure),
                 ('pg_namespace'::regclass, 'public'::regnamespace)
             )
           order by 1
       ) as rights,
       array(
           select 'table ' || object.identity
           from pg_class
           join pg_namespace on pg_namespace.oid = relnamespace,
           lateral pg_identify_object('pg_class'::regclass, pg_class.oid, 0) as object
           where relkind in ('r', 'p', 'v', 'm', 'f')
             and nspname not in ('pg_catalog', 'information_schema')
             and has_schema_privilege(pg_roles.oid, pg_namespace.oid, 'usage')
             and (has_table_privilege(pg_roles.oid, pg_class.oid, 'delete, truncate, trigger')
                  or has_any_column_privilege(pg_roles.oid, pg_class.oid, 'select, insert, update, references'))
             -- An extension's own, such as pg_stat_statements, are for everybody.
             and not exists (
                 select from pg_depend
                 where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e'
             )
           order by 1
       ) as open_tables,
       current_database()::text as database,
       has_database_privilege(oid, current_database(), 'connect') as may_connect,
       has_schema_privilege(oid, 'public', 'usage') as may_use_schema,
       has_schema_privilege(oid, 'public', 'create')
           or has_database_privilege(oid, current_database(), 'create')
           or has_database_privilege(oid, current_database(), 'temporary') as may_create,
       has_function_privilege(oid, 'upsert_user(text, text, text[], text)', 'execute') as may_upsert
from pg_roles
where rolname = $1
