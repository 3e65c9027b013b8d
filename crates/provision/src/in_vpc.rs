//! `provision --in-vpc`: a command that runs in the operator's function, inside the VPC, and is shown here.
//!
//! The operator's function is this program, served by Lambda's Runtime API. [`caller`] sends it the command line as a
//! [`request::Request`]. [`function`] runs it in a process of its own, [`child`], and streams back what it writes, as
//! [`request::Frame`]s. In that process an [`Invocation`] says what the caller has confirmed, and how much time is left.

mod allowed;
mod caller;
mod child;
mod function;
mod invocation;
mod request;
mod scheduled;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use self::allowed::{ensure_allowed, is_allowed};
pub(crate) use self::caller::call;
pub(crate) use self::function::serve;
pub(crate) use self::invocation::{Invocation, Limit, Stop, VARIABLE};

/// The time since the Unix epoch, in which Lambda counts deadlines.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The operator's function where neither --operator nor its variable names one: as infra/template.yaml does.
pub(crate) const DEFAULT_FUNCTION: &str = "post-confirmation-operator";
