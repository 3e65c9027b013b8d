-- What decides about loading: always one row.
select to_regclass('cognito.schema_history') is not null as has_history,
       to_regclass('public.refinery_schema_history') is not null as has_former_history,
       to_regprocedure('cognito.ensure_user(jsonb)') is not null as has_contract
