-- Profiles whose key is Cognito's `sub`, behind row level security. Cognito's are UUIDs in lower case. Whatever else a
-- `sub` may be one day, no cast fails: the key is then random, and `cognito_sub` holds it.
-- A row of the application's own that has the key already is the user's, and is linked.

create table public.profiles (
    id uuid primary key,
    username text unique,
    full_name text,
    email text,
    email_verified boolean default false not null,
    updated_at timestamptz
);
alter table public.profiles enable row level security;

-- Added for the contract. The owner of the function needs a policy like every role that does not own the table.
alter table public.profiles
    add column cognito_sub text unique,
    add column cognito_as_of timestamptz;
create policy cognito_writer on public.profiles to cognito_writer using (true) with check (true);

grant select (id, email, email_verified, cognito_sub, cognito_as_of),
      insert (id, username, full_name, email, email_verified, cognito_sub, cognito_as_of),
      update (email, email_verified, cognito_sub, cognito_as_of)
    on public.profiles to cognito_writer;

-- The contract

create view cognito.known as select cognito_sub sub, email, cognito_as_of as_of, email_verified from public.profiles;
create function cognito.ensure_user(event jsonb) returns text language plpgsql as $$
declare e cognito.event := cognito.read(event); is_uuid bool := e.sub ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
begin
    while not exists (select from public.profiles where cognito_sub = e.sub) loop begin
        if cognito.is_forgotten(e) then return 'unchanged'; end if;
        update public.profiles set cognito_sub = e.sub, cognito_as_of = e.as_of
        where cognito_sub is null and id = case when is_uuid then e.sub::uuid end; continue when found;
        insert into public.profiles (id, username, full_name, email, email_verified, cognito_sub, cognito_as_of)
        values (case when is_uuid then e.sub::uuid else gen_random_uuid() end, e.handles[1], e.display_name,
            e.email, e.email_verified, e.sub, e.as_of) returning e.sub into strict e.sub; return 'created';
    exception when unique_violation then if e.handles[1] is null then raise; end if; e.handles := e.handles[2:]; end;
    end loop;
    update public.profiles set email = e.email, email_verified = e.email_verified, cognito_as_of = e.as_of
    where cognito_sub = e.sub and cognito.replaces(e, email, email_verified, cognito_as_of);
    return case when found then 'changed' else 'unchanged' end; end $$;
