-- The statements that give PUBLIC the rights to create objects which it has now.
select statement
from (
    values (format('grant temporary on database %I to public', current_database()),
            has_database_privilege('public', current_database(), 'temporary')),
           ('grant create on schema public to public',
            has_schema_privilege('public', to_regnamespace('public'), 'create'))
) as rights (statement, is_granted)
where is_granted
