//! The events of Amazon Cognito user pools: the [`Event`] of a trigger, its [`Occasion`], the [`User`] that its attributes
//! make, and the [`UserEvent`] that the database gets of both. [`queued`] is the message that keeps an event while the
//! database is away. [`is_blank`] and [`is_plain`] judge text as people see it.
//!
//! Knows neither the AWS SDK nor SQL, so that whatever reads events or attributes can use it.

mod event;
mod private;
pub mod queued;
mod user;
mod user_event;
mod visible;

pub use event::{Event, InvalidEvent, Occasion};
pub use user::{InvalidUser, User};
pub use user_event::UserEvent;
pub use visible::{is_blank, is_plain};
