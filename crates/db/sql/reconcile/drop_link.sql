-- $1 the row's uuid, $2 the sub
update cognito.reconcile_links set state = 'dropped' where uuid = $1::text::uuid and sub = $2 and state <> 'linked'
