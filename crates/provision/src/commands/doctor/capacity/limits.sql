-- The connections of a role at most, and those that the server gives to roles that are no superusers.
select
    (select rolconnlimit from pg_roles where rolname = $1) as of_role,
    current_setting('max_connections')::int4
        - current_setting('superuser_reserved_connections')::int4
        - coalesce(current_setting('reserved_connections', true)::int4, 0)
        - coalesce(current_setting('rds.rds_superuser_reserved_connections', true)::int4, 0) as of_server
