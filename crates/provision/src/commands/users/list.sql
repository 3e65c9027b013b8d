select uuid::text,
       display_name,
       handle,
       email,
       cognito_user_id,
       to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at
from public.users
order by users.created_at, users.uuid
