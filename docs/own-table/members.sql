-- Members of tenants: a number as the key, and handles that are unique in a tenant. The user pool decides about the
-- tenant, since a user may write attributes. A user of an unknown pool belongs to the tenant 0.

create table public.tenants (
    id bigint primary key,
    user_pool_id text unique
);
insert into public.tenants (id) values (0);

create table public.members (
    id bigint generated always as identity primary key,
    tenant_id bigint not null references public.tenants,
    handle text not null,
    display_name text not null,
    email text,
    email_verified boolean not null,
    cognito_sub text not null unique,
    cognito_as_of timestamptz not null
);
create unique index members_handle_key on public.members (tenant_id, lower(handle));

grant select on public.tenants to cognito_writer;
grant select (email, email_verified, cognito_sub, cognito_as_of),
      insert (tenant_id, handle, display_name, email, email_verified, cognito_sub, cognito_as_of),
      update (email, email_verified, cognito_as_of)
    on public.members to cognito_writer;

-- The contract

create view cognito.known as select cognito_sub sub, email, cognito_as_of as_of, email_verified from public.members;
create function cognito.ensure_user(event jsonb) returns text language plpgsql as $$
declare e cognito.event := cognito.read(event);
begin
    while not exists (select from public.members where cognito_sub = e.sub) loop begin
        if cognito.is_forgotten(e) then return 'unchanged'; end if;
        insert into public.members (tenant_id, handle, display_name, email, email_verified, cognito_sub, cognito_as_of)
        select coalesce(max(id), 0), e.handles[1], e.display_name, e.email, e.email_verified, e.sub, e.as_of
        from public.tenants where user_pool_id = e.user_pool_id returning e.sub into strict e.sub; return 'created';
    exception when unique_violation then if e.handles[2] is null then raise; end if; e.handles := e.handles[2:]; end;
    end loop;
    update public.members set email = e.email, email_verified = e.email_verified, cognito_as_of = e.as_of
    where cognito_sub = e.sub and cognito.replaces(e, email, email_verified, cognito_as_of);
    return case when found then 'changed' else 'unchanged' end; end $$;
