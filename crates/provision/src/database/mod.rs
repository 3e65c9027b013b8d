//! `provision db`: the database's chores, for development and for production.

mod connect;
mod create;
mod drop;
mod grant;
mod load;
mod secret;
mod seed;
mod sessions;
mod setup;
mod url;

pub(crate) use connect::connect;
pub(crate) use create::create;
pub(crate) use drop::{Dropping, drop};
pub(crate) use grant::{Grant, PasswordSecret, grant};
pub(crate) use load::{load, pending};
pub(crate) use seed::seed;
pub(crate) use sessions::{Kill, kill, sessions};
pub(crate) use setup::setup;
pub(crate) use url::show_url;
