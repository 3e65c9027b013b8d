-- After trusted.sql: what decides about loading, always one row. It reads catalogs alone, so that no other role's code runs.
relations as (
    select pg_class.oid,
           nspname,
           relname,
           relkind,
           relrowsecurity,
           relowner,
           nspowner in (select role from trusted) and relowner in (select role from trusted) as is_trusted,
           relkind = 'r' and not relrowsecurity as is_plain,
           (
               select count(*) = 4 from pg_attribute
               where attrelid = pg_class.oid
                 and attname in ('version', 'name', 'applied_on', 'checksum')
                 and atttypid in ('int4'::regtype, 'int8'::regtype, 'text'::regtype, 'varchar'::regtype)
                 and not attisdropped
           ) as has_history_columns
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where relname = 'refinery_schema_history'
       or nspname = 'cognito' and relname in ('schema_history', 'public_rights')
       or nspname = 'public' and relname = 'users'
),
contract as (
    select pg_proc.oid, proname, prosrc
    from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
    where nspname = 'cognito'
)
select cognito.oid is not null as has_schema,
       case when nspowner not in (select role from trusted) then quote_ident(pg_get_userbyid(nspowner)) end as schema_owner,
       case
           when history.oid is not null then case history.relkind
               when 'r' then 'a table' when 'p' then 'a partitioned table' when 'v' then 'a view'
               when 'm' then 'a materialized view' when 'f' then 'a foreign table' when 'S' then 'a sequence'
               when 'c' then 'a type' else 'an index'
           end
       end as history_kind,
       case when not history.is_trusted then quote_ident(pg_get_userbyid(history.relowner)) end as history_owner,
       coalesce(history.has_history_columns, false) as has_history_columns,
       coalesce(former.is_trusted and former.is_plain and former.has_history_columns, false) as has_former_history,
       -- Its entries may be out of sight, and it is no other role's trap. Beside it are tables.
       coalesce(former.is_trusted and former.relkind = 'r' and former.relrowsecurity and former.has_history_columns
                and exists (select from relations where relname = 'users'), false) as has_hidden_history,
       -- Without the table, nothing hints at a former load: the history is an application's.
       case when not former.is_trusted and exists (select from relations where relname = 'users')
           then quote_ident(pg_get_userbyid(former.relowner))
       end as former_owner,
       -- Whatever functions: a part of the contract is one that its application is about to complete.
       exists (select from contract) as has_contract,
       -- What the fifth migration makes, and no contract for other tables has.
       exists (
           select from contract where proname = 'handle_key' and prosrc like 'select pg\_catalog.left(%, 600)'
       ) or not exists (select from contract) and exists (
           select from relations join pg_attribute on attrelid = relations.oid
           where relname = 'users' and attname = 'shared_handle' and not attisdropped
       ) as is_of_program,
       -- A table that the owner of the history has made, as a load of the release before did. Another role's is no promise.
       exists (
           select from relations as rights join pg_attribute on attrelid = rights.oid
           where rights.relname = 'public_rights'
             and rights.relowner in (history.relowner, former.relowner)
             and rights.is_trusted
             and rights.is_plain
             and attname = 'statement'
             and atttypid = 'text'::regtype
             and pg_has_role(rights.relowner, 'usage')
       ) as has_public_rights,
       -- Where a load of the first releases may have led, by the search_path of its login.
       array(
           select quote_ident(nspname) from relations as other
           where relname = 'refinery_schema_history'
             and nspname <> 'public'
             and is_trusted
             and is_plain
             and other.has_history_columns
             and has_schema_privilege(nspname, 'usage')
             and has_table_privilege(other.oid, 'select')
           order by 1
       ) as others
from (select) as always
left join pg_namespace as cognito on cognito.nspname = 'cognito'
left join relations as history on history.relname = 'schema_history'
left join relations as former on former.nspname = 'public' and former.relname = 'refinery_schema_history'
