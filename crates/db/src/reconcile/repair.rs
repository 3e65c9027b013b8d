//! The repair of rows, each together with its finding.

use cognito::UserEvent;
use tokio_postgres::types::{Json, ToSql, Type};

use super::{Kind, LIMIT, Run};
use crate::users::{self, Ensured};
use crate::{Budget, Error, Session};

/// A user whose row is missing, or differs.
#[derive(Clone, Debug)]
pub struct Repair {
    /// The user as the pool has it.
    pub event: UserEvent,
    /// The difference: missing or stale.
    pub kind: Kind,
    /// A word for the reason why a user is missing.
    pub reason: Option<&'static str>,
}

impl Run {
    /// Ensures the rows. One that is repaired is found at the same moment, as such.
    pub async fn repair(&self, repairs: &[Repair]) -> Result<Vec<Result<Ensured, Error>>, Error> {
        let repair = async |session: &Session| {
            users::each(repairs, async |Repair { event, kind, reason }| {
                let repaired = if *kind == Kind::Missing { "created" } else { "changed" };
                let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
                    (&Json(event), Type::JSONB),
                    (&kind.as_str(), Type::TEXT),
                    (reason, Type::TEXT),
                    (&repaired, Type::TEXT),
                ];
                users::answer(&session.query_typed(include_str!("../../sql/reconcile/repair.sql"), &parameters).await?)
            })
            .await
        };
        self.findings.run(&Budget::new(LIMIT), repair).await
    }

    /// Ensures the rows of users who are found already.
    pub async fn ensure(&self, events: &[UserEvent]) -> Result<Vec<Result<Ensured, Error>>, Error> {
        let ensure = async |session: &Session| users::ensure_each(session, events).await;
        self.findings.run(&Budget::new(LIMIT), ensure).await
    }

    /// Asks what [`Self::repair`] would answer, and writes nothing.
    pub async fn try_repair(&self, repairs: &[Repair]) -> Result<Vec<Result<Ensured, Error>>, Error> {
        let events: Vec<UserEvent> = repairs.iter().map(|repair| repair.event.clone()).collect();
        let ask = async |session: &Session| users::try_each(session, &events).await;
        self.findings.run(&Budget::new(LIMIT), ask).await
    }
}
