-- $1 cognito_user_id, $2 display_name, $3 the handles to try, best first, $4 email
select upsert_user($1, $2, $3, $4) as created
