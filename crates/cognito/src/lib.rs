//! The events of Amazon Cognito user pools: the [`Event`] of a trigger, and the [`User`] that its attributes make.
//!
//! Knows neither the AWS SDK nor SQL, so that whatever reads events or attributes can use it.

mod event;
mod user;

pub use event::{Event, InvalidEvent};
pub use user::{InvalidUser, User};
