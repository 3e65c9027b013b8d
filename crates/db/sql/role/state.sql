-- $1 the role's name
--
-- Always one row, also for a role that does not exist. `privileges` are the objects of this database on which the role
-- itself has any, in words that `revoke all on` takes; but for the function and the schema that it needs. Privileges
-- through groups are in `open_tables` and `may_create_at_all` alone: the plan revokes every membership but rds_iam's.
with tables as (
    select 'table ' || object.identity as name,
           has_schema_privilege('public', pg_namespace.oid, 'usage')
               and (has_table_privilege('public', pg_class.oid, 'delete, truncate, trigger')
                    or has_any_column_privilege('public', pg_class.oid, 'select, insert, update, references'))
               as is_open_to_public,
           has_schema_privilege(pg_roles.oid, pg_namespace.oid, 'usage')
               and (has_table_privilege(pg_roles.oid, pg_class.oid, 'delete, truncate, trigger')
                    or has_any_column_privilege(pg_roles.oid, pg_class.oid, 'select, insert, update, references'))
               as is_open
    from pg_class
    join pg_namespace on pg_namespace.oid = relnamespace
    left join pg_roles on rolname = $1,
    lateral pg_identify_object('pg_class'::regclass, pg_class.oid, 0) as object
    where relkind in ('r', 'p', 'v', 'm', 'f')
      and nspname not in ('pg_catalog', 'information_schema')
      -- An extension grants privileges on its own tables, such as pg_stat_statements, to PUBLIC.
      and not exists (
          select from pg_depend
          where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e'
      )
)
select pg_roles.oid is not null as exists,
       coalesce(rolcanlogin, true) as can_log_in,
       coalesce(rolconnlimit, 0) as connection_limit,
       coalesce(rolvaliduntil < 'infinity', false) as expires,
       coalesce(rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls, false) as is_powerful,
       exists (
           select from pg_shdepend
           where refclassid = 'pg_authid'::regclass and refobjid = pg_roles.oid and deptype = 'o'
       ) as is_owner,
       array(
           -- From PostgreSQL 16 on, once for each grantor.
           select distinct groups.rolname::text
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
           from pg_shdepend,
           lateral pg_identify_object(classid, objid, 0) as object
           where refclassid = 'pg_authid'::regclass
             and refobjid = pg_roles.oid
             and dbid = pg_database.oid
             and deptype <> 'o'
             and (classid, objid) not in (
                 ('pg_proc'::regclass, upsert.oid), ('pg_namespace'::regclass, 'public'::regnamespace)
             )
           order by 1
       ) as privileges,
       array(select name from tables where is_open_to_public order by 1) as public_tables,
       has_schema_privilege('public', 'public', 'create')
           or has_database_privilege('public', pg_database.oid, 'create, temporary') as public_may_create,
       array(select 'privileges on ' || name from tables where is_open order by 1) as open_tables,
       coalesce(
           has_schema_privilege(pg_roles.oid, 'public', 'create')
               or has_database_privilege(pg_roles.oid, pg_database.oid, 'create, temporary'),
           false
       ) as may_create_at_all,
       datname::text as database,
       exists (
           select from aclexplode(datacl) where grantee = pg_roles.oid and privilege_type in ('CREATE', 'TEMPORARY')
           union all
           select from aclexplode(schema.nspacl) where grantee = pg_roles.oid and privilege_type = 'CREATE'
       ) as may_create,
       has_database_privilege('public', pg_database.oid, 'connect') or exists (
           select from aclexplode(datacl) where grantee = pg_roles.oid and privilege_type = 'CONNECT'
       ) as may_connect,
       has_schema_privilege('public', 'public', 'usage') or exists (
           select from aclexplode(schema.nspacl) where grantee = pg_roles.oid and privilege_type = 'USAGE'
       ) as may_use_schema,
       has_function_privilege('public', upsert.oid, 'execute') or exists (
           select from aclexplode(upsert.proacl) where grantee = pg_roles.oid and privilege_type = 'EXECUTE'
       ) as may_upsert
from pg_database
join pg_namespace as schema on schema.nspname = 'public'
join pg_proc as upsert on upsert.oid = 'upsert_user(text, text, text[], text)'::regprocedure
left join pg_roles on rolname = $1
where datname = current_database()
