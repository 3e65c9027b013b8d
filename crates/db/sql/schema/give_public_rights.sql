do $$
declare
    remembered text;
begin
    for remembered in select statement from cognito.public_rights loop
        execute remembered;
    end loop;
end
$$;
drop table cognito.public_rights
