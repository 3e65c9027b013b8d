-- Last part, the same for every table: the functions of the operator's tool, tombstones, and the rights. Run it again
-- after each `create or replace` of `ensure_user`, which forgets `security definer` and `set search_path`.

-- The users of these that have a row, or, without an argument, all. It runs with the operator's rights. `email_verified` is
-- null where the view has no such column. Two parts, because an `or` would read the whole table for a few users as well.
drop function if exists cognito.known_users(text[]);
create function cognito.known_users(subs text[])
    returns table (sub text, email text, as_of timestamptz, email_verified boolean)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select known.sub, known.email, known.as_of, (to_jsonb(known) ->> 'email_verified')::boolean
    from cognito.known where known.sub = any (subs)
    union all
    select known.sub, known.email, known.as_of, (to_jsonb(known) ->> 'email_verified')::boolean
    from cognito.known where subs is null
$$;

-- Tombstones: who was forgotten, as the sha256 of the sub, and when.
create table if not exists cognito.forgotten (digest bytea primary key, at timestamptz not null);
grant usage on schema cognito to cognito_writer;
grant select on cognito.forgotten to cognito_writer;

-- Whether the event's user was forgotten at the event's time or later. The lock is there for a user who is forgotten at this
-- moment: whoever comes second sees what the first has done.
create or replace function cognito.is_forgotten(e cognito.event) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('cognito.forgotten ' || e.sub, 0));
    return exists (
        select from cognito.forgotten
        where forgotten.digest = sha256(convert_to(e.sub, 'UTF8')) and forgotten.at >= e.as_of
    );
end
$$;

-- Deletes the user's row and leaves a tombstone, for 60 days: no message waits as long in a queue, not even as a dead letter.
-- Returns whether there was a row. It runs with the operator's rights.
create or replace function cognito.forget_user(sub text) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('cognito.forgotten ' || $1, 0));
    insert into cognito.forgotten (digest, at) values (sha256(convert_to($1, 'UTF8')), clock_timestamp())
    on conflict (digest) do update set at = greatest(forgotten.at, excluded.at);
    delete from cognito.forgotten where digest in (
        select digest from cognito.forgotten where at < clock_timestamp() - interval '60 days' limit 100 for update skip locked
    );
    delete from cognito.known where known.sub = $1;
    return found;
end
$$;

-- Runs with the owner's rights, which only a path without the objects of others keeps safe.
alter function cognito.ensure_user(jsonb) security definer set search_path = pg_catalog, pg_temp;

-- Every role may call a new function otherwise.
revoke execute on all functions in schema cognito from public;
grant execute on function cognito.read, cognito.replaces, cognito.is_forgotten to cognito_writer;

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
