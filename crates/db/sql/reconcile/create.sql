-- The tables of one reconciliation. They hold personal data, so no other role may read them, and `drop.sql` drops them.
-- Unlogged: they are worth nothing after a crash of the server, and cost no WAL.
create unlogged table if not exists cognito.reconcile_run (
    -- Only one row.
    single boolean primary key default true check (single),
    -- What the run is for. Another purpose begins anew.
    scope text not null,
    -- The process that goes on with it. The statements of any other find no row.
    owner text not null,
    started_at timestamptz not null default clock_timestamp(),
    -- When the first row of the users was written, as far as it is known.
    first_as_of timestamptz,
    -- The last page that is in `reconcile_users`, and the token of the next one.
    page int not null default 0,
    token text,
    is_listed boolean not null default false,
    -- The last page whose users were compared with the rows.
    judged int not null default 0
);
-- One row a page, whose arrays have a place for each user: that is several times cheaper than a row for each.
create unlogged table if not exists cognito.reconcile_users (
    page int primary key,
    -- When the page was asked for.
    at timestamptz not null,
    sub text[] not null,
    username text[] not null,
    status text[] not null,
    enabled boolean[] not null,
    created_at timestamptz[] not null,
    modified_at timestamptz[] not null,
    -- As the event has them.
    email text[] not null,
    email_verified boolean[] not null,
    -- The handle that the user would get if nobody had it.
    handle text[] not null,
    -- JSON. As text, because jsonb refuses characters that an attribute may have.
    attributes text[] not null
);
-- Compression would cost more than it saves.
alter table cognito.reconcile_users
    alter sub set storage external,
    alter username set storage external,
    alter status set storage external,
    alter email set storage external,
    alter handle set storage external,
    alter created_at set storage external,
    alter modified_at set storage external,
    alter attributes set storage external;
create unlogged table if not exists cognito.reconcile_links (
    uuid uuid not null,
    handle text not null,
    sub text not null,
    state text not null,
    primary key (uuid, sub)
);
create unlogged table if not exists cognito.reconcile_findings (
    sub text primary key,
    username text,
    kind text not null,
    state text not null,
    -- Of a missing user, or of a failure its SQLSTATE and its message.
    reason text,
    sqlstate text,
    message text,
    -- When the user was last changed in the pool, for one whose sign-up may be under way.
    changed_at timestamptz
);
-- The users whose rows were changed, until they were asked for once more.
create unlogged table if not exists cognito.reconcile_changed (
    sub text primary key,
    username text not null
);
-- Default privileges may name any role.
do $$
declare
    granted record;
begin
    for granted in
        select distinct relname, grantee
        from pg_catalog.pg_class,
             pg_catalog.aclexplode(coalesce(relacl, pg_catalog.acldefault('r', relowner))) as privilege
        where relnamespace = 'cognito'::pg_catalog.regnamespace::pg_catalog.oid
          and relname in ('reconcile_run', 'reconcile_users', 'reconcile_links', 'reconcile_findings', 'reconcile_changed')
          and grantee <> relowner
    loop
        execute pg_catalog.concat(
            'revoke all on cognito.', granted.relname, ' from ',
            case granted.grantee
                when 0::pg_catalog.oid then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(granted.grantee)::text)
            end
        );
    end loop;
end
$$
