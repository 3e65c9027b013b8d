-- $1 the database's name. The statements that give a new database of the same name the privileges, settings and comment of
-- this one. The value that ends a statement is apart, and what each restores, in words, has none in it: an application's own
-- setting, which has a dot in its name, may hold a secret.
with old as (
    select oid, datname, datdba,
           -- A load makes them explicit and leaves them as they are.
           case when not (datacl @> acldefault('d', datdba) and datacl <@ acldefault('d', datdba)) then datacl end as datacl
    from pg_database
    where datname = $1
), setting as (
    select setrole, split_part(entry, '=', 1) as name, substr(entry, strpos(entry, '=') + 1) as value
    from old, pg_db_role_setting, unnest(setconfig) as entry
    where setdatabase = oid
), setting_value as (
    -- PostgreSQL keeps the value of a list as identifiers or paths, and reads it as literals: variable_is_guc_list_quote in
    -- https://github.com/postgres/postgres/blob/master/src/bin/pg_dump/dumputils.c
    -- A name without quotes stands for its lower case. A list may be empty.
    select setrole, name,
           case when is_of_names or lower(name) in ('local_preload_libraries', 'session_preload_libraries',
                                                    'shared_preload_libraries', 'unix_socket_directories')
               then coalesce(
                   (
                       select string_agg(
                           quote_literal(case when element like '"%'
                                                  then replace(substr(element, 2, length(element) - 2), '""', '"')
                                              when is_of_names then lower(element)
                                              else element end),
                           ', ' order by place
                       )
                       from regexp_matches(value, '"(?:[^"]|"")*"|[^",]+', 'g') with ordinality as part (match, place),
                       btrim(match[1], e' \t\n\r\f\v') as element
                       where element <> ''
                   ),
                   quote_literal('')
               )
               else quote_literal(value)
           end as value
    from setting, lateral (select lower(name) in ('search_path', 'temp_tablespaces')) as kind (is_of_names)
), restored (place, what, statement, value, is_hidden) as (
    select 1,
           'the privileges of PUBLIC and of the owner',
           format('revoke all on database %I from public, %I', datname, pg_get_userbyid(datdba)),
           '',
           false
    from old
    where datacl is not null
    union all
    select 2,
           'the privilege ' || privilege_type || ' of '
               || case grantee when 0 then 'PUBLIC' else pg_get_userbyid(grantee)::text end,
           format('grant %s on database %I to %s', privilege_type, datname,
                  case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end)
               || case when is_grantable then ' with grant option' else '' end,
           '',
           false
    from old, aclexplode(datacl)
    union all
    select 3,
           'the setting ' || name || case setrole when 0 then '' else ' of ' || pg_get_userbyid(setrole) end,
           case setrole
               when 0 then format('alter database %I set %I = ', datname, name)
               else format('alter role %I in database %I set %I = ', pg_get_userbyid(setrole), datname, name)
           end,
           value,
           name like '%.%'
    from old, setting_value
    union all
    select 4,
           'the comment',
           format('comment on database %I is ', datname),
           quote_literal(shobj_description(oid, 'pg_database')),
           false
    from old
    where shobj_description(oid, 'pg_database') is not null
)
select what, statement, value, is_hidden from restored order by place, what
