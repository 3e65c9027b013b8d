-- $1 the owner, $2 the page, $3 the next page's token or null, $4 when it was asked for, $5 to $14 its users
--
-- One statement, so that the page and the token are there together, or neither. Repeated, it adds nothing.
with advanced as (
    update cognito.reconcile_run
    set page = $2, token = $3, is_listed = $3::text is null
    where owner = $1 and page = $2 - 1 and not is_listed
    returning true
)
insert into cognito.reconcile_users (
    page, at, sub, username, status, enabled, created_at, modified_at, email, email_verified, handle, attributes
)
select $2, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
from advanced
returning true
