-- All that the PostConfirmation function does, and all that its role may do: it needs no right on any table.
--
-- Ensures the user's row. On an existing one only the e-mail address follows Cognito, the rest belongs to the
-- application. Of `handles`, best first, the first that is free becomes the new row's. Returns true for a new row,
-- false for a changed e-mail address, null where nothing had to change.
--
-- When another sign-up takes the chosen handle at this very moment, users_handle_key refuses it (23505): call again,
-- and the next handle is chosen. plpgsql keeps the statement's plan for the session; a function in SQL takes twice as
-- long.
create function upsert_user(cognito_user_id text, display_name text, handles text[], email text) returns boolean
    language plpgsql
    security definer
    set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    created boolean;
begin
    insert into users (display_name, handle, email, cognito_user_id)
    select $2, wanted.handle, $4, $1
    from unnest($3) with ordinality as wanted (handle, preference)
    order by exists (select from users where lower(users.handle) = lower(wanted.handle)),
             wanted.preference
    limit 1
    on conflict (cognito_user_id) do update
        set email = excluded.email
        where users.email is distinct from excluded.email
    returning xmax = 0 into created;
    return created;
end
$$;

-- Everybody may call a new function otherwise.
revoke execute on function upsert_user(text, text, text[], text) from public;

-- So may everybody make temporary tables, and up to PostgreSQL 14 any others. What the function's role is not to do,
-- nobody may do who was not given it.
revoke create on schema public from public;
do $$
begin
    execute format('revoke temporary on database %I from public', current_database());
end
$$;
