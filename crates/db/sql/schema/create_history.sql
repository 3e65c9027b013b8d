-- The shape of refinery's table, which former releases have written.
create table cognito.schema_history (version int4 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255))
