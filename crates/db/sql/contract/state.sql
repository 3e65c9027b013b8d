-- How safe `cognito.ensure_user` is, and what it leads to: one row if there is one.
--
-- `path` are the schemas that its names are looked up in; null without a setting. Of these, `open_schemas` are those in which
-- another role than the function's or the schema's owner may create objects: also the temporary ones of a session.
with ensure as (
    select pg_proc.oid, pronamespace, proname, prosecdef, provolatile, proretset, prorettype, proowner, rolname::text as owner,
           rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin,
           (
               select array(
                   -- As the server writes it: a name in quotes may hold a comma.
                   select replace(trim(both '"' from element[1]), '""', '"')
                   from regexp_matches(substr(setting, length('search_path=') + 1), '"(?:[^"]|"")*"|[^", ]+', 'g') as element
               )
               from unnest(proconfig) as setting
               where setting like 'search\_path=%'
           ) as path
    from pg_proc join pg_roles on pg_roles.oid = proowner
    where pg_proc.oid = to_regprocedure('cognito.ensure_user(jsonb)')
)
select prosecdef as is_definer,
       provolatile = 'v' as is_volatile,
       -- Functions that the same call could mean: to the server it is then ambiguous (SQLSTATE 42725).
       array(
           select other.oid::regprocedure::text
           from pg_proc as other
           where other.pronamespace = ensure.pronamespace
             and other.proname = ensure.proname
             and other.oid <> ensure.oid
             and other.proargtypes[0] = 'jsonb'::regtype
             and other.pronargs - other.pronargdefaults <= 1
           order by 1
       ) as rivals,
       not proretset and prorettype in ('text'::regtype, 'varchar'::regtype) as is_answer,
       case when proretset then 'setof ' else '' end || format_type(prorettype, null) as returned,
       path,
       array(
           select nspname::text
           from pg_namespace
           where nspname = any (path)
             and (
                 nspname like 'pg\_temp\_%'
                 or exists (
                     select from aclexplode(coalesce(nspacl, acldefault('n', nspowner))) as acl
                     where privilege_type = 'CREATE' and grantee not in (nspowner, proowner)
                 )
             )
           order by 1
       ) as open_schemas,
       array(
           select element
           from unnest(path) as element
           where element not in ('pg_temp', '') and not exists (select from pg_namespace where nspname = element)
       ) as missing_schemas,
       owner,
       array_remove(
           array[
               case when rolsuper then 'is a superuser' end,
               case when rolcreaterole then 'may create roles' end,
               case when rolcreatedb then 'may create databases' end,
               case when rolreplication then 'may replicate' end,
               case when rolbypassrls then 'bypasses row level security' end,
               case when rolcanlogin then 'may log in' end,
               case when exists (
                   select from pg_roles where rolname = 'rds_superuser' and pg_has_role(proowner, oid, 'member')
               ) then 'is in rds_superuser' end,
               case when has_database_privilege(proowner, current_database(), 'create') then
                   'may create schemas'
               end,
               case when exists (select from pg_class where relowner = proowner and relkind in ('r', 'p')) then
                   'owns tables'
               end
           ],
           null
       ) as owner_powers,
       array(
           select object.identity
           from pg_class
           join pg_namespace on pg_namespace.oid = relnamespace,
           lateral pg_identify_object('pg_class'::regclass, pg_class.oid, 0) as object
           where relkind in ('r', 'p', 'v', 'f')
             and nspname not in ('pg_catalog', 'information_schema')
             and nspname not like 'pg\_toast%'
             and (has_table_privilege(proowner, pg_class.oid, 'delete, truncate')
                  or has_any_column_privilege(proowner, pg_class.oid, 'insert, update'))
           order by 1
       ) as writable_tables,
       exists (
           select from pg_namespace, aclexplode(nspacl)
           where pg_namespace.oid = ensure.pronamespace and privilege_type = 'CREATE' and grantee not in (nspowner, proowner)
       ) as is_schema_open,
       array(
           select missing
           from unnest(array['cognito.known_users(text[])', 'cognito.forget_user(text)']) as missing
           where to_regprocedure(missing) is null
       ) as missing_functions,
       -- What a row of `known_users` has, whether the function names its columns, or its type does. `email_verified` may be
       -- absent.
       (
           select columns @> array['sub text', 'email text', 'as_of timestamptz']
                  and not exists (
                      select from unnest(columns) as named
                      where named like 'email\_verified %' and named <> 'email_verified bool'
                  )
           from pg_proc,
           lateral (
               select array(
                   select name || ' ' || case typcategory when 'S' then 'text' else typname end
                   from (
                       select name, type
                       from unnest(proargnames, proallargtypes, proargmodes) as argument (name, type, mode)
                       where mode in ('t', 'o', 'b')
                       union all
                       select attname, atttypid
                       from pg_attribute join pg_class on pg_class.oid = attrelid
                       where reltype = prorettype and attnum > 0 and not attisdropped
                   ) as named (name, type)
                   join pg_type on pg_type.oid = type
               ) as columns
           ) as returned
           where pg_proc.oid = to_regprocedure('cognito.known_users(text[])')
       ) as knows_users,
       array(
           select format('%I on %s', tgname, tgrelid::regclass)
           from pg_trigger join pg_proc on pg_proc.oid = tgfoid
           where not tgisinternal
             and (not prosecdef
                  or not exists (select from unnest(proconfig) as setting where setting like 'search\_path=%'))
             and tgenabled <> 'D'
             and (has_table_privilege(ensure.proowner, tgrelid, 'delete, truncate')
                  or has_any_column_privilege(ensure.proowner, tgrelid, 'insert, update'))
           order by 1
       ) as careless_triggers,
       array(
           select format('%I on %s', polname, polrelid::regclass)
           from pg_policy
           join pg_class on pg_class.oid = polrelid
           where not polpermissive
             and relrowsecurity
             and polcmd in ('*', 'a', 'w')
             and (polroles @> array[0::oid] or polroles @> array[proowner])
             and has_any_column_privilege(proowner, polrelid, 'insert, update')
             and (relforcerowsecurity or relowner <> proowner)
           order by 1
       ) as policies,
       (
           select quote_ident(owners.rolname)
           from pg_namespace
           join pg_roles as owners on owners.oid = nspowner
           join pg_database on datname = current_database()
           where pg_namespace.oid = pronamespace
             and not owners.rolsuper
             and owners.oid not in (proowner, datdba)
             and owners.rolname not in (current_user, session_user)
       ) as schema_owner,
       getdatabaseencoding()::text as encoding,
       array(
           select object.identity
           from pg_proc,
           lateral pg_identify_object('pg_proc'::regclass, pg_proc.oid, 0) as object
           where prosecdef
             and pg_proc.oid <> ensure.oid
             and has_function_privilege('public', pg_proc.oid, 'execute')
             and has_schema_privilege('public', pronamespace, 'usage')
             and not exists (
                 select from pg_depend
                 where classid = 'pg_proc'::regclass and objid = pg_proc.oid and deptype = 'e'
             )
             and pronamespace <> 'pg_catalog'::regnamespace
           order by 1
       ) as public_definers
from ensure
