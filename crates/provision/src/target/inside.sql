-- Takes back what outside.sql sets: a pooler gives the connection to other clients.
select set_config(name, reset_val, false)
from pg_settings
where name in (
    'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout'
)
