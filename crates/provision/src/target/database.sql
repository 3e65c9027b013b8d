-- $1 the database's name
select oid,
       pg_encoding_to_char(encoding)::text as encoding,
       datallowconn as is_open,
       -- "Invalid": its drop was interrupted. https://www.postgresql.org/docs/current/catalog-pg-database.html
       datconnlimit = -2 as is_half_dropped
from pg_database
where datname = $1
