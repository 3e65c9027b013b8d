-- The first part of each statement that asks whom this login trusts.
--
-- Trusted are the owners whose code may run with the rights of this login: those who can become the login, as superusers can,
-- the owner of the database, and the roles whose rights it inherits. A membership counts only if one of the former has
-- granted it, or an administrator of the role that was made one by them: up to PostgreSQL 15 each role can grant itself to
-- others. There, CREATEROLE can grant itself any login that is no superuser. From PostgreSQL 16 on, a role that creates
-- another is its administrator as well, without INHERIT and SET, whoever it is; and the grant says whether it inherits, the
-- member before.
-- https://www.postgresql.org/docs/16/release-16.html
with recursive powerful (role) as (
    select pg_roles.oid
    from pg_roles join pg_database on datname = current_database()
    where pg_roles.oid = datdba or rolname = 'pg_database_owner' or pg_has_role(pg_roles.oid, current_user, 'member')
       or rolcreaterole
          and current_setting('server_version_num')::int4 < 160000
          and not (select rolsuper from pg_roles as login where login.rolname = current_user)
),
administrators (role, administered) as (
    select member, roleid
    from pg_auth_members
    where admin_option
      and grantor in (select role from powerful)
      and coalesce((to_jsonb(pg_auth_members) ->> 'inherit_option')::bool
                   or (to_jsonb(pg_auth_members) ->> 'set_option')::bool, true)
    union
    select member, roleid
    from administrators join pg_auth_members on grantor = role and roleid = administered
    where admin_option
),
inherited (role) as (
    select oid from pg_roles where rolname = current_user
    union
    select roleid
    from inherited
    join pg_auth_members on member = role
    join pg_roles on pg_roles.oid = member
    where (grantor in (select role from powerful) or (grantor, roleid) in (select * from administrators))
      and coalesce((to_jsonb(pg_auth_members) ->> 'inherit_option')::bool, rolinherit)
),
trusted (role) as (select role from powerful union select role from inherited),
