-- $1 the role's name
--
-- The rights that everybody has are PUBLIC's and not the role's own: of those only the one to create in the schema
-- matters, which PostgreSQL 13 and 14 give to everybody.
select oid::int8,
       rolcanlogin as can_log_in,
       rolconnlimit as connection_limit,
       rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as is_powerful,
       array(
           select groups.rolname::text
           from pg_auth_members join pg_roles as groups on groups.oid = roleid
           where member = pg_roles.oid
           order by 1
       ) as member_of,
       array(
           select distinct relation::regclass::text
           from (
               select pg_class.oid as relation, (aclexplode(relacl)).grantee from pg_class
               union all
               select attrelid, (aclexplode(attacl)).grantee from pg_attribute
           ) as rights
           where grantee = pg_roles.oid
           order by 1
       ) as relations,
       has_database_privilege(oid, current_database(), 'connect') as may_connect,
       has_schema_privilege(oid, 'public', 'usage') as may_use_schema,
       has_schema_privilege(oid, 'public', 'create') as may_create,
       has_function_privilege(oid, 'upsert_user(text, text, text[], text)', 'execute') as may_upsert
from pg_roles
where rolname = $1
