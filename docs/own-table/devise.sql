-- Devise's users, with the columns and indexes that its generator writes. An address is unique, in lower case and never
-- null. So only a verified one is stored, and only if no other user has it: whoever registers another's address gets
-- nothing of the other's. Without one, the user has an address that receives no mail (RFC 2606 reserves `.invalid`).

create table public.users (
    id bigserial primary key,
    email character varying default '' not null,
    encrypted_password character varying default '' not null,
    reset_password_token character varying,
    reset_password_sent_at timestamp(6) without time zone,
    remember_created_at timestamp(6) without time zone,
    created_at timestamp(6) without time zone not null,
    updated_at timestamp(6) without time zone not null
);
create unique index index_users_on_email on public.users (email);
create unique index index_users_on_reset_password_token on public.users (reset_password_token);

-- Added for the contract.
alter table public.users
    add column cognito_sub text unique,
    add column cognito_as_of timestamptz;

grant usage on sequence public.users_id_seq to cognito_writer;
grant select (email, cognito_sub, cognito_as_of),
      insert (email, created_at, updated_at, cognito_sub, cognito_as_of),
      update (email, updated_at, cognito_as_of)
    on public.users to cognito_writer;

-- The contract

create view cognito.known as select cognito_sub as sub, nullif(email, cognito_sub || '@cognito.invalid') as email,
    cognito_as_of as as_of from public.users;
create function cognito.ensure_user(event jsonb) returns text language plpgsql as $$
declare e cognito.event := cognito.read(event); address text := case when e.email_verified then lower(e.email) end;
begin e.handles := array_remove(array[address, e.sub || '@cognito.invalid'], null);
    while not exists (select from public.users where cognito_sub = e.sub) loop begin
        if cognito.is_forgotten(e) then return 'unchanged'; end if;
        insert into public.users (email, created_at, updated_at, cognito_sub, cognito_as_of)
        values (e.handles[1], timezone('UTC', now()), timezone('UTC', now()), e.sub, e.as_of)
            returning e.sub into strict e.sub; return 'created';
    exception when unique_violation then if e.handles[2] is null then raise; end if; e.handles := e.handles[2:]; end;
    end loop;
    update public.users set email = address, updated_at = timezone('UTC', now()), cognito_as_of = e.as_of
    where cognito_sub = e.sub and cognito_as_of <= e.as_of and address <> email
      and not exists (select from public.users where email = address);
    return case when found then 'changed' else 'unchanged' end; end $$;
