//! Waiting for a DB instance or a snapshot, with each phase reported.
//!
//! The SDK's own waiters draw random delays of up to 30 minutes and report nothing.

use std::time::Duration;

use anyhow::bail;
use aws_sdk_rds::types::DbSnapshot;
use tokio::time::{Instant, sleep};

use super::{Aws, DbInstance, Explain, find_instance, newest_event};
use crate::error::Problem;
use crate::prompt::progress;

/// The pause between two requests for a status; AWS allows few requests a second for a whole account.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// Waits until the DB instance has this status, and reports each status on the way.
pub(crate) async fn wait_for_status(aws: &Aws, identifier: &str, wanted: &str) -> anyhow::Result<DbInstance> {
    let mut phases = Phases::new(aws, identifier);
    loop {
        let Some(instance) = find_instance(aws, identifier).await? else {
            bail!(Problem::new(
                format!("the DB instance {identifier} is deleted"),
                "create it again with `provision instance apply`"
            ));
        };
        let status = instance.db_instance_status().unwrap_or("unknown");
        phases.report(status).await;
        if status == wanted {
            return Ok(instance);
        }
        if let Some(remedy) = dead_end(status) {
            bail!(Problem::new(format!("the DB instance {identifier} is {status}"), remedy));
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Waits until the DB instance does not exist any more, and reports each status on the way.
pub(crate) async fn wait_for_deletion(aws: &Aws, identifier: &str) -> anyhow::Result<()> {
    let mut phases = Phases::new(aws, identifier);
    while let Some(instance) = find_instance(aws, identifier).await? {
        let status = instance.db_instance_status().unwrap_or("unknown");
        phases.report(status).await;
        if let Some(remedy) = dead_end(status) {
            bail!(Problem::new(format!("the DB instance {identifier} is {status}"), remedy));
        }
        sleep(POLL_INTERVAL).await;
    }
    phases.report("deleted").await;
    Ok(())
}

/// Waits until the snapshot can be restored, and reports its progress in percent.
pub(crate) async fn wait_for_snapshot(aws: &Aws, snapshot: &str) -> anyhow::Result<()> {
    let mut reported = None;
    loop {
        let request = aws.rds.describe_db_snapshots().db_snapshot_identifier(snapshot);
        let answer = request.send().await.explain("rds:DescribeDBSnapshots")?;
        let found = answer.db_snapshots().first();
        let status = found.and_then(DbSnapshot::status).unwrap_or("unknown");
        let percent = found.and_then(DbSnapshot::percent_progress).unwrap_or(0);
        if reported != Some(percent) {
            progress(&format!("snapshot {snapshot}: {status} ({percent} %)"));
            reported = Some(percent);
        }
        match status {
            "available" => return Ok(()),
            "failed" => bail!(Problem::new(
                format!("the snapshot {snapshot} failed"),
                "look at the events with `provision instance status`"
            )),
            _ => sleep(POLL_INTERVAL).await,
        }
    }
}

/// The statuses that were reported so far.
struct Phases<'a> {
    aws: &'a Aws,
    identifier: &'a str,
    started: Instant,
    last: String,
}

impl<'a> Phases<'a> {
    fn new(aws: &'a Aws, identifier: &'a str) -> Self {
        Self { aws, identifier, started: Instant::now(), last: String::new() }
    }

    /// Reports a status that differs from the last one.
    async fn report(&mut self, status: &str) {
        if status == self.last {
            return;
        }
        let event = newest_event(self.aws, self.identifier).await;
        let event = event.map(|event| format!(" — {event}")).unwrap_or_default();
        let seconds = self.started.elapsed().as_secs();
        progress(&format!("{}: {status} ({}:{:02}){event}", self.identifier, seconds / 60, seconds % 60));
        status.clone_into(&mut self.last);
    }
}

/// The remedy for a status that does not pass by itself.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>
fn dead_end(status: &str) -> Option<&'static str> {
    match status {
        "failed" => Some("restore it to an earlier point in time"),
        "storage-full" => Some("raise storage.size in the declaration and run `provision instance apply --no-wait`"),
        "incompatible-network" => Some("check the subnet group for free addresses and the VPC for DNS host names"),
        "incompatible-parameters" => Some(
            "correct `parameters` in the declaration, run `provision instance apply --no-wait`, and reboot the instance",
        ),
        "incompatible-restore" | "restore-error" => Some("restore another point in time or snapshot"),
        "incompatible-option-group" | "incompatible-credentials" => {
            Some("look at its events with `provision instance status`")
        }
        "inaccessible-encryption-credentials" | "inaccessible-encryption-credentials-recoverable" => {
            Some("grant RDS access to the KMS key again, then start the instance")
        }
        "stopped" => Some("start it with `provision instance start`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::Client;
    use aws_sdk_rds::operation::describe_db_instances::DescribeDbInstancesOutput;
    use aws_sdk_rds::operation::describe_db_snapshots::DescribeDbSnapshotsOutput;
    use aws_sdk_rds::operation::describe_events::DescribeEventsOutput;
    use aws_sdk_rds::types::Event;
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;
    use crate::error::shown;

    fn with_status(status: &str) -> DescribeDbInstancesOutput {
        let instance = DbInstance::builder().db_instance_identifier("db").db_instance_status(status).build();
        DescribeDbInstancesOutput::builder().db_instances(instance).build()
    }

    /// The instance has each of these statuses once, and keeps the last one.
    fn statuses(statuses: &'static [&'static str]) -> Rule {
        let (last, first) = statuses.split_last().expect("at least one status");
        let sequence = first.iter().fold(mock!(Client::describe_db_instances).sequence(), |sequence, status| {
            sequence.output(move || with_status(status))
        });
        sequence.output(move || with_status(last)).repeatedly().build()
    }

    fn events() -> Rule {
        mock!(Client::describe_events).match_requests(|_| true).then_output(|| {
            DescribeEventsOutput::builder().events(Event::builder().message("Backing up").build()).build()
        })
    }

    fn aws(rules: &[&Rule]) -> Aws {
        Aws::with_rds(mock_client!(aws_sdk_rds, RuleMode::MatchAny, rules))
    }

    #[tokio::test(start_paused = true)]
    async fn the_status_is_polled_every_15_seconds_and_each_phase_is_reported_once() {
        let (statuses, events) = (statuses(&["creating", "creating", "backing-up", "available"]), events());
        let started = Instant::now();
        let instance = wait_for_status(&aws(&[&statuses, &events]), "db", "available").await;
        let instance = instance.expect("it becomes available");
        assert_eq!(instance.db_instance_status(), Some("available"));
        assert_eq!(started.elapsed().as_secs(), 45);
        assert_eq!((statuses.num_calls(), events.num_calls()), (4, 3), "four looks, three phases");
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_that_does_not_pass_by_itself_ends_the_wait_with_a_remedy() {
        for (status, remedy) in [
            ("failed", "restore it"),
            ("storage-full", "raise storage.size"),
            ("incompatible-network", "check the subnet group"),
            ("incompatible-parameters", "correct `parameters`"),
        ] {
            let status: &'static [&'static str] = Box::leak(Box::new(["creating", status]));
            let (rule, events) = (statuses(status), events());
            let error = wait_for_status(&aws(&[&rule, &events]), "db", "available").await;
            let error = shown(&error.expect_err("it never will be available"));
            assert!(
                error.contains(status[1]) && error.contains(&format!("hint: {remedy}")),
                "expected {remedy:?} in {error:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_is_tried_again() {
        let events = events();
        let throttled = || refusal("Throttling");
        let rule = mock!(Client::describe_db_instances)
            .sequence()
            .http_response(throttled)
            .times(2)
            .output(|| with_status("available"))
            .repeatedly()
            .build();
        wait_for_status(&aws(&[&rule, &events]), "db", "available").await.expect("the third answer is good");
        assert_eq!(rule.num_calls(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_denied_request_is_reported_with_its_action() {
        let rule = mock!(Client::describe_db_instances)
            .sequence()
            .http_response(|| refusal("AccessDenied"))
            .repeatedly()
            .build();
        let error = wait_for_status(&aws(&[&rule]), "db", "available").await.expect_err("it is not allowed");
        let error = shown(&error);
        assert!(error.contains("rds:DescribeDBInstances") && error.contains("AccessDenied"), "{error}");
        assert!(error.contains("infra/iam has the policies"), "{error}");
    }

    fn refusal(code: &str) -> aws_sdk_rds::config::http::HttpResponse {
        let body = format!(
            "<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>x</Message></Error></ErrorResponse>"
        );
        aws_sdk_rds::config::http::HttpResponse::new(400.try_into().expect("a status"), body.into())
    }

    /// Waits for a snapshot that goes through these states.
    async fn wait_through(states: &'static [(&'static str, i32)]) -> anyhow::Result<()> {
        let looks = states.iter().fold(mock!(Client::describe_db_snapshots).sequence(), |looks, (status, percent)| {
            looks.output(|| {
                let snapshot = DbSnapshot::builder().status(*status).percent_progress(*percent).build();
                DescribeDbSnapshotsOutput::builder().db_snapshots(snapshot).build()
            })
        });
        let looks = looks.build();
        let waited = wait_for_snapshot(&aws(&[&looks]), "db-snapshot").await;
        assert_eq!(looks.num_calls(), states.len());
        waited
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_waited_for_until_it_can_be_restored() {
        let started = Instant::now();
        let waited = wait_through(&[("creating", 0), ("creating", 60), ("creating", 100), ("available", 100)]).await;
        waited.expect("it becomes available");
        assert_eq!(started.elapsed().as_secs(), 45);
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_that_fails_is_reported() {
        let error = wait_through(&[("creating", 0), ("failed", 0)]).await.expect_err("there is none");
        assert!(shown(&error).contains("hint: look at the events with `provision instance status`"), "{error}");
    }
}
