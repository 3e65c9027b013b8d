//! Rows whose user the pool does not have.

use db::reconcile::{Finding, Group, Kind, State};
use futures::future::try_join_all;

use super::comparison::Comparison;
use super::judgement::finding;
use crate::prompt::Consent;

/// The orphans that are asked for together.
const AT_ONCE: i64 = 40;

impl Comparison<'_> {
    /// Finds the orphans, after all users were listed. Returns why they are not looked for, if they are not.
    pub(super) async fn find_orphans(&self) -> anyhow::Result<Option<&'static str>> {
        if !self.options.lists_all() {
            return Ok(Some("with one --status, Cognito lists no other users"));
        }
        if !self.run.knows_all().await? && self.has_rows().await? {
            return Ok(Some(
                "cognito.known_users(null) lists no user: run `provision db load`, or, for a table of your own, \
                 docs/own-table/hand-over.sql again",
            ));
        }
        self.run.suspect_orphans().await?;
        self.settle_orphans(State::Found).await?;
        Ok(None)
    }

    /// Whether some listed user has a row.
    async fn has_rows(&self) -> anyhow::Result<bool> {
        let counted: i64 = self.run.count_users().await?.iter().map(|status| status.considered).sum();
        let groups = self.run.count_findings().await?;
        let missing = |group: &&Group| group.kind == Kind::Missing && group.state != State::Repaired;
        Ok(counted > groups.iter().filter(missing).map(|group| group.users).sum())
    }

    /// Deletes the rows of the orphans that were found, each after it was asked for once more.
    pub(super) async fn forget_orphans(&self, _consent: &Consent) -> anyhow::Result<()> {
        self.run.reopen_orphans().await?;
        self.settle_orphans(State::Repaired).await
    }

    async fn settle_orphans(&self, state: State) -> anyhow::Result<()> {
        loop {
            let open = self.run.open_findings(Kind::Orphan, AT_ONCE).await?;
            if open.is_empty() {
                return Ok(());
            }
            let asked = open.iter().map(async |open| Ok::<_, anyhow::Error>(self.requests.has_sub(&open.sub).await?));
            let answers = try_join_all(asked).await?;
            // The application deletes a user first in the pool, and then the row.
            let after = self.run.open_findings(Kind::Orphan, AT_ONCE).await?;
            let has_row = |sub: &str| after.iter().any(|open| open.sub == sub && open.is_known);
            let (mut orphans, mut others) = (Vec::new(), Vec::new());
            for (open, has_user) in open.into_iter().zip(answers) {
                if has_user || !has_row(&open.sub) { others.push(open.sub) } else { orphans.push(open.sub) }
            }
            self.run.take_back(&others).await?;
            if state == State::Repaired {
                for sub in &orphans {
                    self.run.forget(sub).await?;
                }
            }
            let orphan = |sub| finding(sub, Kind::Orphan, state, None);
            let orphans: Vec<Finding> = orphans.into_iter().map(orphan).collect();
            self.run.find(&orphans).await?;
        }
    }
}
