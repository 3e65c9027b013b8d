-- The contract `cognito.ensure_user(event jsonb)`: all that the function calls, whatever tables are behind it.
--
-- The schema `cognito` is there already: it holds the history of these migrations.

-- Two handles with the same key look the same to a reader: however they are composed (NFKC) and spaced, in whatever case,
-- with or without characters that cannot be seen (Unicode's Default_Ignorable_Code_Point, and some more). `upper` comes first since full case
-- folding makes `ss` of a sharp s, and one sigma of two. ICU's root collation is there because `lower` alone follows the
-- database's locale; without it, or with another encoding than UTF8, only `lower` is left.
-- https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt
do $$
declare
    key text := 'pg_catalog.lower(handle)';
    -- In characters, of at most 4 bytes: an entry of the index has 2,704 bytes at most.
    longest constant int := 600;
begin
    if getdatabaseencoding() = 'UTF8' and to_regcollation('pg_catalog."und-x-icu"') is not null then
        key := $key$
            pg_catalog.lower(pg_catalog.upper(pg_catalog.regexp_replace(pg_catalog.normalize(
                pg_catalog.regexp_replace(handle,
                    '[\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F\u2800'
                    '\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A'
                    '\U000E0000-\U000E0FFF]', '', 'g'),
                'NFKC'), '\s+', ' ', 'g') collate pg_catalog."und-x-icu"))$key$;
    end if;
    -- Without `set search_path`, so that the planner inlines it.
    execute format(
        'create function cognito.handle_key(handle text) returns text language sql immutable parallel safe as %L',
        format('select pg_catalog.left(%s, %s)', key, longest)
    );
end
$$;

alter table public.users
    -- Whether Cognito has verified `email`.
    add column email_verified boolean not null default false,
    -- When Cognito reported what this row has of it. Anything older changes nothing.
    add column cognito_as_of timestamptz,
    -- The handle that an older user had as well, to a reader, before handles were compared by their keys. This user keeps
    -- it; any other is compared.
    add column shared_handle text;

update public.users
set shared_handle = handle
from (
    select uuid, row_number() over (partition by cognito.handle_key(handle) order by created_at, uuid) as place
    from public.users
) as ranked
where ranked.uuid = users.uuid
  and ranked.place > 1;

drop index public.users_handle_key;
create unique index users_handle_key on public.users (cognito.handle_key(handle))
    where handle is distinct from shared_handle;

-- The owner of what the function calls. It cannot log in, and may only do what `ensure_user` does: not even its owner's
-- rights would lead any further. A role belongs to the whole server, so another database may have created it already.
do $$
begin
    if not exists (select from pg_roles where rolname = 'cognito_writer') then
        create role cognito_writer;
    end if;
exception
    when duplicate_object or unique_violation then null;
end
$$;
grant usage on schema public to cognito_writer;
grant select (cognito_user_id, email, email_verified, cognito_as_of, created_at),
      insert (cognito_user_id, display_name, handle, email, email_verified, cognito_as_of),
      update (email, email_verified, cognito_as_of)
    on public.users to cognito_writer;
-- Whoever writes a handle calls it, for the index: it is everybody's where functions are not by default, too.
grant execute on function cognito.handle_key(text) to public;
-- Where the application turns row level security on, the sign-up is still no row of another user's.
create policy cognito_writer on public.users to cognito_writer using (true) with check (true);

-- Ensures the user's row and returns `created`, `changed` or `unchanged`. On an existing row only the e-mail address
-- follows Cognito, the rest belongs to the application; an unverified address never replaces a verified one. Of `handles`,
-- best first, the first that is free becomes the new row's.
--
-- An event whose answer was lost comes again, and gets the same answer again: its `as_of` is the row's, and tells apart
-- whether it made the row or changed it. A second allows for two clocks.
--
-- To insert first is the fastest way for a new user, and writes nothing where a row is in the way.
create function cognito.ensure_user(event jsonb) returns text
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    as_of constant timestamptz not null := coalesce((event ->> 'as_of')::timestamptz, clock_timestamp());
    address constant text := event ->> 'email';
    is_verified constant boolean not null := address is not null and coalesce((event ->> 'email_verified')::boolean, false);
    known_address text;
    is_known_verified boolean;
    known_as_of timestamptz;
    created_at timestamptz;
begin
    for place in 0 .. jsonb_array_length(event -> 'handles') - 1 loop
        insert into public.users (cognito_user_id, display_name, handle, email, email_verified, cognito_as_of)
        values (event ->> 'sub', event ->> 'display_name', event -> 'handles' ->> place, address, is_verified, as_of)
        on conflict do nothing;
        if found then
            return 'created';
        end if;
        select users.email, users.email_verified, users.cognito_as_of, users.created_at
        into known_address, is_known_verified, known_as_of, created_at
        from public.users
        where users.cognito_user_id = event ->> 'sub';
        exit when found;
    end loop;
    if created_at is null then
        -- A unique key of the application's is in the way of them all: this names it.
        insert into public.users (cognito_user_id, display_name, handle, email, email_verified, cognito_as_of)
        values (event ->> 'sub', event ->> 'display_name', event -> 'handles' ->> -1, address, is_verified, as_of);
        if not found then
            raise triggered_action_exception using message = 'a trigger on public.users drops the row';
        end if;
        return 'created';
    end if;
    if address is not null and (known_address, is_known_verified) is distinct from (address, is_verified) then
        -- Another event may have been quicker: the row decides.
        update public.users
        set email = address, email_verified = is_verified, cognito_as_of = as_of
        where users.cognito_user_id = event ->> 'sub'
          and (is_verified or not users.email_verified)
          and (users.cognito_as_of <= as_of or users.cognito_as_of is null);
        return case when found then 'changed' else 'unchanged' end;
    end if;
    return case
        when known_as_of is distinct from as_of then 'unchanged'
        when created_at >= as_of - interval '1 second' then 'created'
        else 'changed'
    end;
end
$$;

-- One release longer, for functions that were deployed before this.
create or replace function public.upsert_user(cognito_user_id text, display_name text, handles text[], email text)
    returns boolean
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    return case cognito.ensure_user(
        jsonb_build_object('sub', $1, 'display_name', $2, 'handles', $3, 'email', $4, 'as_of', clock_timestamp())
    )
        when 'created' then true
        when 'changed' then false
    end;
end
$$;

-- The users of these that have a row, for the operator's tool.
create function cognito.known_users(subs text[]) returns table (sub text, email text, as_of timestamptz)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select users.cognito_user_id, users.email, users.cognito_as_of
    from public.users
    where users.cognito_user_id = any (subs)
$$;

-- Deletes the user's row, for the operator's tool; returns whether there was one.
create function cognito.forget_user(sub text) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    delete from public.users where users.cognito_user_id = sub;
    return found;
end
$$;

-- Every role may call a new function otherwise.
do $$
declare
    granted record;
begin
    -- Default privileges may name others.
    for granted in
        select distinct pg_proc.oid::regprocedure as function,
               case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as grantee
        from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
        where pronamespace = 'cognito'::regnamespace
          and proname in ('ensure_user', 'known_users', 'forget_user')
          and grantee <> proowner
    loop
        execute format('revoke execute on function %s from %s', granted.function, granted.grantee);
    end loop;
end
$$;

-- A login that is no superuser hands over only to a role that it may become, and that may create in the schema. Where
-- another login has created the role, an administrator has granted it.
do $$
begin
    if not (select rolsuper from pg_roles where rolname = current_user) then
        execute format('grant cognito_writer to %I', current_user);
    end if;
exception
    when insufficient_privilege then null;
end
$$;
grant create on schema cognito to cognito_writer;
alter function cognito.ensure_user(jsonb) owner to cognito_writer;
revoke create on schema cognito from cognito_writer;
-- `upsert_user` calls it with the rights of its own owner, who also lets the function's role call it.
grant execute on function cognito.ensure_user(jsonb) to current_user with grant option;
do $$
begin
    execute format('revoke cognito_writer from %I', current_user);
exception
    when insufficient_privilege then null;
end
$$;

-- A user signs up, and is forgotten at once. What the application has put on the table may rely on rights, or on a
-- search_path, that the former function had: then every sign-up would fail, and this migration does instead.
do $$
declare
    probe constant text := gen_random_uuid();
begin
    perform cognito.ensure_user(jsonb_build_object(
        'sub', probe, 'display_name', probe, 'handles', jsonb_build_array(probe),
        'email', probe || '@example.com', 'email_verified', true
    ));
    raise exception using errcode = 'PROBE';
exception
    when sqlstate 'PROBE' then null;
    when insufficient_privilege or undefined_table or undefined_function or undefined_column or invalid_schema_name
        or undefined_object
    then
        raise triggered_action_exception using message = format('a sign-up would fail: %s', sqlerrm);
    -- A rule of the application's about this person says nothing about others.
    when others then null;
end
$$;
