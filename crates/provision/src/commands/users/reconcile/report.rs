//! The result of a reconciliation.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use db::reconcile::{Example, Group, Kind, State, StatusCount};
use db::sqlstate;
use serde::Serialize;

use super::comparison::Comparison;
use super::link::Links;

use crate::commands::users::reason::in_words;
use crate::target::{Server, Target};

/// The most findings of each kind that are listed with the id of their user.
const EXAMPLES: i64 = 1000;

/// A run that was not due.
#[derive(Debug, Serialize)]
pub(super) struct Skipped {
    /// UTC, RFC 3339.
    ended_at: String,
}

impl Skipped {
    pub(super) fn new(ended_at: SystemTime) -> Self {
        Self { ended_at: humantime::format_rfc3339_seconds(ended_at).to_string() }
    }
}

impl Display for Skipped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "nothing to do: the last run has ended at {}", self.ended_at)
    }
}

/// The result of a reconciliation. It has the ids of users, and neither their addresses nor their names.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pool: String,
    database: String,
    #[serde(flatten)]
    server: Server,
    dry_run: bool,
    /// All users that were listed.
    listed: i64,
    /// Those that should have a row.
    counted: i64,
    /// Those that have one, at the end.
    with_row: i64,
    /// Those that should have a row and may not sign in.
    disabled: i64,
    statuses: Vec<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<Links>,
    missing: Missing,
    /// The age of the oldest account that is left without a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_missing_seconds: Option<i64>,
    stale: Difference,
    orphans: Orphans,
    failures: Vec<Failure>,
    /// At most 1,000 of each kind and state.
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Status {
    status: String,
    users: i64,
    counted: i64,
}

/// What was found, and of that repaired. The rest is found only, in a dry run, or failed.
#[derive(Debug, Default, Serialize)]
struct Difference {
    found: i64,
    repaired: i64,
    failed: i64,
}

#[derive(Debug, Default, Serialize)]
struct Missing {
    #[serde(flatten)]
    difference: Difference,
    /// By the reason.
    reasons: BTreeMap<String, i64>,
}

#[derive(Debug, Default, Serialize)]
struct Orphans {
    found: i64,
    forgotten: i64,
    /// Why they were not looked for.
    not_looked_for: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Failure {
    kind: &'static str,
    sqlstate: Option<String>,
    message: Option<String>,
    remedy: &'static str,
    users: i64,
}

#[derive(Debug, Serialize)]
struct Finding {
    sub: String,
    kind: &'static str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Report {
    pub(super) async fn of(
        comparison: &Comparison<'_>,
        target: &Target,
        not_looked_for: Option<&'static str>,
    ) -> anyhow::Result<Self> {
        let run = &comparison.run;
        let statuses = run.count_users().await?;
        let groups = run.count_findings().await?;
        let examples = run.examples(EXAMPLES).await?;
        let counted = statuses.iter().map(|status| status.considered).sum();
        let missing = Missing::of(&groups);
        let links = match comparison.options.link_by {
            Some(by) => Some(comparison.links(by).await?),
            None => None,
        };
        let to_link = links.as_ref().map_or(0, Links::left);
        let without_row = missing.difference.found - missing.difference.repaired + i64::try_from(to_link)?;
        Ok(Self {
            pool: comparison.requests.pool.id.clone(),
            database: target.login.dbname.clone(),
            server: target.server(),
            dry_run: comparison.options.is_dry_run,
            listed: statuses.iter().map(|status| status.users).sum(),
            counted,
            with_row: counted - without_row,
            disabled: statuses.iter().map(|status| status.disabled).sum(),
            statuses: statuses.into_iter().map(Status::from).collect(),
            links,
            missing,
            oldest_missing_seconds: run.oldest_missing().await?,
            stale: Difference::of(&groups, Kind::Stale),
            orphans: Orphans::of(&groups, not_looked_for),
            failures: groups.into_iter().filter(|group| group.state == State::Failed).map(Failure::from).collect(),
            findings: examples.into_iter().map(Finding::from).collect(),
        })
    }

    /// The orphans that have their rows still.
    pub(super) fn orphans_left(&self) -> i64 {
        self.orphans.left()
    }

    /// In a dry run, the links that another run would make.
    fn links_left(&self) -> usize {
        self.links.as_ref().map_or(0, Links::left)
    }

    /// Whether a user is left without the right row; in a dry run also whether a row is left without a user.
    pub(super) fn differs(&self) -> bool {
        let Self { missing, stale, orphans, dry_run, .. } = self;
        let left = |difference: &Difference| difference.found > difference.repaired;
        left(&missing.difference) || left(stale) || *dry_run && (orphans.left() > 0 || self.links_left() > 0)
    }
}

impl From<StatusCount> for Status {
    fn from(count: StatusCount) -> Self {
        Self { status: count.status, users: count.users, counted: count.considered }
    }
}

impl Difference {
    fn of(groups: &[Group], kind: Kind) -> Self {
        let users = |is_one: fn(State) -> bool| {
            groups.iter().filter(|group| group.kind == kind && is_one(group.state)).map(|group| group.users).sum()
        };
        Self {
            found: users(|_| true),
            repaired: users(|state| state == State::Repaired),
            failed: users(|state| state == State::Failed),
        }
    }
}

impl Missing {
    fn of(groups: &[Group]) -> Self {
        let mut reasons = BTreeMap::new();
        for group in groups.iter().filter(|group| group.kind == Kind::Missing) {
            *reasons.entry(group.reason.clone().unwrap_or_default()).or_default() += group.users;
        }
        Self { difference: Difference::of(groups, Kind::Missing), reasons }
    }
}

impl Orphans {
    fn of(groups: &[Group], not_looked_for: Option<&'static str>) -> Self {
        let Difference { found, repaired, .. } = Difference::of(groups, Kind::Orphan);
        Self { found, forgotten: repaired, not_looked_for }
    }

    fn left(&self) -> i64 {
        self.found - self.forgotten
    }
}

impl From<Group> for Failure {
    fn from(group: Group) -> Self {
        let Group { kind, sqlstate, message, users, .. } = group;
        let remedy = match &sqlstate {
            Some(code) => sqlstate::meaning(code).remedy,
            None => "correct cognito.ensure_user as docs/own-table.md shows",
        };
        Self { kind: kind.as_str(), sqlstate, message, remedy, users }
    }
}

impl From<Example> for Finding {
    fn from(example: Example) -> Self {
        let Example { sub, kind, state, reason } = example;
        Self { sub, kind: kind.as_str(), state: state.as_str(), reason }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { pool, database, server, missing, stale, orphans, dry_run, .. } = self;
        let (counted, with_row) = (thousands(self.counted), thousands(self.with_row));
        write!(f, "{counted} users of {pool} should have a row in {database} on {server}; {with_row} have one")?;
        if let Some(links) = &self.links {
            write!(f, "\n{links}")?;
        }
        if missing.difference.found > 0 {
            write!(f, "\n{}", missing.difference.text("without a row", "created"))?;
            for (reason, users) in &missing.reasons {
                write!(f, "\n  {}: {}", thousands(*users), in_words(reason))?;
            }
        }
        if ["trigger", "federated"].iter().any(|reason| missing.reasons.contains_key(*reason)) {
            let show = "provision trigger show --function NAME --pool";
            write!(f, "\n  `{show} {pool}` tells whether the pool calls the function")?;
        }
        if stale.found > 0 {
            write!(f, "\n{}", stale.text("with another address, or another state of it", "updated"))?;
        }
        if let Some(reason) = orphans.not_looked_for {
            write!(f, "\nrows without a user were not looked for: {reason}")?;
        } else if orphans.found > 0 {
            write!(f, "\n{} rows whose user the pool does not have", thousands(orphans.found))?;
            if orphans.forgotten > 0 {
                write!(f, ": {} deleted", thousands(orphans.forgotten))?;
            }
        }
        if self.disabled > 0 {
            write!(f, "\n{} of the users are disabled, and count all the same", thousands(self.disabled))?;
        }
        let others = self.statuses.iter().filter(|status| status.users > status.counted);
        let others: Vec<String> =
            others.map(|other| format!("{} {}", thousands(other.users - other.counted), other.status)).collect();
        if !others.is_empty() {
            write!(f, "\nnot counted: {}", others.join(", "))?;
        }
        for Failure { message, remedy, users, .. } in &self.failures {
            let message = message.as_deref().unwrap_or("unknown");
            write!(f, "\nfailed for {}: {message}\n  hint: {remedy}", thousands(*users))?;
        }
        match self.next() {
            Some(next) => write!(f, "\nnext: {next}"),
            None if *dry_run || self.differs() => Ok(()),
            None => write!(f, "\nevery user that should have a row has one"),
        }
    }
}

impl Report {
    fn next(&self) -> Option<&'static str> {
        let is_repairable = self.missing.difference.found + self.stale.found > 0;
        if self.links_left() > 0 {
            Some("run this again without --dry-run: it links, creates and updates these rows")
        } else if self.dry_run && is_repairable {
            Some("run this again without --dry-run: it creates and updates these rows")
        } else if !self.failures.is_empty() {
            Some("do what the hints say, and run this again")
        } else if self.orphans.left() > 0 {
            Some("delete the rows without a user with --forget-orphans, unless another pool has these users")
        } else {
            None
        }
    }
}

impl Difference {
    fn text(&self, what: &str, repaired: &str) -> String {
        let Self { found, .. } = self;
        let parts = [(self.repaired, repaired), (self.failed, "failed")];
        let parts = parts.into_iter().filter(|(users, _)| *users > 0);
        let parts: Vec<String> = parts.map(|(users, word)| format!("{} {word}", thousands(users))).collect();
        let outcome = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        format!("{} {what}{outcome}", thousands(*found))
    }
}

/// The number with a comma after each three digits.
fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_whose_row_a_killed_run_has_deleted_is_not_left() {
        let group =
            |state, users| Group { kind: Kind::Orphan, state, reason: None, sqlstate: None, message: None, users };
        assert_eq!(Orphans::of(&[group(State::Found, 2), group(State::Repaired, 3)], None).left(), 2);
    }

    #[test]
    fn large_numbers_have_commas() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (24310, "24,310"), (1_000_000, "1,000,000"), (-100, "-100")]
        {
            assert_eq!(thousands(number), expected);
        }
    }
}
