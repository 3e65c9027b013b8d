-- $1 the database's name
select pg_encoding_to_char(encoding)::text as encoding
from pg_database
where datname = $1
