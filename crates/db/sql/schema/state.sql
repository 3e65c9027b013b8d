-- What decides about loading: always one row.
select to_regclass('cognito.schema_history') is not null as has_history,
       to_regclass('public.refinery_schema_history') is not null as has_former_history,
       -- Whatever functions: a part of the contract is one that its application is about to complete.
       exists (select from pg_proc where pronamespace = to_regnamespace('cognito')) as has_contract,
       to_regclass('cognito.public_rights') is not null as has_public_rights
