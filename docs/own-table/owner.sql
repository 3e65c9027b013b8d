-- First part, the same for every table: the schema of the contract, the owner of `ensure_user`, the event as a row.

create schema cognito;

-- The owner cannot log in. A role belongs to the whole server, so another database may have created it already.
do $$
begin
    if not exists (select from pg_roles where rolname = 'cognito_writer') then
        create role cognito_writer;
    end if;
exception
    when duplicate_object or unique_violation then null;
end
$$;
grant usage on schema cognito, public to cognito_writer;

-- The event's fields, each with its type. Fields that are not here are left out.
create type cognito.event as (
    sub text, user_name text, user_pool_id text, client_id text, trigger_source text, display_name text,
    handles text[], email text, email_verified boolean, attributes jsonb, client_metadata jsonb, as_of timestamptz
);

-- The event as a row. An address of more than 254 characters is none (RFC 5321, section 4.5.3.1.3): it fits neither a
-- usual column nor an index.
create function cognito.read(event jsonb) returns cognito.event language sql stable as $$
    select jsonb_populate_record(null::cognito.event, case
        when length(event ->> 'email') <= 254 then event
        else event - 'email' || '{"email_verified": false}'
    end)
$$;

-- Whether the event's address replaces that of a row: there is one, it differs, it is not older, and an unverified one
-- replaces no verified one.
create function cognito.replaces(e cognito.event, email text, is_verified boolean, as_of timestamptz) returns boolean
    language sql immutable as $$
    select e.email is not null
        and (e.email, e.email_verified) is distinct from (email, is_verified)
        and e.email_verified >= is_verified
        and coalesce(e.as_of >= as_of, true)
$$;
