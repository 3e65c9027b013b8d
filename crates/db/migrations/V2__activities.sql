create table activities (
    uuid                   uuid primary key default gen_random_uuid(),
    user_uuid              uuid not null references users (uuid) on delete cascade,
    message                text not null check (char_length(message) <= 280),
    replies_count          integer not null default 0,
    reposts_count          integer not null default 0,
    likes_count            integer not null default 0,
    reply_to_activity_uuid uuid references activities (uuid) on delete set null,
    expires_at             timestamptz,
    created_at             timestamptz not null default now()
);

-- The home feed: newest first, and the uuid to tell apart what was created in the same microsecond.
create index activities_home_idx on activities (created_at desc, uuid desc);

create index activities_user_idx on activities (user_uuid, created_at desc, uuid desc);

-- The replies of an activity; without it, each deleted activity would scan the table for them.
create index activities_reply_idx on activities (reply_to_activity_uuid)
    where reply_to_activity_uuid is not null;
