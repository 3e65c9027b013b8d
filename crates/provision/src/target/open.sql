-- Sent first in each session. A role, a database or a server may have another search_path, in which somebody else's
-- `now()` comes first. Amazon RDS keeps the role rdsadmin for itself on each of its servers.
set search_path = pg_catalog, pg_temp;
-- Names are compared and shown as they are by default, whatever the role, the database or the server has.
set quote_all_identifiers = off;
-- Rows that this login may not see are an error, not left out.
set row_security = off;
select exists (select from pg_roles where rolname = 'rdsadmin') as is_on_rds,
       pg_encoding_to_char(encoding) as encoding
from pg_database
where datname = current_database()
