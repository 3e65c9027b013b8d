-- $1 the role's name
--
-- The privileges of PUBLIC that the role is not to have, and for each the roles that have it only through PUBLIC: those that
-- may log in and connect, are no superuser, and neither own the object nor were granted the privilege. First the owner of
-- the database.
select privilege,
       object,
       is_to_create,
       array(
           select rolname::text
           from pg_roles as others
           where rolcanlogin
             and not rolsuper
             and rolname <> $1
             and has_database_privilege(others.oid, current_database(), 'connect')
             and not pg_has_role(others.oid, owner, 'usage')
             and not exists (
                 select from aclexplode(acl) as granted
                 where granted.privilege_type = rights.privilege
                   and grantee <> 0
                   and pg_has_role(others.oid, grantee, 'usage')
             )
           order by others.oid <> datdba, 1
       ) as losers
from (
    select 1 as place, 'TEMPORARY' as privilege, 'database ' || quote_ident(datname) as object, true as is_to_create,
           has_database_privilege('public', pg_database.oid, 'temporary') as is_granted, datdba as owner, datacl as acl
    from pg_database where datname = current_database()
    union all
    select 2, 'CREATE', 'database ' || quote_ident(datname), true,
           has_database_privilege('public', pg_database.oid, 'create'), datdba, datacl
    from pg_database where datname = current_database()
    union all
    select 3, 'CREATE', 'schema public', true, has_schema_privilege('public', oid, 'create'), nspowner, nspacl
    from pg_namespace where nspname = 'public'
    union all
    select 4, 'EXECUTE', 'function cognito.ensure_user(jsonb)', false,
           has_function_privilege('public', oid, 'execute'), proowner, proacl
    from pg_proc where oid = 'cognito.ensure_user(jsonb)'::regprocedure
) as rights
join pg_database on datname = current_database()
where is_granted
order by place
