-- For one transaction, so that nothing stays in a connection that a pooler gives to other clients. A role, a database or a
-- server may have another search_path, in which somebody else's `now()` comes first.
set local search_path = pg_catalog, pg_temp;
-- Names are compared and shown as they are by default, whatever the role, the database or the server has.
set local quote_all_identifiers = off;
-- Rows that this login may not see are an error, not left out.
set local row_security = off;
