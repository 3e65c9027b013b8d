-- What decides about loading: always one row.
select (
           select case relkind when 'r' then 'a table' when 'v' then 'a view' when 'm' then 'a materialized view'
                               when 'f' then 'a foreign table' when 'p' then 'a partitioned table' when 'S' then 'a sequence'
                               when 'c' then 'a type' else 'an index' end
           from pg_class where oid = to_regclass('cognito.schema_history')
       ) as history,
       exists (
           select from pg_class where oid = to_regclass('public.refinery_schema_history') and relkind = 'r'
       ) as has_former_history,
       -- Whatever functions: a part of the contract is one that its application is about to complete.
       exists (select from pg_proc where pronamespace = to_regnamespace('cognito')) as has_contract,
       -- What the fifth migration makes, and no contract for other tables has.
       to_regprocedure('cognito.handle_key(text)') is not null and exists (
           select from pg_attribute
           where attrelid = to_regclass('public.users') and attname = 'shared_handle' and not attisdropped
       ) as has_tables,
       (
           select count(*) = 4 from pg_attribute
           where attrelid = to_regclass('cognito.schema_history')
             and attname in ('version', 'name', 'applied_on', 'checksum')
             and not attisdropped
       ) as has_history_columns,
       -- A table that the owner of the history has made, as a load did. Another role's is no promise of ours.
       exists (
           select from pg_class
           join pg_class as history
             on history.oid in (to_regclass('cognito.schema_history'), to_regclass('public.refinery_schema_history'))
            and history.relowner = pg_class.relowner
           join pg_attribute on attrelid = pg_class.oid
           where pg_class.oid = to_regclass('cognito.public_rights')
             and pg_class.relkind = 'r'
             and history.relkind = 'r'
             and attname = 'statement'
             and atttypid = 'text'::regtype
             and pg_has_role(pg_class.relowner, 'usage')
       ) as has_public_rights,
       -- Where a load of the first releases may have led, by the search_path of its login.
       array(
           select quote_ident(nspname)
           from pg_class join pg_namespace on pg_namespace.oid = relnamespace
           where relname = 'refinery_schema_history'
             and nspname <> 'public'
             and relkind = 'r'
             and has_schema_privilege(pg_namespace.oid, 'usage')
             and has_table_privilege(pg_class.oid, 'select')
           order by 1
       ) as others
