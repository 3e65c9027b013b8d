-- A load that has applied nothing leaves nothing.
drop table cognito.schema_history;
drop table if exists cognito.public_rights;
drop schema cognito
