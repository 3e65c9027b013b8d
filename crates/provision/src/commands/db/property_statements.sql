-- $1 the database's name. The statements that give a new database of the same name the privileges, settings and comment of
-- this one. The value that ends a
-- statement is apart, and what each restores, in words, has none in it: a setting may hold a secret.
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
    -- PostgreSQL keeps the value of a list as identifiers, and reads it as literals: variable_is_guc_list_quote in
    -- https://github.com/postgres/postgres/blob/master/src/bin/pg_dump/dumputils.c
    select setrole, name,
           case when lower(name) in ('local_preload_libraries', 'search_path', 'session_preload_libraries',
                                     'shared_preload_libraries', 'temp_tablespaces', 'unix_socket_directories')
               then (
                   select string_agg(quote_literal(case when element[1] like '"%'
                                                       then replace(substr(element[1], 2, length(element[1]) - 2), '""', '"')
                                                       else element[1] end), ', ' order by place)
                   from regexp_matches(value, '("(?:[^"]|"")*"|[^", ]+)', 'g') with ordinality as part (element, place)
               )
               else quote_literal(value)
           end as value
    from setting
), restored (place, what, statement, value) as (
    select 1,
           'the privileges of PUBLIC and of the owner',
           format('revoke all on database %I from public, %I', datname, pg_get_userbyid(datdba)),
           ''
    from old
    where datacl is not null
    union all
    select 2,
           'the privilege ' || privilege_type || ' of '
               || case grantee when 0 then 'PUBLIC' else pg_get_userbyid(grantee)::text end,
           format('grant %s on database %I to %s', privilege_type, datname,
                  case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end)
               || case when is_grantable then ' with grant option' else '' end,
           ''
    from old, aclexplode(datacl)
    union all
    select 3,
           'the setting ' || name || case setrole when 0 then '' else ' of ' || pg_get_userbyid(setrole) end,
           case setrole
               when 0 then format('alter database %I set %I = ', datname, name)
               else format('alter role %I in database %I set %I = ', pg_get_userbyid(setrole), datname, name)
           end,
           value
    from old, setting_value
    union all
    select 4,
           'the comment',
           format('comment on database %I is ', datname),
           quote_literal(shobj_description(oid, 'pg_database'))
    from old
    where shobj_description(oid, 'pg_database') is not null
)
select what, statement, value from restored order by place, what
