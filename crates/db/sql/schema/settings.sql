-- The settings of a transaction that loads, whatever the role, the database and the server have. A limit of time would end a
-- migration halfway; which limits exist differs from version to version. A migration waits at most 2 s for a lock on a
-- table: sign-ups that queue behind it wait as long, and have 4.5 s. No name leads to another role's object, and no policy
-- of another role is run.
set local statement_timeout = 0;
set local search_path = pg_catalog, pg_temp;
set local row_security = off;
set local quote_all_identifiers = off;
set local standard_conforming_strings = on;
set local lock_timeout = '2s';
select set_config(name, '0', true)
from pg_settings
where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')
