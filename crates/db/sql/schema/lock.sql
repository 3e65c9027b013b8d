-- Until the transaction ends, no other session adds a trigger, for which it needs SHARE ROW EXCLUSIVE. Reading and writing
-- go on. Before the first two migrations a table is missing.
-- https://www.postgresql.org/docs/current/explicit-locking.html
do $$
begin
    if to_regclass('public.users') is not null then
        lock table public.users in row exclusive mode;
    end if;
    if to_regclass('public.activities') is not null then
        lock table public.activities in row exclusive mode;
    end if;
end
$$
