-- Whether the contract is that of the migrations, which write `public.users`: an application's own has no such history.
select to_regclass('cognito.schema_history') is not null
       and to_regclass('public.users') is not null
       and to_regprocedure('cognito.handle_key(text)') is not null as writes_public_users
