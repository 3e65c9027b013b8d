//! `provision db setup`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::create::{Create, Created};
use super::drop::{Drop, Dropped};
use super::load::{Loaded, load};
use super::seed::{Seed, Seeded};
use crate::cli::Context;
use crate::error::Problem;
use crate::target::{MaintenanceArgs, Session};

/// Drop, create, load and seed the database
///
/// Never in production.
#[derive(Debug, Args)]
pub(super) struct Setup {
    /// End the sessions that are open
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    maintenance: MaintenanceArgs,
}

/// The results of the four steps.
#[derive(Debug, Serialize)]
pub(super) struct SetUp {
    drop: Dropped,
    create: Created,
    load: Loaded,
    seed: Seeded,
}

impl Setup {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<SetUp> {
        let target = context.target().await?;
        let refuse_production = async |session: &mut Session| {
            let problem = format!("{} is in production, and setup begins with a drop", target.name());
            ensure!(!session.is_production(), Problem::new(problem, "use create, load and seed one by one"));
            Ok(())
        };
        let Self { force, maintenance } = self;
        target.with_outside_session(&maintenance, refuse_production).await?;
        Ok(SetUp {
            drop: Drop { force, confirm: None, skip_snapshot: true, maintenance: maintenance.clone() }
                .run(context)
                .await?,
            create: Create { maintenance }.run(context).await?,
            load: load(target).await?,
            seed: Seed {}.run(context).await?,
        })
    }
}

impl Display for SetUp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { drop, create, load, seed } = self;
        write!(f, "{drop}\n{create}\n{load}\n{seed}")
    }
}
