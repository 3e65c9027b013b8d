-- $1 the subs
select asked.sub, forgotten.at
from unnest($1::text[]) as asked (sub)
join cognito.forgotten on forgotten.digest = sha256(convert_to(asked.sub, 'UTF8'))
