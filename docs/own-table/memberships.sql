-- Users and their memberships in two tables: one statement writes both rows or none. The user pool decides about the
-- organization; users of an unknown pool join the organization 0.

create table public.users (
    id uuid primary key default gen_random_uuid(),
    handle text not null unique,
    name text not null,
    email text,
    email_verified boolean not null,
    cognito_sub text not null unique,
    cognito_as_of timestamptz not null
);
create table public.organizations (
    id bigint primary key,
    user_pool_id text unique
);
insert into public.organizations (id) values (0);
create table public.memberships (
    user_id uuid references public.users on delete cascade,
    organization_id bigint references public.organizations,
    role text not null,
    primary key (user_id, organization_id)
);

grant select on public.organizations to cognito_writer;
grant insert on public.memberships to cognito_writer;
grant select (id, email, email_verified, cognito_sub, cognito_as_of),
      insert (handle, name, email, email_verified, cognito_sub, cognito_as_of),
      update (email, email_verified, cognito_as_of)
    on public.users to cognito_writer;

-- The contract

create view cognito.known as select cognito_sub sub, email, cognito_as_of as_of, email_verified from public.users;
create function cognito.ensure_user(event jsonb) returns text language plpgsql as $$
declare e cognito.event := cognito.read(event);
begin
    while not exists (select from public.users where cognito_sub = e.sub) loop begin
        if cognito.is_forgotten(e) then return 'unchanged'; end if;
        with new as (insert into public.users (handle, name, email, email_verified, cognito_sub, cognito_as_of)
            values (e.handles[1], e.display_name, e.email, e.email_verified, e.sub, e.as_of) returning id)
        insert into public.memberships (user_id, organization_id, role) select new.id, coalesce(
            (select id from public.organizations where user_pool_id = e.user_pool_id), 0), 'member' from new
            returning e.sub into strict e.sub; return 'created';
    exception when unique_violation then if e.handles[2] is null then raise; end if; e.handles := e.handles[2:]; end;
    end loop;
    update public.users set email = e.email, email_verified = e.email_verified, cognito_as_of = e.as_of
    where cognito_sub = e.sub and cognito.replaces(e, email, email_verified, cognito_as_of);
    return case when found then 'changed' else 'unchanged' end; end $$;
