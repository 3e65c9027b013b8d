-- $1 the first page, $2 the last one, $3 the statuses that count, $4 only users created from then on, or null,
-- $5 for how many seconds the pool may report a user as it was before
--
-- The users of these pages that have no row, and those whose row differs. What `ensure_user` would leave as it is may be
-- among them: a contract of an application's own has rules that only it knows.
with listed as materialized (
    select users.*, page, at
    from cognito.reconcile_users as pages,
         -- The attributes are many, and those of the candidates are enough.
         rows from (unnest(pages.sub, pages.username, pages.status, pages.created_at, pages.modified_at, pages.email,
                           pages.email_verified)) with ordinality
             as users (sub, username, status, created_at, modified_at, email, email_verified, place)
    where page between $1 and $2
      and users.status = any ($3)
      and ($4::timestamptz is null or users.created_at >= $4)
      -- A dry run leaves these rows to be linked.
      and not exists (
          select from cognito.reconcile_links as links where links.sub = users.sub and links.state = 'fits'
      )
),
known as materialized (
    select known.*
    -- A contract of an application's own may have no such column: then this one is meant.
    from (select null::boolean as email_verified) as absent,
         lateral (
             select sub, email, as_of, email_verified
             -- Null would mean all users.
             from cognito.known_users((select coalesce(pg_catalog.array_agg(sub), '{}') from listed))
         ) as known
)
select listed.sub, username, modified_at, at,
       (select attributes[place] from cognito.reconcile_users as pages where pages.page = listed.page) as attributes,
       known.sub is null as is_missing,
       coalesce(as_of > at - $5::float8 * interval '1 second', false) as is_recent
from listed left join known on known.sub = listed.sub
where known.sub is null
   or (
       listed.email is not null
       and (as_of is null or as_of <= at)
       -- An unverified address never replaces a verified one.
       and (listed.email_verified or known.email_verified is not true)
       and (
           known.email is distinct from listed.email
           or case
               when known.email_verified is null then as_of is null or modified_at > as_of
               else known.email_verified <> listed.email_verified
           end
       )
   )
