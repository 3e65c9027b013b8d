-- Whether this server is a primary, and whether this session writes.
select not pg_is_in_recovery() as is_primary, current_setting('transaction_read_only') = 'off' as writes
