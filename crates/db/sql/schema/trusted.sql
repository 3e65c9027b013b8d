-- The first part of each statement that asks whom this login trusts.
--
-- Trusted are the owners whose code may run with the rights of this login: those who can become the login, as superusers can,
-- the owner of the database, and the roles whose rights it inherits. A membership counts only if one of the former has
-- granted it: up to PostgreSQL 15 each role can grant itself to others. The grant says whether it inherits from PostgreSQL 16
-- on, the member before.
-- https://www.postgresql.org/docs/16/release-16.html
with recursive powerful (role) as (
    select pg_roles.oid
    from pg_roles join pg_database on datname = current_database()
    where pg_roles.oid = datdba or rolname = 'pg_database_owner' or pg_has_role(pg_roles.oid, current_user, 'member')
),
inherited (role) as (
    select oid from pg_roles where rolname = current_user
    union
    select roleid
    from inherited
    join pg_auth_members on member = role
    join pg_roles on pg_roles.oid = member
    where grantor in (select role from powerful)
      and coalesce((to_jsonb(pg_auth_members) ->> 'inherit_option')::bool, rolinherit)
),
trusted (role) as (select role from powerful union select role from inherited),
