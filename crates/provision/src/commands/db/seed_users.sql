-- The sample users, as far as they are missing.
insert into public.users (display_name, handle, email, cognito_user_id)
values ('Andrew Brown', 'andrewbrown', 'andrewbrown@example.com', 'seed-andrewbrown'),
       ('Andrew Bayko', 'bayko', 'bayko@example.com', 'seed-bayko')
on conflict do nothing
returning handle
