-- $1 the database's name
select pg_encoding_to_char(encoding)::text as encoding,
       datallowconn as is_open,
       exists (select from pg_roles where rolname = 'rdsadmin') as is_on_rds
from pg_database
where datname = $1
