-- Whether `known_users` without an argument returns users: a contract of an application's own may not do so.
select exists(select from cognito.known_users(null)) as knows_all
