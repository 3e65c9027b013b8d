-- $1 the database's name, $2 the statement of create.sql. Whether this login can create the database again, and the statement
-- that does so with the same owner, connection limit, locale and tablespace.
with login as (
    select rolsuper or rolcreatedb as may_create from pg_roles where rolname = current_user
), old as (
    -- As JSON: the columns of the locale differ from version to version.
    select d.*,
           pg_get_userbyid(d.datdba) as owner,
           to_jsonb(d) ->> 'datlocprovider' as provider,
           coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') as locale,
           to_jsonb(d) ->> 'daticurules' as rules
    from pg_database d
    where datname in ($1, 'template0')
), facts as (
    select old.*,
           old.encoding = pg_char_to_encoding('UTF8') as is_utf8,
           (old.datcollate, old.datctype, old.provider, old.locale, old.rules)
               is distinct from (t.datcollate, t.datctype, t.provider, t.locale, t.rules) as has_locale,
           -- Below it, the database is half dropped.
           old.datconnlimit > -1 as has_limit,
           old.dattablespace <> t.dattablespace as has_tablespace,
           has_tablespace_privilege(old.dattablespace, 'create') as may_use_tablespace
    from old, old t
    where old.datname = $1 and t.datname = 'template0'
)
select facts.oid,
       current_user::text as login,
       may_create,
       owner::text as owner,
       (select rolsuper from pg_roles where oid = datdba) as owner_is_superuser,
       pg_has_role(
           datdba, case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end
       ) as may_set_owner,
       -- Another setup by this login makes the same.
       owner = current_user and not (has_limit or has_locale and is_utf8 or has_tablespace and may_use_tablespace) as is_usual,
       case when has_locale and is_utf8 then format('create database %I encoding ''UTF8'' template template0', datname)
            else $2 end
           || format(' owner %I', owner)
           || case when has_limit then ' connection limit ' || datconnlimit else '' end
           || case when has_tablespace and may_use_tablespace then format(' tablespace %I', spcname) else '' end
           || case when has_locale and is_utf8 then
                  format(' lc_collate %L lc_ctype %L', datcollate, datctype)
                  || case provider
                         when 'c' then ' locale_provider libc'
                         when 'i' then format(' locale_provider icu icu_locale %L', locale)
                         when 'b' then format(' locale_provider builtin builtin_locale %L', locale)
                         else ''
                     end
                  || coalesce(' icu_rules ' || quote_literal(nullif(rules, '')), '')
              else '' end as statement,
       array_remove(array[
           case when not datallowconn then 'the refusal of connections' end,
           case when not is_utf8 then 'the encoding ' || pg_encoding_to_char(encoding) end,
           case when not is_utf8 and has_locale then 'the locale ' || coalesce(locale, datcollate) end,
           case when has_tablespace and not may_use_tablespace then 'the tablespace ' || spcname end
       ], null) as lost
from login, facts left join pg_tablespace on pg_tablespace.oid = dattablespace
