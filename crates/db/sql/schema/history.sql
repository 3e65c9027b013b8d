-- Columns of PostgreSQL's own types, whose casts no other role can replace.
select version::text as version, name::text as name, checksum::text as checksum
from only HISTORY
order by length(version::text), 1
