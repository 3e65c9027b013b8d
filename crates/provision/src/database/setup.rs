//! `provision db setup`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use serde::Serialize;

use super::create::{Created, create};
use super::drop::{Dropped, Dropping, drop};
use super::load::{Loaded, load};
use super::seed::{Seeded, seed};
use crate::target::Target;

/// A database made anew.
#[derive(Debug, Serialize)]
pub(crate) struct SetUp {
    drop: Dropped,
    create: Created,
    load: Loaded,
    seed: Seeded,
}

pub(crate) async fn setup(target: &Target, force: bool, agreed: bool) -> anyhow::Result<SetUp> {
    ensure!(
        !target.is_production,
        "{} is in production, and setup begins with dropping it; use create, load and seed one by one",
        target.name()
    );
    Ok(SetUp {
        drop: drop(target, Dropping { force, agreed, named: None, snapshot: None }).await?,
        create: create(target).await?,
        load: load(target).await?,
        seed: seed(target, false).await?,
    })
}

impl Display for SetUp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { drop, create, load, seed } = self;
        write!(f, "{drop}\n{create}\n{load}\n{seed}")
    }
}
