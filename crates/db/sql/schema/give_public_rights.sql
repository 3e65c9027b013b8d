-- Runs none of the table's text: it says which of two statements is owed.
do $$
begin
    if exists (select from cognito.public_rights where statement like 'grant temporary on database %') then
        execute format('grant temporary on database %I to public', current_database());
    end if;
    if exists (select from cognito.public_rights where statement = 'grant create on schema public to public') then
        grant create on schema public to public;
    end if;
end
$$;
drop table cognito.public_rights
