-- $1 the role's name
--
-- The privileges of PUBLIC that the role is not to have, and for each the roles that have it only through PUBLIC: those that
-- are used, are no superuser, and were not granted the privilege, as an owner is until it is revoked. First the owner of the
-- database. A role is used if it may log in and connect; or if such a login may act as it, or other functions than the
-- contract's run as it. The roles that PostgreSQL and RDS make for themselves serve no program of the operator's.
with logins as (
    select oid from pg_roles
    where rolcanlogin and not rolsuper and has_database_privilege(oid, current_database(), 'connect')
), contract as (
    select oid, proowner
    from pg_proc
    where oid in (
        'cognito.ensure_user(jsonb)'::regprocedure, to_regprocedure('public.upsert_user(text, text, text[], text)')
    )
), version as (
    select case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end as act
)
select privilege,
       object,
       is_to_create,
       array(
           select rolname::text
           from pg_roles as others
           where (
                 others.oid in (select oid from logins)
                 or not rolcanlogin
                     and rolname !~ '^(pg|rds)_'
                     and others.oid not in (select proowner from contract)
                     and (
                         exists (
                             select from logins where pg_has_role(logins.oid, others.oid, act)
                         )
                         or exists (
                             select from pg_proc
                             where proowner = others.oid and prosecdef and pg_proc.oid not in (select oid from contract)
                         )
                     )
             )
             and not rolsuper
             and rolname <> $1
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
           has_database_privilege('public', pg_database.oid, 'temporary') as is_granted,
           coalesce(datacl, acldefault('d', datdba)) as acl
    from pg_database where datname = current_database()
    union all
    select 2, 'CREATE', 'database ' || quote_ident(datname), true,
           has_database_privilege('public', pg_database.oid, 'create'), coalesce(datacl, acldefault('d', datdba))
    from pg_database where datname = current_database()
    union all
    select 3, 'CREATE', 'schema public', true, has_schema_privilege('public', oid, 'create'),
           coalesce(nspacl, acldefault('n', nspowner))
    from pg_namespace where nspname = 'public'
    union all
    select 4, 'EXECUTE', 'function cognito.ensure_user(jsonb)', false,
           has_function_privilege('public', oid, 'execute'), coalesce(proacl, acldefault('f', proowner))
    from pg_proc where oid = 'cognito.ensure_user(jsonb)'::regprocedure
) as rights
join pg_database on datname = current_database()
cross join version
where is_granted
order by place
