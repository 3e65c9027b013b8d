//! The database, for the PostConfirmation function and the operator's binary.
//!
//! - [`Settings`]: which database to use and how to log in, read from the environment
//! - [`Database`], [`Session`]: a connection over verified TLS, opened in time, kept and replaced, within a [`Budget`]
//! - [`schema`], [`contract`], [`role`]: the tables, the function that writes them, and the role that calls it
//! - [`users`], [`activities`]: the rows
//! - [`reconcile`]: the comparison of the rows with a user pool, as the database keeps it
//! - [`row`]: the columns of the server's answers
//! - [`Error`]: a problem, its [`Kind`], its cause and its remedy, from the tables in [`sqlstate`], [`pooler`] and
//!   [`aws_error`]

pub mod activities;
mod attempt;
mod aws;
pub mod aws_error;
mod batch;
mod budget;
mod canceller;
mod connect_error;
mod connection_options;
mod connection_url;
pub mod contract;
mod credentials;
mod database;
mod dial;
mod encryption;
mod error;
mod error_kind;
mod https;
mod line;
mod login;
mod name;
mod parameters;
pub mod pooler;
pub mod reconcile;
mod region;
pub mod role;
mod roots;
pub mod row;
pub mod schema;
mod secret;
mod secrets_manager;
mod server_error;
mod session;
mod settings;
pub mod sqlstate;
mod statement;
mod tls;
pub mod users;
mod variables;

pub use aws::Aws;
pub use aws_error::{AwsCause, AwsError};
pub use budget::{Budget, Spent, Step};
pub use canceller::Canceller;
pub use connection_options::ConnectionOptions;
pub use database::Database;
pub use encryption::{Encryption, Plaintext};
pub use error::Error;
pub use error_kind::Kind;
pub use login::{AddressOf, Login};
pub use name::{parse_identifier, parse_region, shown_path};
pub use parameters::Parameters;
pub use region::{is_proxy, of_queue as region_of_queue};
pub use server_error::ServerError;
pub use session::Session;
pub use settings::Settings;
pub use tls::Roots;
pub use variables::utf8;
