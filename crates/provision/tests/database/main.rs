//! The commands that work on a database, run as an operator runs them, with a real PostgreSQL over TLS.

mod activity;
mod connect;
mod create_drop;
mod exclusive;
mod faults;
mod fixture;
mod grant;
mod history;
mod hostile;
mod load;
mod local;
mod own_table;
mod production;
mod removal;
mod replacement;
mod role_name;
mod seed_setup;
mod sessions;
mod settings;
mod setup_safety;
mod strangers;
mod terminal;
mod users;
mod wait;
