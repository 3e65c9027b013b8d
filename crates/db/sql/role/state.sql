-- $1 the role's name
--
-- Always one row, also for a role that does not exist. `privileges` are the objects of this database on which the role
-- itself has any, in words that `revoke all on` takes; but for the contract's function and schema, and the function that
-- was called before there was a contract. Privileges through groups are in `open_tables` and `may_create_at_all` alone: the
-- plan revokes every membership but rds_iam's.
with recursive
-- The role, and the groups whose privileges it has or may take.
holders as (
    select oid from pg_roles where rolname = $1
    union
    select roleid from pg_auth_members join holders on member = holders.oid
),
tables as (
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
       coalesce(rolvaliduntil <= now(), false) as has_expired,
       coalesce(rolconfig, '{}') as settings,
       -- In this database they win over those.
       coalesce(
           (
               select setconfig from pg_db_role_setting
               where setrole = pg_roles.oid and setdatabase = pg_database.oid
           ),
           '{}'
       ) as database_settings,
       current_setting('server_version_num')::int as version,
       coalesce(rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls, false) as is_powerful,
       array(
           select distinct coalesce('the database ' || owning.datname, 'the server')
           from pg_shdepend left join pg_database as owning on owning.oid = dbid
           where refclassid = 'pg_authid'::regclass and refobjid = pg_roles.oid and deptype = 'o'
           order by 1
       ) as owns_in,
       array(
           select other.datname::text
           from pg_shdepend
           join pg_database as other
             on other.oid = case when classid = 'pg_database'::regclass then objid else dbid end
           where refclassid = 'pg_authid'::regclass
             and refobjid in (select oid from holders)
             and other.oid <> pg_database.oid
           union
           select datname::text from pg_stat_activity
           where usesysid = pg_roles.oid and datid <> pg_database.oid
           order by 1
       ) as used_in,
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
                   when to_regclass('pg_parameter_acl') then 'parameter '
                   else object.type || ' '
               end || object.identity
           from pg_shdepend,
           lateral pg_identify_object(classid, objid, 0) as object
           where refclassid = 'pg_authid'::regclass
             and refobjid = pg_roles.oid
             -- A parameter, from PostgreSQL 15 on, belongs to the whole server.
             and (dbid = pg_database.oid or classid = to_regclass('pg_parameter_acl'))
             and deptype <> 'o'
             and (classid, objid) not in (
                 select 'pg_proc'::regclass::oid, ensure.oid
                 union all
                 select 'pg_namespace'::regclass, oid from pg_namespace where nspname in ('cognito', 'public')
                 union all
                 select 'pg_proc'::regclass, former
                 from to_regprocedure('public.upsert_user(text, text, text[], text)') as former
                 where former is not null
             )
           order by 1
       ) as privileges,
       -- The statements that revoke what the role has granted to others: without them, no privilege that it hands on and no
       -- membership can be revoked.
       array(
           select distinct format(
               'revoke all on %s from %s cascade',
               case kind when 'schema' then format('schema %I', object)
                         when 'database' then format('database %I', object) else kind || ' ' || object end,
               quote_ident($1)
           )
           from (
               select 'table' as kind, pg_class.oid::regclass::text as object, relacl as acl from pg_class
               union all
               select 'table', attrelid::regclass::text, attacl from pg_attribute where attacl is not null
               union all
               select 'routine', pg_proc.oid::regprocedure::text, proacl from pg_proc
               union all
               select 'schema', nspname, nspacl from pg_namespace
               union all
               select 'database', datname, datacl from pg_database as own where own.oid = pg_database.oid
           ) as objects,
           aclexplode(acl) as granted
           where grantor = pg_roles.oid and grantee <> pg_roles.oid
           union
           select format('revoke %s from %s cascade', quote_ident(groups.rolname), quote_ident($1))
           from pg_auth_members join pg_roles as groups on groups.oid = roleid
           where grantor = pg_roles.oid and member <> pg_roles.oid
             -- Up to PostgreSQL 15, the grantor says nothing.
             and current_setting('server_version_num')::int >= 160000
           order by 1
       ) as grants_to_others,
       array(select name from tables where is_open_to_public order by 1) as public_tables,
       array(select 'privileges on ' || name from tables where is_open order by 1) as open_tables,
       coalesce(
           has_schema_privilege(pg_roles.oid, to_regnamespace('public'), 'create')
               or has_schema_privilege(pg_roles.oid, schema.oid, 'create')
               or has_database_privilege(pg_roles.oid, pg_database.oid, 'create, temporary'),
           false
       ) as may_create_at_all,
       datname::text as database,
       exists (
           select from aclexplode(datacl) where grantee = pg_roles.oid and privilege_type in ('CREATE', 'TEMPORARY')
       ) as may_create,
       array(
           select quote_ident(nspname)
           from pg_namespace
           where nspname in ('cognito', 'public')
             and exists (
                 select from aclexplode(nspacl) where grantee = pg_roles.oid and privilege_type = 'CREATE'
             )
           order by 1
       ) as may_create_in,
       has_database_privilege('public', pg_database.oid, 'connect') or exists (
           select from aclexplode(datacl) where grantee = pg_roles.oid and privilege_type = 'CONNECT'
       ) as may_connect,
       has_schema_privilege('public', schema.oid, 'usage') or exists (
           select from aclexplode(schema.nspacl) where grantee = pg_roles.oid and privilege_type = 'USAGE'
       ) as may_use_schema,
       exists (
           select from aclexplode(ensure.proacl) where grantee = pg_roles.oid and privilege_type = 'EXECUTE'
       ) as may_ensure,
       -- Also the function that was called before there was a contract.
       exists (
           select from pg_proc, aclexplode(proacl)
           where pg_proc.oid in (ensure.oid, to_regprocedure('public.upsert_user(text, text, text[], text)'))
             and grantee = pg_roles.oid
             and privilege_type = 'EXECUTE'
       ) as is_granted
from pg_database
join pg_proc as ensure on ensure.oid = 'cognito.ensure_user(jsonb)'::regprocedure
join pg_namespace as schema on schema.oid = pronamespace
left join pg_roles on rolname = $1
where datname = current_database()
