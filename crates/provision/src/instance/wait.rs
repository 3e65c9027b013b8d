//! `provision instance wait`

use std::time::Duration;

use anyhow::{anyhow, bail};
use aws_sdk_rds::types::{DbInstance, SourceType};
use tokio::time::{Instant, sleep};

use super::deployed::find_instance;
use crate::aws::Aws;
use crate::talk::say;

/// How often the status is asked for; AWS allows few requests a second for a whole account.
pub(super) const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// Waits until the instance has this status, and tells each phase on the way. `deleted` stands for its absence.
pub(crate) async fn wait(aws: &Aws, identifier: &str, wanted: &str) -> anyhow::Result<Option<DbInstance>> {
    let started = Instant::now();
    let mut phase = String::new();
    loop {
        let instance = find_instance(aws, identifier).await?;
        let status = instance.as_ref().map_or("deleted", |instance| instance.db_instance_status().unwrap_or("unknown"));
        if status != phase {
            let event = newest_event(aws, identifier).await;
            let event = event.map(|event| format!(" — {event}")).unwrap_or_default();
            let seconds = started.elapsed().as_secs();
            say(&format!("{identifier}: {status} ({}:{:02}){event}", seconds / 60, seconds % 60));
            status.clone_into(&mut phase);
        }
        if status == wanted {
            return Ok(instance);
        }
        if status == "deleted" {
            bail!("the DB instance {identifier} is gone; `provision instance apply` makes it anew");
        }
        if let Some(remedy) = dead_end(status) {
            return Err(anyhow!("the DB instance {identifier} is {status}; {remedy}"));
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// What to do about a status that does not pass by itself.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>
fn dead_end(status: &str) -> Option<&'static str> {
    match status {
        "failed" => Some("restore it to an earlier point in time"),
        "storage-full" => Some("raise storage.size in the declaration and run `provision instance apply`"),
        "incompatible-network" => Some("check the subnet group for free addresses and the VPC for DNS host names"),
        "incompatible-parameters" => Some("correct `parameters` in the declaration, apply and reboot"),
        "incompatible-restore" | "restore-error" => Some("restore another point in time or snapshot"),
        "incompatible-option-group" | "incompatible-credentials" => {
            Some("look at its events with `provision instance status`")
        }
        "inaccessible-encryption-credentials" | "inaccessible-encryption-credentials-recoverable" => {
            Some("give RDS access to the KMS key again, then start the instance")
        }
        "stopped" => Some("start it with `provision instance start`"),
        _ => None,
    }
}

/// The newest event's message; it only helps to understand, so that its lack is no failure.
pub(crate) async fn newest_event(aws: &Aws, identifier: &str) -> Option<String> {
    let request = aws.rds.describe_events().source_identifier(identifier).source_type(SourceType::DbInstance);
    let answer = request.duration(60).send().await.ok()?;
    answer
        .events()
        .iter()
        .max_by_key(|event| event.date.map(|date| date.as_nanos()))
        .and_then(|event| event.message.clone())
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::Client;
    use aws_sdk_rds::operation::describe_db_instances::DescribeDbInstancesOutput;
    use aws_sdk_rds::operation::describe_events::DescribeEventsOutput;
    use aws_sdk_rds::types::Event;
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

    use super::*;

    fn with_status(status: &str) -> DescribeDbInstancesOutput {
        let instance = DbInstance::builder().db_instance_identifier("db").db_instance_status(status).build();
        DescribeDbInstancesOutput::builder().db_instances(instance).build()
    }

    /// The instance has each of these statuses once, and the last for ever.
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
    async fn each_phase_is_waited_for_a_quarter_of_a_minute_at_a_time() {
        let (statuses, events) = (statuses(&["creating", "creating", "backing-up", "available"]), events());
        let started = Instant::now();
        let instance = wait(&aws(&[&statuses, &events]), "db", "available").await.expect("it becomes available");
        assert_eq!(instance.and_then(|instance| instance.db_instance_status).as_deref(), Some("available"));
        assert_eq!(started.elapsed().as_secs(), 45);
        assert_eq!((statuses.num_calls(), events.num_calls()), (4, 3), "four looks, three phases");
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_that_does_not_pass_ends_the_wait_with_what_to_do() {
        for (status, remedy) in [
            ("failed", "restore it"),
            ("storage-full", "raise storage.size"),
            ("incompatible-network", "check the subnet group"),
            ("incompatible-parameters", "correct `parameters`"),
        ] {
            let status: &'static [&'static str] = Box::leak(Box::new(["creating", status]));
            let (rule, events) = (statuses(status), events());
            let error =
                wait(&aws(&[&rule, &events]), "db", "available").await.expect_err("it never will be").to_string();
            assert!(error.contains(status[1]) && error.contains(remedy), "expected {remedy:?} in {error:?}");
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
        wait(&aws(&[&rule, &events]), "db", "available").await.expect("the third answer is good");
        assert_eq!(rule.num_calls(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_allowed_is_told_with_its_action() {
        let rule = mock!(Client::describe_db_instances)
            .sequence()
            .http_response(|| refusal("AccessDenied"))
            .repeatedly()
            .build();
        let error = wait(&aws(&[&rule]), "db", "available").await.expect_err("it is not allowed").to_string();
        assert!(error.contains("may not do rds:DescribeDBInstances (AccessDenied)"), "{error}");
    }

    fn refusal(code: &str) -> aws_sdk_rds::config::http::HttpResponse {
        let body = format!(
            "<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>x</Message></Error></ErrorResponse>"
        );
        aws_sdk_rds::config::http::HttpResponse::new(400.try_into().expect("a status"), body.into())
    }
}
