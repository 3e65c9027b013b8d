-- $1 schema, $2 table: the parts of a history that run when it is written, with the rights of the login. A load creates none.
with history as (select to_regclass(format('%I.%I', $1, $2)) as oid)
select code
from (
    select 'the trigger ' || quote_ident(tgname) from pg_trigger where tgrelid = (select oid from history) and not tgisinternal
    union all
    select 'the rule ' || quote_ident(rulename) from pg_rewrite where ev_class = (select oid from history)
    union all
    select 'the policy ' || quote_ident(polname) from pg_policy where polrelid = (select oid from history)
    union all
    select 'row level security' from pg_class where pg_class.oid = (select oid from history) and relrowsecurity
    union all
    -- Primary and unique keys, and NOT NULL, compare with PostgreSQL's own operators.
    select 'the constraint ' || quote_ident(conname)
    from pg_constraint where conrelid = (select oid from history) and contype not in ('p', 'u', 'n')
    union all
    select 'the default of ' || quote_ident(attname)
    from pg_attrdef join pg_attribute on attrelid = adrelid and attnum = adnum
    where adrelid = (select oid from history) and adbin::text not like '{CONST %'
    union all
    -- A domain has checks of its own.
    select 'the type of ' || quote_ident(attname)
    from pg_attribute join pg_type on pg_type.oid = atttypid
    where attrelid = (select oid from history) and attnum > 0 and not attisdropped and typnamespace <> 'pg_catalog'::regnamespace
    union all
    select 'the index ' || quote_ident(relname)
    from pg_index join pg_class on pg_class.oid = indexrelid
    where indrelid = (select oid from history) and (indexprs is not null or indpred is not null)
    union all
    select 'inheritance' from pg_inherits where (select oid from history) in (inhparent, inhrelid)
) as parts (code)
order by code
