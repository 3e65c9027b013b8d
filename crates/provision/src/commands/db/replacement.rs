//! The replacement of a database by an empty one with the same properties.

use std::cell::Cell;

use super::create::{Created, create};
use super::drop::drop_database;
use super::properties::Properties;
use super::removal::{is_lost, may_pass, reconnecting};
use crate::error::Problem;
use crate::prompt::Consent;
use crate::target::{MaintenanceArgs, Session, Target};

/// A database that is dropped and created again.
pub(super) struct Replacement<'a> {
    pub(super) target: &'a Target,
    pub(super) properties: &'a Properties,
    pub(super) force: bool,
    pub(super) consent: &'a Consent,
    pub(super) stage: Cell<Stage>,
}

/// How far a replacement is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Stage {
    #[default]
    Kept,
    /// The connection broke during the drop.
    Unknown,
    Dropped,
    Created,
}

impl Replacement<'_> {
    /// Drops the database and creates it again, in new sessions if the connection of this one breaks. Returns also the
    /// properties that the server refuses.
    pub(super) async fn run(
        self,
        session: &Session,
        maintenance: &MaintenanceArgs,
    ) -> anyhow::Result<(Created, Vec<String>)> {
        let first = self.go_on(self.target, session).await;
        let again = async || self.reconnect(maintenance).await;
        reconnecting(first, |error| self.may_pass(error), again).await.map_err(|error| self.explain(error))
    }

    async fn reconnect(&self, maintenance: &MaintenanceArgs) -> anyhow::Result<(Created, Vec<String>)> {
        let target = self.target.renewed().await?;
        target.with_outside_session(maintenance, async |session| self.go_on(&target, session).await).await
    }

    /// Does the steps that are left.
    async fn go_on(&self, target: &Target, session: &Session) -> anyhow::Result<(Created, Vec<String>)> {
        let Self { properties, .. } = self;
        if matches!(self.stage.get(), Stage::Kept | Stage::Unknown) {
            let dropped = drop_database(session, target, properties.oid, self.force, self.consent).await;
            if dropped.as_ref().is_err_and(is_lost) {
                self.stage.set(Stage::Unknown);
            }
            dropped?;
            self.stage.set(Stage::Dropped);
        }
        let created = create(target, session, &properties.statement).await?;
        self.stage.set(Stage::Created);
        Ok((created, properties.restore(session).await?))
    }

    /// Whether the rest may succeed in a new session. Nothing is tried again while the database is as it was.
    fn may_pass(&self, error: &anyhow::Error) -> bool {
        self.stage.get() != Stage::Kept && may_pass(error)
    }

    /// The error, with what is true now and what is left to do.
    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let Self { target, properties, .. } = self;
        let name = target.name();
        let had = match properties.restorable().collect::<Vec<_>>().as_slice() {
            [] => String::new(),
            properties => format!("; it had {}", properties.join(", ")),
        };
        let create = || properties.all_shown().unwrap_or_else(|| properties.statement.clone());
        let (problem, remedy) = match self.stage.get() {
            Stage::Kept => return error,
            Stage::Unknown => (
                format!("the connection broke while {name} was dropped, and it may be gone{had}"),
                format!("if `provision db wait --timeout 1s` does not find it, create it with: {}", create()),
            ),
            Stage::Dropped => (
                format!("the database {name} is dropped, and not created{had}"),
                format!("create it with: {}", create()),
            ),
            Stage::Created => (
                format!("the database {name} is dropped and created, but not as it was{had}"),
                format!(
                    "restore that with psql: {}; then run `provision db load` and `provision db seed`",
                    properties.shown()
                ),
            ),
        };
        Problem::new(problem, remedy).because(error).into()
    }
}
