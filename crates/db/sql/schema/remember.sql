-- $1 version, $2 name, $3 checksum of an applied migration. Former releases read the time as RFC 3339.
insert into cognito.schema_history (version, name, applied_on, checksum)
values ($1, $2, to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), $3)
