-- $1 the database's name. The statement that creates a database that nobody has described otherwise. It is a copy of
-- template0, because template1 may have another encoding; and it has template0's locale, unless that may be of template0's
-- own encoding alone. https://www.postgresql.org/docs/current/multibyte.html#MULTIBYTE-SETTING
select format('create database %I encoding ''UTF8'' template template0', $1)
           || case when encoding = pg_char_to_encoding('UTF8')
                        or datcollate in ('C', 'POSIX') and datctype in ('C', 'POSIX') then ''
                   else ' lc_collate ''C'' lc_ctype ''C''' end as statement
from pg_database
where datname = 'template0'
