//! What the PostConfirmation function and the operator's binary share: where the database is and who may
//! enter ([`Settings`]), the connection over verified TLS ([`Database`]), the [`schema`], and the [`users`]
//! in it. A [`User`] is made from Amazon Cognito's attributes and knows neither AWS nor SQL.

mod budget;
mod credentials;
mod database;
mod error;
mod roots;
pub mod schema;
mod settings;
mod tls;
mod user;
pub mod users;

pub use budget::{Budget, Step};
pub use database::{Database, Session};
pub use error::{Error, ServerError};
pub use settings::Settings;
pub use user::{InvalidUser, User};
