-- `known_users` also tells whether the address of a row is verified, and without an argument it returns every user: so the
-- operator's tool finds rows that differ from the user pool, and rows of users that the pool no longer has.
do $$
declare
    -- A function whose columns change must be dropped, and its grants with it.
    grants constant text[] := array(
        select format('grant execute on function cognito.known_users(text[]) to %s%s',
                      case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end,
                      case when is_grantable then ' with grant option' else '' end)
        from pg_proc, aclexplode(proacl)
        where pg_proc.oid = 'cognito.known_users(text[])'::regprocedure and grantee <> proowner
    );
    granted record;
    statement text;
begin
    drop function cognito.known_users(text[]);
    -- Two parts, because an `or` would read the whole table for a few users as well.
    create function cognito.known_users(subs text[])
        returns table (sub text, email text, as_of timestamptz, email_verified boolean)
        language sql
        stable
        set search_path = pg_catalog, pg_temp
    as $known$
        select users.cognito_user_id, users.email, users.cognito_as_of, users.email_verified
        from public.users
        where users.cognito_user_id = any (subs)
        union all
        select users.cognito_user_id, users.email, users.cognito_as_of, users.email_verified
        from public.users
        where subs is null
    $known$;
    -- Every role may call a new function otherwise, and default privileges may name others.
    for granted in
        select distinct case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as grantee
        from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
        where pg_proc.oid = 'cognito.known_users(text[])'::regprocedure and grantee <> proowner
    loop
        execute format('revoke execute on function cognito.known_users(text[]) from %s', granted.grantee);
    end loop;
    foreach statement in array grants loop
        execute statement;
    end loop;
end
$$;
