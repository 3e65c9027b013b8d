-- $1 the database's name
select pg_encoding_to_char(encoding)::text as encoding,
       datallowconn as is_open
from pg_database
where datname = $1
