-- $1 the event, see docs/own-table.md
select cognito.ensure_user($1)
