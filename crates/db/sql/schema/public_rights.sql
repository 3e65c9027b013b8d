-- The statements that give PUBLIC the rights which it has now, and which a migration takes: always one row.
select array_remove(
           array[
               case when has_database_privilege('public', current_database(), 'temporary') then
                   format('grant temporary on database %I to public', current_database())
               end,
               case when has_schema_privilege('public', 'public', 'create') then
                   'grant create on schema public to public'
               end
           ],
           null
       ) as grants
