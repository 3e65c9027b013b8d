alter table public.refinery_schema_history set schema cognito;
alter table cognito.refinery_schema_history rename to schema_history
