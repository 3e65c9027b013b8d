-- $1 the database's name. What a load into another database with the same owner, privileges and settings needs.
with d as (
    select * from pg_database where datname = $1
), login as (
    select * from pg_roles where rolname = session_user
), setting as (
    -- The one that counts. https://www.postgresql.org/docs/current/config-setting.html
    select distinct on (name) lower(split_part(entry, '=', 1)) as name,
           split_part(entry, '=', 2) as value,
           format(case when setdatabase = 0 then 'alter role %1$I'
                       when setrole = 0 then 'alter database %2$I'
                       else 'alter role %1$I in database %2$I' end, rolname, datname) as origin
    from d, login, pg_db_role_setting, unnest(setconfig) as entry
    where setdatabase in (0, d.oid) and setrole in (0, login.oid) and (setdatabase, setrole) <> (0, 0)
      and lower(split_part(entry, '=', 1)) in ('default_transaction_read_only', 'role')
    order by name, setrole <> 0 and setdatabase <> 0 desc, setrole <> 0 desc
), changed as (
    select pg_roles.*, origin
    from setting join pg_roles on rolname = value
    where name = 'role' and pg_has_role(session_user, pg_roles.oid, 'member')
), loader as (
    select coalesce(changed.oid, login.oid) as oid,
           coalesce(changed.rolname, login.rolname) as name,
           coalesce(changed.rolcreaterole, login.rolcreaterole) as may_create_role,
           coalesce(changed.rolinherit, login.rolinherit) as inherits,
           changed.origin
    from login left join changed on true
), version as (
    select current_setting('server_version_num')::int >= 160000 as is_16
), writer as (
    select oid from pg_roles where rolname = 'cognito_writer'
), able as (
    -- V5 hands a function over to the writer, and then grants a right on it with the privileges of the writer.
    select role.oid,
           case when rolsuper then true
                when writer.oid is null then rolcreaterole and rolinherit
                when is_16 then pg_has_role(role.oid, writer.oid, 'set') and pg_has_role(role.oid, writer.oid, 'usage')
                                or pg_has_role(role.oid, writer.oid, 'member with admin option') and rolinherit
                else (pg_has_role(role.oid, writer.oid, 'member') or rolcreaterole) and rolinherit end as may_use_writer
    from pg_roles as role cross join version left join writer on true
), inside as (
    -- The roles that own objects in the database, and those that have privileges on some. But for superusers that initdb
    -- has made, which it does not list, and for the writer, whose rights each load makes again.
    select distinct deptype, pg_roles.oid, rolname
    from d join pg_shdepend on dbid = d.oid join pg_roles on refclassid = 'pg_authid'::regclass and refobjid = pg_roles.oid
    where deptype in ('a', 'o') and rolname <> 'cognito_writer'
), actor as (
    -- The owner of the database, whose objects a load would make another's; if this login may act as the owner, a load may
    -- too, and the login uses what the owner makes.
    select owner.oid, owner.rolname as name
    from d
    join pg_roles as owner on owner.oid = datdba
    join able on able.oid = datdba and may_use_writer
    cross join loader
    cross join version
    where exists (select from inside where deptype = 'o' and inside.oid = datdba)
      and loader.oid <> datdba
      and pg_has_role(session_user, datdba, case when is_16 then 'set' else 'member' end)
      and pg_has_role(loader.oid, datdba, 'usage')
)
select login.rolname::text as login,
       loader.name::text as loader,
       (
           select origin
           from setting
           where setting.name = 'default_transaction_read_only' and value ~* '^(on|t|tr|tru|true|y|ye|yes|1)$'
       ) as read_only_origin,
       d.datconnlimit <> 0 or login.rolsuper as allows_connections,
       has_database_privilege(login.oid, d.oid, 'connect') as may_connect,
       loader.origin as role_origin,
       pg_has_role(loader.oid, d.datdba, 'usage') as may_write,
       actor.name::text as actor,
       array(
           select rolname::text from inside where deptype = 'o' and oid <> coalesce(actor.oid, loader.oid) order by 1
       ) as other_owners,
       array(
           select rolname::text
           from inside
           where deptype = 'a'
             and oid <> coalesce(actor.oid, loader.oid)
             and oid not in (select oid from inside where deptype = 'o')
           order by 1
       ) as grantees,
       able.may_use_writer or actor.oid is not null as may_use_writer,
       case when writer.oid is not null and is_16
                then format('grant cognito_writer to %I with inherit true, set true', loader.name)
            when writer.oid is not null or may_create_role
                then concat_ws('; ',
                    case when writer.oid is not null and not pg_has_role(loader.oid, writer.oid, 'member')
                        then format('grant cognito_writer to %I', loader.name) end,
                    case when not inherits then format('alter role %I inherit', loader.name) end) end as writer_grant,
       array(
           select distinct rolname::text
           from pg_auth_members join pg_roles on pg_roles.oid = member
           where roleid = writer.oid and admin_option and member <> loader.oid
           order by 1
       ) as writer_admins
from d, login, loader join able on able.oid = loader.oid cross join version left join writer on true left join actor on true
