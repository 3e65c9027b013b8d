-- $1 names of roles, best first. Those that exist, and whether each was granted the contract's function in this database, or
-- the one before it.
select rolname::text as role,
       exists (
           select from pg_proc, aclexplode(proacl)
           where pg_proc.oid in (
                     to_regprocedure('cognito.ensure_user(jsonb)'),
                     to_regprocedure('public.upsert_user(text, text, text[], text)')
                 )
             and grantee = pg_roles.oid
       ) as is_granted
from unnest($1) with ordinality as wanted (name, place)
join pg_roles on rolname = wanted.name
order by place
