-- $1 the sub
select cognito.forget_user($1)
