create schema if not exists cognito;
create schema if not exists public
