-- Only where it is missing: a schema that another role has just created is not taken for this one.
create schema cognito
