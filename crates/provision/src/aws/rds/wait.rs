//! Waiting for a DB instance or a snapshot, with each phase reported.
//!
//! The SDK's own waiters draw random delays of up to 30 minutes and report nothing.

use std::time::Duration;

use anyhow::bail;
use aws_sdk_rds::types::DbSnapshot;
use db::{AwsCause, AwsError};
use tokio::time::{Instant, sleep};

use super::state::{State, status};
use super::{Aws, DbInstance, Explain, ensure_stays, find_instance, newest_event};
use crate::error::Problem;
use crate::prompt::progress;

/// The pause between two requests for a status; AWS allows few requests a second for a whole account.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// The pause between two lines about a status that stays.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// For so long after a request, RDS may report the status of before it.
const STALE: Duration = Duration::from_mins(1);

/// The end of all waiting of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimit {
    started: Instant,
    time: Duration,
}

impl TimeLimit {
    /// A limit that is over after this time from now.
    pub(crate) fn new(time: Duration) -> Self {
        Self { started: Instant::now(), time }
    }
}

impl Default for TimeLimit {
    /// An hour, in which RDS does most of what it does.
    fn default() -> Self {
        Self::new(Duration::from_hours(1))
    }
}

/// Waits until the DB instance has this status, and reports each status on the way. Where `available` is wanted, each
/// status counts in which the database can be used.
pub(crate) async fn wait_for_status(
    aws: &Aws,
    identifier: &str,
    wanted: &str,
    limit: TimeLimit,
) -> anyhow::Result<DbInstance> {
    let mut watch = Watch::new(aws, identifier, limit, continuation(wanted));
    loop {
        let instance = watch.require_instance().await?;
        let status = status(&instance);
        if status == wanted || (wanted == "available" && State::of(status).is_usable) {
            return Ok(instance);
        }
        ensure_stays(&instance)?;
        ensure_passes(&instance, identifier)?;
        watch.pause().await?;
    }
}

/// The same after a request, such as a modification or a reboot. RDS may take some seconds until it reports anything of it:
/// the wanted status counts once RDS was seen at work, when `is_visible` finds the result in the instance, or when it stays
/// for a minute. Where `available` is wanted, each status counts in which the next change can follow.
pub(crate) async fn wait_for_change(
    aws: &Aws,
    identifier: &str,
    wanted: &str,
    limit: TimeLimit,
    is_visible: impl Fn(&DbInstance) -> bool,
) -> anyhow::Result<DbInstance> {
    watch_change(Watch::new(aws, identifier, limit, continuation(wanted)), wanted, is_visible).await
}

/// The same between two requests: after the time limit, the second one is still to be sent.
pub(crate) async fn wait_for_next_change(
    aws: &Aws,
    identifier: &str,
    limit: TimeLimit,
    is_visible: impl Fn(&DbInstance) -> bool,
) -> anyhow::Result<DbInstance> {
    let watch = Watch::new(aws, identifier, limit, "the rest is not requested yet: run this again");
    watch_change(watch, "available", is_visible).await
}

async fn watch_change(
    mut watch: Watch<'_>,
    wanted: &str,
    is_visible: impl Fn(&DbInstance) -> bool,
) -> anyhow::Result<DbInstance> {
    let requested = Instant::now();
    let mut has_begun = false;
    loop {
        let instance = watch.require_instance().await?;
        let status = status(&instance);
        let state = State::of(status);
        has_begun |= state.is_passing() || requested.elapsed() >= STALE;
        let is_reached = status == wanted || (wanted == "available" && state.is_settled());
        if is_reached && (has_begun || is_visible(&instance)) {
            return Ok(instance);
        }
        ensure_stays(&instance)?;
        if has_begun {
            ensure_passes(&instance, watch.name)?;
        }
        watch.pause().await?;
    }
}

/// Waits until RDS accepts a modification of the DB instance: it refuses one while another is in progress.
pub(crate) async fn wait_until_modifiable(aws: &Aws, identifier: &str, limit: TimeLimit) -> anyhow::Result<DbInstance> {
    let mut watch = Watch::new(aws, identifier, limit, "run this again");
    loop {
        let instance = watch.require_instance().await?;
        if State::of(status(&instance)).is_modifiable {
            return Ok(instance);
        }
        ensure_stays(&instance)?;
        ensure_passes(&instance, identifier)?;
        watch.pause().await?;
    }
}

/// Waits until the DB instance does not exist any more, and reports each status on the way. Fails if RDS gives the deletion
/// up, as when it cannot make the final snapshot.
pub(crate) async fn wait_for_deletion(aws: &Aws, identifier: &str, limit: TimeLimit) -> anyhow::Result<()> {
    let mut watch = Watch::new(aws, identifier, limit, "look again with `provision instance status`");
    let mut has_begun = false;
    while let Some(instance) = watch.find_instance().await? {
        let status = status(&instance);
        has_begun |= status == "deleting";
        if has_begun && State::of(status).is_settled() {
            let event = newest_event(aws, identifier).await.map(|event| format!(": {event}")).unwrap_or_default();
            let problem = format!("RDS has not deleted {identifier}, which is {status} again{event}");
            bail!(Problem::new(problem, "remove the cause, and delete it again"));
        }
        watch.pause().await?;
    }
    watch.report("deleted").await;
    Ok(())
}

/// Waits until the snapshot can be restored, and reports its progress in percent.
pub(crate) async fn wait_for_snapshot(aws: &Aws, snapshot: &str, limit: TimeLimit) -> anyhow::Result<()> {
    let name = format!("snapshot {snapshot}");
    let mut watch = Watch::new(aws, &name, limit, "look again with `provision instance snapshots`");
    loop {
        let request = aws.rds.describe_db_snapshots().db_snapshot_identifier(snapshot);
        let answer = request.send().await.explain("rds:DescribeDBSnapshots").map_err(Into::into);
        let Some(answer) = watch.outlast(answer)? else {
            watch.pause().await?;
            continue;
        };
        let found = answer.db_snapshots().first();
        match found.and_then(DbSnapshot::status).unwrap_or("unknown") {
            "available" => {
                watch.report_line("available");
                return Ok(());
            }
            "failed" => bail!(Problem::new(
                format!("the snapshot {snapshot} failed"),
                "look at the events with `provision instance status`"
            )),
            status => {
                let percent = found.and_then(DbSnapshot::percent_progress).unwrap_or(0);
                watch.report_line(&format!("{status}, {percent} %"));
                watch.pause().await?;
            }
        }
    }
}

/// Fails if the status stays until somebody acts.
pub(crate) fn ensure_passes(instance: &DbInstance, identifier: &str) -> anyhow::Result<()> {
    let status = status(instance);
    State::of(status)
        .remedy(identifier, instance.allocated_storage)
        .map_or(Ok(()), |remedy| Err(Problem::new(format!("the DB instance {identifier} is {status}"), remedy).into()))
}

/// The command that goes on waiting for this status.
fn continuation(wanted: &str) -> &'static str {
    if wanted == "stopped" {
        "wait longer with `provision instance stop`"
    } else {
        "wait longer with `provision instance wait`"
    }
}

/// Looks at one DB instance or snapshot again and again.
struct Watch<'a> {
    aws: &'a Aws,
    name: &'a str,
    limit: TimeLimit,
    /// How the operator goes on after the time limit.
    continuation: &'static str,
    began: Instant,
    /// True once AWS has answered.
    is_answered: bool,
    /// What was reported last, and when.
    last: String,
    reported: Instant,
}

impl<'a> Watch<'a> {
    fn new(aws: &'a Aws, name: &'a str, limit: TimeLimit, continuation: &'static str) -> Self {
        let (last, now) = (String::new(), Instant::now());
        Self { aws, name, limit, continuation, began: now, is_answered: false, last, reported: now }
    }

    /// The DB instance with its status reported, or an error if it is deleted.
    async fn require_instance(&mut self) -> anyhow::Result<DbInstance> {
        let Some(instance) = self.find_instance().await? else {
            bail!(Problem::new(
                format!("the DB instance {} is deleted", self.name),
                "restore its data with `provision instance restore`, or create an empty one with \
                 `provision instance apply`"
            ));
        };
        Ok(instance)
    }

    /// The DB instance with its status reported, if there is one.
    async fn find_instance(&mut self) -> anyhow::Result<Option<DbInstance>> {
        loop {
            let found = find_instance(self.aws, self.name).await;
            let Some(found) = self.outlast(found)? else {
                self.pause().await?;
                continue;
            };
            if let Some(instance) = &found {
                self.report(status(instance)).await;
            }
            return Ok(found);
        }
    }

    /// The answer, or none after a failure that passes by itself: what AWS has begun goes on without this program.
    fn outlast<T>(&mut self, answer: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
        match answer {
            Ok(answer) => {
                self.is_answered = true;
                Ok(Some(answer))
            }
            Err(error) if self.passes(&error) => {
                self.report_line(&format!("{error:#}; trying again"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the next request may be answered. Before the first answer, an AWS that cannot be reached is more likely a
    /// wrong setting.
    fn passes(&self, error: &anyhow::Error) -> bool {
        error.downcast_ref::<AwsError>().is_some_and(|error| match error.cause() {
            AwsCause::NoCredentials => false,
            AwsCause::Throttled | AwsCause::Unavailable => true,
            _ => self.is_answered && error.is_transient(),
        })
    }

    /// Waits until the next look. Fails when the time is over.
    async fn pause(&mut self) -> anyhow::Result<()> {
        let TimeLimit { started, time } = self.limit;
        let left = time.saturating_sub(started.elapsed());
        if left.is_zero() {
            let event = newest_event(self.aws, self.name).await;
            let event = event.map(|event| format!(" ({event})")).unwrap_or_default();
            let time = humantime::format_duration(time);
            let problem = format!("{} is not ready after {time}: {}{event}", self.name, self.last);
            bail!(Problem::new(problem, format!("AWS goes on with it; {}", self.continuation)));
        }
        sleep(POLL_INTERVAL.min(left)).await;
        Ok(())
    }

    /// Reports a status with the event that explains it: when it differs from the last one, and every minute.
    async fn report(&mut self, status: &str) {
        if self.is_due(status) {
            let event = newest_event(self.aws, self.name).await;
            let still = if status == self.last { "still " } else { "" };
            let event = event.map(|event| format!(" — {event}")).unwrap_or_default();
            self.write(status, still, &event);
        }
    }

    /// The same for a line that explains itself.
    fn report_line(&mut self, line: &str) {
        if self.is_due(line) {
            self.write(line, "", "");
        }
    }

    fn is_due(&self, line: &str) -> bool {
        line != self.last || self.reported.elapsed() >= REPORT_INTERVAL
    }

    fn write(&mut self, line: &str, before: &str, after: &str) {
        let seconds = self.began.elapsed().as_secs();
        progress(&format!("{}: {before}{line} ({}:{:02}){after}", self.name, seconds / 60, seconds % 60));
        line.clone_into(&mut self.last);
        self.reported = Instant::now();
    }
}

#[cfg(test)]
mod tests;
