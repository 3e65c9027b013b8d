-- A table of Prisma's, as its migrations create it: names in camelCase need quotes, the key is a text, and Prisma, not
-- the database, sets both times. Only a verified address is stored, and only if no other user has it.

create table public."User" (
    "id" text not null,
    "email" text,
    "name" text,
    "createdAt" timestamp(3) not null,
    "updatedAt" timestamp(3) not null,
    constraint "User_pkey" primary key ("id")
);
create unique index "User_email_key" on public."User" ("email");

-- Added for the contract. The key is Cognito's `sub`.
alter table public."User" add column "cognitoAsOf" timestamptz;

grant select ("id", "email", "cognitoAsOf"),
      insert ("id", "email", "name", "createdAt", "updatedAt", "cognitoAsOf"),
      update ("email", "updatedAt", "cognitoAsOf")
    on public."User" to cognito_writer;

-- The contract

create view cognito.known as select "id" as sub, "email" as email, "cognitoAsOf" as as_of from public."User";
create function cognito.ensure_user(event jsonb) returns text language plpgsql as $$
declare e cognito.event := cognito.read(event); address text := case when e.email_verified then e.email end;
begin
    while not exists (select from public."User" where "id" = e.sub) loop begin
        if cognito.is_forgotten(e) then return 'unchanged'; end if;
        insert into public."User" ("id", "email", "name", "createdAt", "updatedAt", "cognitoAsOf")
        values (e.sub, address, e.display_name, timezone('UTC', now()), timezone('UTC', now()), e.as_of)
            returning e.sub into strict e.sub; return 'created';
    exception when unique_violation then if address is null then raise; end if; address := null; end;
    end loop;
    update public."User" set "email" = address, "updatedAt" = timezone('UTC', now()), "cognitoAsOf" = e.as_of
    where "id" = e.sub and "cognitoAsOf" <= e.as_of and address is distinct from "email" and address is not null
      and not exists (select from public."User" where "email" = address);
    return case when found then 'changed' else 'unchanged' end; end $$;
