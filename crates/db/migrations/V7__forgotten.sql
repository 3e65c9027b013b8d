-- A user who was deleted is not made again by an event that was on its way: `forget_user` leaves a tombstone, and an event
-- that is not later than that makes no row.

create table cognito.forgotten (
    -- sha256 of the sub in UTF-8: it recognises a user whose event comes, and names nobody.
    digest bytea primary key,
    -- When the user was forgotten, by this server's clock.
    at timestamptz not null
);
create index forgotten_at_idx on cognito.forgotten (at);

-- Where row level security is turned on for every new table, the rights below still decide.
create policy by_right on cognito.forgotten using (true) with check (true);

-- Default privileges may name others; and whoever deletes users without owning the tables writes tombstones, too.
do $$
declare
    granted record;
begin
    for granted in
        select distinct case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as grantee
        from pg_class, aclexplode(relacl)
        where pg_class.oid = 'cognito.forgotten'::regclass and grantee <> relowner
    loop
        execute format('revoke all on cognito.forgotten from %s', granted.grantee);
    end loop;
    for granted in
        select distinct case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as grantee
        from pg_proc, aclexplode(proacl)
        where pg_proc.oid = 'cognito.forget_user(text)'::regprocedure and grantee <> proowner
    loop
        execute format('grant select, insert, update, delete on cognito.forgotten to %s', granted.grantee);
    end loop;
end
$$;
grant usage on schema cognito to cognito_writer;
grant select on cognito.forgotten to cognito_writer;

-- As in V5: only the owner replaces a function, and a login that is no superuser must be a member for that.
do $$
begin
    if not (select rolsuper from pg_roles where rolname = current_user) then
        execute format('grant cognito_writer to %I', current_user);
    end if;
exception
    when insufficient_privilege then null;
end
$$;

-- As in V5, and besides: an event that is not later than the user's tombstone is `unchanged`, and writes nothing.
--
-- A `forget_user` that has not committed yet shows neither its tombstone nor, to it, the row made here. So each of the two
-- locks the user's name, this one for a new row alone: to have both at once is impossible, and whoever comes second sees
-- what the first has done. This one does not wait, since a transaction that forgets may wait for the row: the event fails
-- with 40001, which passes by itself. All that holds in `read committed`, the default.
create or replace function cognito.ensure_user(event jsonb) returns text
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    as_of constant timestamptz not null := coalesce((event ->> 'as_of')::timestamptz, clock_timestamp());
    address constant text := event ->> 'email';
    is_verified constant boolean not null := address is not null and coalesce((event ->> 'email_verified')::boolean, false);
    tombstone constant bytea := sha256(convert_to(event ->> 'sub', 'UTF8'));
    is_new boolean := false;
    known_address text;
    is_known_verified boolean;
    known_as_of timestamptz;
    created_at timestamptz;
begin
    for place in 0 .. jsonb_array_length(event -> 'handles') - 1 loop
        insert into public.users (cognito_user_id, display_name, handle, email, email_verified, cognito_as_of)
        select event ->> 'sub', event ->> 'display_name', event -> 'handles' ->> place, address, is_verified, as_of
        where not exists (select from cognito.forgotten where forgotten.digest = tombstone and forgotten.at >= as_of)
        on conflict do nothing;
        is_new := found;
        exit when is_new;
        select users.email, users.email_verified, users.cognito_as_of, users.created_at
        into known_address, is_known_verified, known_as_of, created_at
        from public.users
        where users.cognito_user_id = event ->> 'sub';
        exit when found;
    end loop;
    if not is_new and created_at is null then
        if exists (select from cognito.forgotten where forgotten.digest = tombstone and forgotten.at >= as_of) then
            return 'unchanged';
        end if;
        -- A unique key of the application's is in the way of them all: this names it.
        insert into public.users (cognito_user_id, display_name, handle, email, email_verified, cognito_as_of)
        values (event ->> 'sub', event ->> 'display_name', event -> 'handles' ->> -1, address, is_verified, as_of);
        if not found then
            raise triggered_action_exception using message = 'a trigger on public.users drops the row';
        end if;
        is_new := true;
    end if;
    if is_new then
        if not pg_try_advisory_xact_lock_shared(hashtextextended('cognito.forgotten ' || (event ->> 'sub'), 0)) then
            raise serialization_failure using message = 'the user is forgotten at this moment';
        end if;
        -- A statement of its own, since each sees what was committed before it began.
        if exists (select from cognito.forgotten where forgotten.digest = tombstone and forgotten.at >= as_of) then
            raise serialization_failure using message = 'the user is forgotten at this moment';
        end if;
        return 'created';
    end if;
    if address is not null and (known_address, is_known_verified) is distinct from (address, is_verified) then
        -- Another event may have been quicker: the row decides.
        update public.users
        set email = address, email_verified = is_verified, cognito_as_of = as_of
        where users.cognito_user_id = event ->> 'sub'
          and (is_verified or not users.email_verified)
          and (users.cognito_as_of <= as_of or users.cognito_as_of is null)
          and not exists (select from cognito.forgotten where forgotten.digest = tombstone and forgotten.at >= as_of);
        return case when found then 'changed' else 'unchanged' end;
    end if;
    return case
        when known_as_of is distinct from as_of then 'unchanged'
        when created_at >= as_of - interval '1 second' then 'created'
        else 'changed'
    end;
end
$$;
do $$
begin
    execute format('revoke cognito_writer from %I', current_user);
exception
    when insufficient_privilege then null;
end
$$;

-- Deletes the user's row and leaves a tombstone, also where there was no row: its event may still be on its way. Returns
-- whether there was a row.
create or replace function cognito.forget_user(sub text) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Waits for a row that is made at this moment: the statements below see it.
    perform pg_advisory_xact_lock(hashtextextended('cognito.forgotten ' || sub, 0));
    insert into cognito.forgotten (digest, at)
    select sha256(convert_to(sub, 'UTF8')), clock_timestamp()
    where sub is not null
    on conflict (digest) do update set at = greatest(forgotten.at, excluded.at);
    -- SQS keeps a message 14 days at most; as a dead letter it may begin anew, and once more when it is sent back. Of the older
    -- ones only some, so that no call takes long, and none that another session has locked.
    -- https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
    delete from cognito.forgotten
    where forgotten.digest in (
        select old.digest
        from cognito.forgotten as old
        where old.at < clock_timestamp() - interval '60 days'
        order by old.at
        limit 100
        for update skip locked
    );
    delete from public.users where users.cognito_user_id = sub;
    return found;
end
$$;

-- A user signs up and is forgotten, and that is undone. Rights that something has taken from what is new here would fail
-- every sign-up: then this migration fails instead.
do $$
declare
    probe constant text := gen_random_uuid();
begin
    perform cognito.ensure_user(jsonb_build_object('sub', probe, 'display_name', probe, 'handles', jsonb_build_array(probe)));
    perform cognito.forget_user(probe);
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
