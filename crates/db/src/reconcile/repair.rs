//! The repair of rows, each together with its finding.

use cognito::UserEvent;
use tokio_postgres::types::{Json, ToSql, Type};

use super::{Kind, LIMIT, Run};
use crate::batch::each;
use crate::row::Columns;
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

/// A user whose row was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Cognito's id.
    pub sub: String,
    /// The name by which the pool finds the user.
    pub username: String,
}

impl Run {
    /// Ensures the rows. One that is repaired is found at the same moment, as such, and one that is changed is among
    /// [`Self::changed`].
    pub async fn repair(&self, repairs: &[Repair]) -> Result<Vec<Result<Ensured, Error>>, Error> {
        let repair = async |session: &Session| {
            each(repairs, async |Repair { event, kind, reason }| {
                let repaired = if *kind == Kind::Missing { Ensured::Created } else { Ensured::Changed };
                let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
                    (&Json(event), Type::JSONB),
                    (&kind.as_str(), Type::TEXT),
                    (reason, Type::TEXT),
                    (&repaired.as_str(), Type::TEXT),
                ];
                users::answer(&session.query_typed(include_str!("../../sql/reconcile/repair.sql"), &parameters).await?)
            })
            .await
        };
        self.findings.run_each(&Budget::new(LIMIT), repair).await
    }

    /// Ensures the rows of users who are found already.
    pub async fn ensure(&self, events: &[UserEvent]) -> Result<Vec<Result<Ensured, Error>>, Error> {
        let ensure = async |session: &Session| users::ensure_each(session, events).await;
        self.findings.run_each(&Budget::new(LIMIT), ensure).await
    }

    /// Asks what [`Self::repair`] would answer, and writes nothing.
    pub async fn try_repair(&self, repairs: &[Repair]) -> Result<Vec<Result<Ensured, Error>>, Error> {
        let events: Vec<UserEvent> = repairs.iter().map(|repair| repair.event.clone()).collect();
        let ask = async |session: &Session| users::try_each(session, &events).await;
        self.findings.run_each(&Budget::new(LIMIT), ask).await
    }

    /// Users whose rows were changed, and who were not asked for since.
    pub async fn changed(&self, limit: i64) -> Result<Vec<Changed>, Error> {
        let rows = self.rows(include_str!("../../sql/reconcile/changed.sql"), &[(&limit, Type::INT8)]).await?;
        rows.iter().map(|row| Ok(Changed { sub: row.column("sub")?, username: row.column("username")? })).collect()
    }

    /// Remembers that these users were asked for, and that their rows are right.
    pub async fn followed(&self, subs: &[&str]) -> Result<(), Error> {
        self.rows(include_str!("../../sql/reconcile/followed.sql"), &[(&subs, Type::TEXT_ARRAY)]).await.map(drop)
    }
}
