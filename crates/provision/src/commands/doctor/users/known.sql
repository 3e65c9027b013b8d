-- Which of these users have a row, in whatever table.
select sub from cognito.known_users($1)
