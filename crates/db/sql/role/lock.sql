-- Any number does, as long as every release locks the same one. Whoever holds it waits for AWS, at most.
set local lock_timeout = '1min';
-- Whatever the role, the database and the server have.
set local search_path = pg_catalog, pg_temp;
set local quote_all_identifiers = off;
set local row_security = off;
select pg_catalog.pg_advisory_xact_lock(1735549556)
