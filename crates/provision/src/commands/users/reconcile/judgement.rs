//! The judgement of users that have no row, or another address: each is asked for again, and its row is ensured.

use std::collections::BTreeSet;
use std::time::Duration;

use cognito::UserEvent;
use db::Error;
use db::reconcile::{Changed, Finding, Kind, Repair, State};
use db::users::Ensured;
use futures::future::try_join_all;
use tokio::time::sleep;

use super::comparison::Comparison;

use crate::commands::users::reason::reason;
use crate::output::counted;

/// The users that are looked up, and whose rows are then written: at the default rate these are a second's. A user who is
/// deleted within that time gets a row all the same.
const LOOK_UPS: usize = 40;

/// The rows that are written in one round trip.
const ROWS: usize = 1000;

/// The open findings that are looked at together.
const OPEN: i64 = 1000;

/// SQLSTATEs and classes that tell of one user's data. Everything else would fail for each user.
const OF_ONE_USER: [&str; 6] = ["09", "22", "23", "40", "55P03", "P0"];

impl Comparison<'_> {
    /// Brings the addresses of rows up to date, as the list has them.
    pub(super) async fn refresh(&self, mut events: Vec<UserEvent>) -> anyhow::Result<()> {
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(ROWS));
            let repairs = events.into_iter().map(|event| Repair { event, kind: Kind::Stale, reason: None }).collect();
            let (findings, _) = self.repair(repairs).await?;
            self.run.find(&findings).await?;
            events = rest;
        }
        Ok(())
    }

    /// Looks users up, judges them as they are now, and takes back the findings that are none.
    pub(super) async fn confirm(&self, mut users: Vec<(Kind, String, String)>) -> anyhow::Result<()> {
        while !users.is_empty() {
            let rest = users.split_off(users.len().min(LOOK_UPS));
            let found = users.iter().map(async |(kind, sub, username)| {
                let at = self.clock.now();
                let user = self.requests.find_user(username, sub).await?;
                // Another user may have the name by now.
                let user =
                    user.filter(|user| user.sub().is_none_or(|found| found == sub) && self.options.includes(user));
                Ok::<_, anyhow::Error>(user.map(|user| (*kind, user, at)))
            });
            let found = try_join_all(found).await?;
            let (mut findings, mut settled, mut repairs) = (Vec::new(), Vec::new(), Vec::new());
            for ((_, sub, _), found) in users.into_iter().zip(found) {
                let Some((kind, user, at)) = found else {
                    settled.push(sub);
                    continue;
                };
                let reason = (kind == Kind::Missing).then(|| reason(&user, self.first_as_of));
                let event = UserEvent::of_pool_user(&self.requests.pool.id, &user.username, user.attributes, at);
                match event {
                    Ok(_) if self.options.is_dry_run && kind == Kind::Missing => {
                        findings.push(finding(sub, kind, State::Found, reason));
                    }
                    Ok(event) => repairs.push(Repair { event, kind, reason }),
                    Err(error) => {
                        let failure = Some((None, error.to_string()));
                        findings.push(Finding { failure, ..finding(sub, kind, State::Failed, reason) });
                    }
                }
            }
            let (others, unchanged) = self.repair(repairs).await?;
            findings.extend(others);
            settled.extend(unchanged);
            self.run.find(&findings).await?;
            self.run.take_back(&settled).await?;
            users = rest;
        }
        Ok(())
    }

    /// Ensures the rows, or only tries to. Returns the findings that are not written yet, and those about whom there is
    /// nothing to find.
    async fn repair(&self, repairs: Vec<Repair>) -> anyhow::Result<(Vec<Finding>, Vec<String>)> {
        let (mut findings, mut unchanged) = (Vec::new(), Vec::new());
        if repairs.is_empty() {
            return Ok((findings, unchanged));
        }
        let is_dry_run = self.options.is_dry_run;
        let answers = if is_dry_run { self.run.try_repair(&repairs).await? } else { self.run.repair(&repairs).await? };
        let mut changed = Vec::new();
        for (Repair { event, kind, reason }, answer) in repairs.into_iter().zip(answers) {
            let sub = event.sub().to_owned();
            match (kind, answer) {
                (Kind::Missing, Ok(Ensured::Created)) | (Kind::Stale, Ok(Ensured::Changed)) => {
                    if is_dry_run {
                        findings.push(finding(sub, kind, State::Found, reason));
                    } else if kind == Kind::Stale {
                        let username = event.user_name().unwrap_or(&sub).to_owned();
                        changed.push(Changed { sub, username });
                    }
                }
                // The row was deleted meanwhile; the user may be, too.
                (Kind::Stale, Ok(Ensured::Created)) if !is_dry_run => {
                    self.forget_deleted(&sub).await?;
                    unchanged.push(sub);
                }
                // A live sign-up was quicker.
                (_, Ok(_)) => unchanged.push(sub),
                (_, Err(error)) if is_of_one_user(&error) => {
                    let failure = Some((error.sqlstate().map(str::to_owned), in_words(&error)));
                    findings.push(Finding { failure, ..finding(sub, kind, State::Failed, reason) });
                }
                (_, Err(error)) => return Err(error.into()),
            }
        }
        self.follow(changed).await?;
        Ok((findings, unchanged))
    }

    /// Asks for users again whose rows were changed, and writes what is true by now. A user who went back to the address that
    /// the row had meanwhile has left no trace there: what is right is not written.
    async fn follow(&self, mut changed: Vec<Changed>) -> anyhow::Result<()> {
        while !changed.is_empty() {
            let mut rest = changed.split_off(changed.len().min(LOOK_UPS));
            let asked = changed.iter().map(async |Changed { sub, username }| {
                let at = self.clock.now();
                let user = self.requests.find_user(username, sub).await?;
                let user = user.filter(|user| user.sub() == Some(sub));
                Ok::<_, anyhow::Error>(user.and_then(|user| {
                    UserEvent::of_pool_user(&self.requests.pool.id, &user.username, user.attributes, at).ok()
                }))
            });
            let present: Vec<UserEvent> = try_join_all(asked).await?.into_iter().flatten().collect();
            let mut again = BTreeSet::new();
            for (event, answer) in present.iter().zip(self.run.ensure(&present).await?) {
                match answer {
                    Ok(Ensured::Unchanged) => {}
                    Ok(Ensured::Changed) => {
                        again.insert(event.sub());
                    }
                    Ok(Ensured::Created) => self.forget_deleted(event.sub()).await?,
                    // The next run finds it again, and says so.
                    Err(error) if is_of_one_user(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let (again, followed): (Vec<Changed>, Vec<Changed>) =
                changed.into_iter().partition(|changed| again.contains(changed.sub.as_str()));
            self.run.followed(&followed.iter().map(|changed| changed.sub.as_str()).collect::<Vec<_>>()).await?;
            rest.extend(again);
            changed = rest;
        }
        Ok(())
    }

    /// Deletes the row of a user who was deleted while it was written.
    async fn forget_deleted(&self, sub: &str) -> anyhow::Result<()> {
        if !self.requests.has_sub(sub).await? {
            self.run.forget(sub).await?;
        }
        Ok(())
    }

    /// Looks again at the users whose rows a killed process has changed, and at those whose sign-up was under way.
    pub(super) async fn settle(&self) -> anyhow::Result<()> {
        loop {
            let changed = self.run.changed(OPEN).await?;
            if changed.is_empty() {
                break;
            }
            self.follow(changed).await?;
        }
        loop {
            let open = self.run.open_findings(Kind::Missing, OPEN).await?;
            let Some(newest) = open.iter().filter_map(|open| open.changed_at).max() else { return Ok(()) };
            if let Ok(wait) = (newest + self.options.settle).duration_since(self.clock.now())
                && !wait.is_zero()
            {
                self.report_wait(open.len(), wait);
                sleep(wait).await;
                continue;
            }
            let (known, missing): (Vec<_>, Vec<_>) = open.into_iter().partition(|open| open.is_known);
            let known: Vec<String> = known.into_iter().map(|open| open.sub).collect();
            self.run.take_back(&known).await?;
            let missing = missing.into_iter().map(|open| {
                let username = open.username.unwrap_or_else(|| open.sub.clone());
                (Kind::Missing, open.sub, username)
            });
            self.confirm(missing.collect()).await?;
        }
    }

    fn report_wait(&self, users: usize, wait: Duration) {
        let counted = counted(
            users,
            "user has no row yet, and may be signing up",
            "users have no row yet, and may be signing up",
        );
        let wait = humantime::format_duration(Duration::from_secs(wait.as_secs() + 1));
        (self.progress)(&format!("{counted}: looking again in {wait}"));
    }
}

pub(super) fn finding(sub: String, kind: Kind, state: State, reason: Option<&'static str>) -> Finding {
    Finding { sub, username: None, kind, state, reason, failure: None, changed_at: None }
}

fn is_of_one_user(error: &Error) -> bool {
    matches!(error, Error::ContractBroken)
        || error.sqlstate().is_some_and(|code| OF_ONE_USER.iter().any(|class| code.starts_with(class)))
}

/// The error with its cause. Neither quotes a user's data.
fn in_words(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
