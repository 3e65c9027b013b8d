//! The function's binary, run as Lambda runs it, with a real PostgreSQL over TLS and Secrets Manager's API.

mod arbitrary;
mod faults;
mod fixture;
mod handles;
mod heal;
mod log;
mod log_schema;
mod logins;
mod own_table;
mod policy;
mod recovery;
mod rotation;
mod round_trips;
mod rows;
mod shapes;
mod spill;
mod start;
