-- What decides about loading: always one row.
select to_regclass('cognito.schema_history') is not null as has_history,
       to_regclass('public.refinery_schema_history') is not null as has_former_history,
       -- Whatever functions: a part of the contract is one that its application is about to complete.
       exists (select from pg_proc where pronamespace = to_regnamespace('cognito')) as has_contract,
       to_regclass('cognito.public_rights') is not null as has_public_rights,
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
