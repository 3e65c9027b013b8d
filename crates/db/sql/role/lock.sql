-- Any number does, as long as every release locks the same one. Whoever holds it waits for AWS, at most.
set local lock_timeout = '1min';
select pg_catalog.pg_advisory_xact_lock(1735549556)
