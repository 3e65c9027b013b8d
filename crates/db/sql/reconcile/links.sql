-- The links, with what the list of the pool has of their users.
with listed as materialized (
    select distinct on (users.sub) users.sub, users.username, users.handle, users.email
    from cognito.reconcile_users as pages,
         unnest(pages.sub, pages.username, pages.handle, pages.email) as users (sub, username, handle, email)
    where users.sub in (select sub from cognito.reconcile_links)
    order by users.sub, at desc
)
select links.uuid::text as uuid, links.handle, sub, links.state, listed.username, listed.handle as user_handle, listed.email
from cognito.reconcile_links as links left join listed using (sub)
order by links.handle, links.uuid, sub
