-- Asked first in each session, after local.sql. Amazon RDS keeps the role rdsadmin for itself on each of its servers.
select exists (select from pg_roles where rolname = 'rdsadmin') as is_on_rds,
       pg_encoding_to_char(encoding)::text as encoding
from pg_database
where datname = current_database()
