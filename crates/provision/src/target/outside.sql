-- A limit that a role or a database has for its own statements would end this work halfway. Which of them exist differs
-- from version to version.
set statement_timeout = 0;
select set_config(name, case name when 'lock_timeout' then '30s' else '0' end, false)
from pg_settings
where name in ('lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')
