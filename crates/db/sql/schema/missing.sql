-- What a migration has created, every later release needs, and something has removed.
select version, object
from (
    values (1, 'public.users', to_regclass('public.users') is null),
           (2, 'public.activities', to_regclass('public.activities') is null),
           (5, 'cognito.handle_key(text)', to_regprocedure('cognito.handle_key(text)') is null),
           (5, 'cognito.ensure_user(jsonb)', to_regprocedure('cognito.ensure_user(jsonb)') is null),
           (5, 'cognito.known_users(text[])', to_regprocedure('cognito.known_users(text[])') is null),
           (5, 'cognito.forget_user(text)', to_regprocedure('cognito.forget_user(text)') is null),
           (7, 'cognito.forgotten', to_regclass('cognito.forgotten') is null)
) as created (version, object, is_missing)
where is_missing
order by version
