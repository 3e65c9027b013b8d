-- $1 the lock's number
select set_config('idle_in_transaction_session_timeout', '0', true) as unlimited, pg_try_advisory_xact_lock($1) as is_taken
