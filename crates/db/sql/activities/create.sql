-- $1 the author's handle or $2 uuid, $3 message, $4 hours to live or null to write nothing, $5 the activity to reply to
--
-- Always one row: what was found, and the new activity if nothing was missing.
with author as (
    select uuid, display_name, handle
    from public.users
    where (cognito.handle_key(handle) = cognito.handle_key($1) and handle is distinct from shared_handle) or uuid = $2
), parent as (
    update public.activities
    set replies_count = replies_count + 1
    where uuid = $5
      and expires_at > now()
      and $4 is not null
      and exists (select from author)
    returning uuid
), created as (
    insert into public.activities (user_uuid, message, expires_at, reply_to_activity_uuid)
    select author.uuid, $3, now() + $4 * interval '1 hour', $5
    from author
    where $4 is not null
      and ($5 is null or exists (select from parent))
    returning *
)
select exists (select from author) as has_author,
       $5 is null or exists (select from public.activities where uuid = $5 and expires_at > now()) as has_parent,
       (
           select json_build_object(
               'uuid', created.uuid,
               'display_name', author.display_name,
               'handle', author.handle,
               'message', created.message,
               'replies_count', created.replies_count,
               'reposts_count', created.reposts_count,
               'likes_count', created.likes_count,
               'reply_to_activity_uuid', created.reply_to_activity_uuid,
               'expires_at', to_char(created.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'created_at', to_char(created.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
           )
           from created cross join author
       ) as activity
