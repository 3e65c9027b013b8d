-- What home and get show of each activity; they say which, and in which order.
select json_build_object(
           'uuid', activities.uuid,
           'display_name', users.display_name,
           'handle', users.handle,
           'message', activities.message,
           'replies_count', activities.replies_count,
           'reposts_count', activities.reposts_count,
           'likes_count', activities.likes_count,
           'reply_to_activity_uuid', activities.reply_to_activity_uuid,
           'expires_at', to_char(activities.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'created_at', to_char(activities.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
       ) as activity
from public.activities
join public.users on users.uuid = activities.user_uuid
