-- $1 the lock's number, of which pg_locks shows the halves
select exists (
           select from pg_locks
           where locktype = 'advisory'
             and database = (select oid from pg_database where datname = current_database())
             and (classid::int8 << 32) | objid::int8 = $1
       ) as is_being_loaded
