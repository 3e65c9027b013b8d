-- The fifth migration signs a user up, as a role that policies apply to.
set local row_security = on
