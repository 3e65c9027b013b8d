-- After trusted.sql. $1 whether the tables are used; behind the contract of these migrations they always are
--
-- What would run with the rights of this login, and belongs to none of the trusted: at most one row. A function that is
-- `security definer` runs with its owner's. A trigger may be of any role with the right TRIGGER: it calls its function, and
-- its condition may call others. `pg_depend` has all of these but PostgreSQL's own.
tables as (
    select pg_class.oid, nspname || '.' || relname as name, relowner
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where nspname = 'public'
      and relname in ('users', 'activities')
      and ($1 or to_regprocedure('cognito.handle_key(text)') is not null)
       or nspname = 'cognito' and relname = 'forgotten'
),
calls (trigger, owner) as (
    select pg_trigger.oid, coalesce(proowner, oprowner, typowner)
    from tables
    join pg_trigger on tgrelid = tables.oid
    join pg_depend on classid = 'pg_trigger'::regclass and objid = pg_trigger.oid
    left join pg_proc on refclassid = 'pg_proc'::regclass and pg_proc.oid = refobjid
    left join pg_operator on refclassid = 'pg_operator'::regclass and pg_operator.oid = refobjid
    left join pg_type on refclassid = 'pg_type'::regclass and pg_type.oid = refobjid
    where not tgisinternal and tgenabled <> 'D'
),
objects (place, object, owner) as (
    select 1, 'the schema cognito', nspowner from pg_namespace where nspname = 'cognito'
    union all
    select 2, 'the table ' || name, relowner from tables
    union all
    select 3, 'the table cognito.' || relname, relowner
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where nspname = 'cognito'
      and relname in ('reconcile_run', 'reconcile_users', 'reconcile_links', 'reconcile_findings', 'reconcile_changed',
                      'last_reconcile')
    union all
    select 4, 'the function ' || pg_proc.oid::regprocedure::text, proowner
    from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
    where nspname = 'cognito' and proname in ('handle_key', 'ensure_user', 'known_users', 'forget_user') and not prosecdef
    union all
    select 5, format('the code of the trigger %I on %s', tgname, name), calls.owner
    from calls join pg_trigger on pg_trigger.oid = calls.trigger join tables on tables.oid = tgrelid
)
select object, quote_ident(pg_get_userbyid(owner)) as owner
from objects
where owner not in (select role from trusted)
order by place, object
limit 1
