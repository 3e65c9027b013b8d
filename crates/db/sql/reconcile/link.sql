-- $1 the owner, $2 the row's uuid, $3 its handle, $4 the sub
--
-- Repeated, it answers the same; twice at once, the link that was made stays noted. A sign-up that made
-- the user's row meanwhile is in the way of it: 23505.
with linked as (
    update public.users
    set cognito_user_id = $4
    where uuid = $2::text::uuid
      and handle = $3
      and cognito_user_id like 'seed-%'
      and exists(select from cognito.reconcile_run where owner = $1)
    returning true
),
outcome as materialized (
    select exists(select from linked)
           or exists(select from public.users where uuid = $2::text::uuid and cognito_user_id = $4) as is_linked
),
noted as (
    update cognito.reconcile_links
    set state = case when is_linked then 'linked' else 'dropped' end
    from outcome
    where uuid = $2::text::uuid and sub = $4 and state <> 'linked'
)
select is_linked from outcome
