//! What the PostConfirmation function and the operator's binary share: where the database is and who may
//! enter ([`Settings`]), the connection over verified TLS ([`Database`]), the [`schema`], the function's
//! [`role`], and the [`users`] and [`activities`].

pub mod activities;
mod budget;
mod credentials;
mod database;
mod error;
pub mod role;
mod roots;
pub mod schema;
mod settings;
mod tls;
pub mod users;

pub use budget::{Budget, Step};
pub use database::{Canceller, Database, Session};
pub use error::{Error, ServerError};
pub use settings::{Encryption, Login, Plaintext, Settings};
pub use tls::Roots;
