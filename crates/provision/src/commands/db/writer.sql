-- The statement that lets the session's role hand a function over to cognito_writer, and the roles that may run it, beside
-- superusers. Up to PostgreSQL 15 every role with CREATEROLE may, and from 16 on the creator of cognito_writer.
-- https://www.postgresql.org/docs/current/sql-createrole.html
select case when current_setting('server_version_num')::int >= 160000
                then format('grant cognito_writer to %I with inherit true, set true', current_user)
            else format('grant cognito_writer to %I', current_user) end as statement,
       current_user::text as role,
       array(
           select distinct rolname::text
           from pg_auth_members join pg_roles on pg_roles.oid = member
           where roleid = to_regrole('cognito_writer')
             and admin_option
             and rolname <> current_user
           order by 1
       ) as admins
