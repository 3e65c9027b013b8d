-- The first migrations name no schema. The fifth signs a user up, as a role that policies apply to.
set local search_path = public, pg_temp;
set local row_security = on
