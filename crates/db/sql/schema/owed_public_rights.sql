-- The statements that give PUBLIC back what an interrupted load of the release before has taken. None of the table's text is
-- run: it says which of two statements is owed.
select statement
from (
    values (format('grant temporary on database %I to public', current_database()), 'grant temporary on database %',
            has_database_privilege('public', current_database(), 'temporary')),
           ('grant create on schema public to public', 'grant create on schema public to public',
            has_schema_privilege('public', 'public', 'create'))
) as rights (statement, pattern, is_granted)
where not is_granted
  and exists (select from only cognito.public_rights as taken where taken.statement like pattern)
