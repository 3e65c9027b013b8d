-- The server's time, and whether this login may read tombstones: a contract from before them has none.
select clock_timestamp() as now,
       to_regclass('cognito.forgotten') is not null as has_tombstones,
       coalesce(has_table_privilege(to_regclass('cognito.forgotten')::oid, 'select'), false) as may_read_tombstones
