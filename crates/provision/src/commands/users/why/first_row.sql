-- When the function wrote the first row of all, as far as rows tell
select min(as_of) as first_as_of from cognito.known_users(null)
