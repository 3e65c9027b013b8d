-- Every activity ends, after 30 days at the latest: so the home feed need not look further back, however long the
-- table.
update activities set expires_at = created_at + interval '720 hours' where expires_at is null;

alter table activities
    alter column expires_at set not null,
    add constraint activities_expires_at_check check (expires_at - created_at <= interval '720 hours'),
    -- People count 280 characters as they see them; one of those may be several for the server, as in most emoji.
    drop constraint activities_message_check,
    add constraint activities_message_check check (char_length(message) <= 2800);
