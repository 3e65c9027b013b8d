//! What the PostConfirmation function and the operator's binary share: where the database is and who may
//! enter ([`Settings`]), the connection over verified TLS ([`Database`]), the [`schema`], and the [`users`]
//! in it. A [`User`] is made from Amazon Cognito's attributes and knows neither AWS nor SQL.

mod credentials;
mod database;
mod error;
pub mod schema;
mod settings;
mod tls;
mod user;
pub mod users;

pub use database::{Database, Session};
pub use error::{Error, ServerError};
pub use settings::Settings;
pub use user::{InvalidUser, User};
