create table users (
    uuid            uuid primary key default gen_random_uuid(),
    display_name    text not null,
    handle          text not null,
    email           text,
    cognito_user_id text not null,
    created_at      timestamptz not null default now(),
    constraint users_cognito_user_id_key unique (cognito_user_id)
);

-- Handles are shown as they were typed and are unique regardless of case.
create unique index users_handle_key on users (lower(handle));
