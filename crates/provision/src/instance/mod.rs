//! `provision instance`: the DB instance, from the declaration in `infra/rds.toml`.

mod apply;
mod attributes;
mod delete;
mod deployed;
mod plan;
mod power;
mod snapshot;
mod status;
mod wait;

pub(crate) use apply::apply;
pub(crate) use delete::{Deletion, delete};
pub(crate) use deployed::{find_security_group, require_instance};
pub(crate) use plan::plan;
pub(crate) use power::{start, stop};
pub(crate) use snapshot::{snapshot, snapshot_and_wait};
pub(crate) use status::status;
pub(crate) use wait::wait;
