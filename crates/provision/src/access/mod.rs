//! `provision access`: who may reach the DB instance, as rules of its security group.

mod allow;
mod list;
mod revoke;
mod rule;

pub(crate) use allow::{Admission, Source, allow, own_address};
pub(crate) use list::list;
pub(crate) use revoke::{Revocation, revoke};
