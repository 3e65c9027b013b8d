use aws_sdk_rds::Client;
use aws_sdk_rds::operation::describe_db_instances::DescribeDbInstancesOutput;
use aws_sdk_rds::operation::describe_db_snapshots::DescribeDbSnapshotsOutput;
use aws_sdk_rds::operation::describe_events::DescribeEventsOutput;
use aws_sdk_rds::types::Event;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

use super::super::state::STATES;
use super::*;
use crate::error::shown;

const HOUR: Duration = Duration::from_hours(1);

fn hour() -> TimeLimit {
    TimeLimit::new(HOUR)
}

fn with_status(status: &str) -> DescribeDbInstancesOutput {
    let instance = DbInstance::builder().db_instance_identifier("db").db_instance_status(status).build();
    DescribeDbInstancesOutput::builder().db_instances(instance).build()
}

/// The instance has each of these statuses once, and keeps the last one.
fn statuses(statuses: &[&'static str]) -> Rule {
    let (last, first) = statuses.split_last().expect("at least one status");
    let last = *last;
    let sequence = first.iter().fold(mock!(Client::describe_db_instances).sequence(), |sequence, status| {
        let status = *status;
        sequence.output(move || with_status(status))
    });
    sequence.output(move || with_status(last)).repeatedly().build()
}

/// The request is refused so often, and answered then.
fn refused(code: &'static str, times: usize) -> Rule {
    let refused = mock!(Client::describe_db_instances).sequence().output(|| with_status("creating"));
    let refused = refused.http_response(move || refusal(code)).times(times);
    refused.output(|| with_status("available")).repeatedly().build()
}

fn events() -> Rule {
    mock!(Client::describe_events)
        .match_requests(|_| true)
        .then_output(|| DescribeEventsOutput::builder().events(Event::builder().message("Backing up").build()).build())
}

fn aws(rules: &[&Rule]) -> Aws {
    Aws::with_rds(mock_client!(aws_sdk_rds, RuleMode::MatchAny, rules))
}

fn refusal(code: &str) -> aws_sdk_rds::config::http::HttpResponse {
    let body = format!(
        "<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>x</Message></Error></ErrorResponse>"
    );
    aws_sdk_rds::config::http::HttpResponse::new(400.try_into().expect("a status"), body.into())
}

#[tokio::test(start_paused = true)]
async fn the_status_is_polled_every_15_seconds_and_each_phase_is_reported_once() {
    let (statuses, events) = (statuses(&["creating", "creating", "modifying", "available"]), events());
    let started = Instant::now();
    let instance = wait_for_status(&aws(&[&statuses, &events]), "db", "available", hour()).await;
    let instance = instance.expect("it becomes available");
    assert_eq!(instance.db_instance_status(), Some("available"));
    assert_eq!(started.elapsed().as_secs(), 45);
    assert_eq!((statuses.num_calls(), events.num_calls()), (4, 3), "four looks, three phases");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_stays_is_reported_every_minute() {
    let looks: Vec<&str> = std::iter::repeat_n("creating", 20).chain(["available"]).collect();
    let (statuses, events) = (statuses(&looks), events());
    wait_for_status(&aws(&[&statuses, &events]), "db", "available", hour()).await.expect("it becomes available");
    assert_eq!(events.num_calls(), 6, "creating at 0, 1, 2, 3 and 4 minutes, available at 5");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_can_be_used_is_not_waited_for() {
    for state in STATES.iter().filter(|state| state.is_usable) {
        let (statuses, events) = (statuses(&[state.status]), events());
        let found = wait_for_status(&aws(&[&statuses, &events]), "db", "available", hour()).await;
        assert_eq!(found.expect("it can be used").db_instance_status(), Some(state.status));
        assert_eq!(statuses.num_calls(), 1, "{}", state.status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_passes_by_itself_is_waited_for_and_one_that_nobody_knows() {
    let passing = STATES.iter().filter(|state| !state.is_usable && state.remedy("db", None).is_none());
    // An instance that is being deleted never becomes available.
    let passing = passing.filter(|state| state.status != "deleting");
    for status in passing.map(|state| state.status).chain(["status-of-tomorrow"]) {
        let (statuses, events) = (statuses(&[status, "available"]), events());
        let found = wait_for_status(&aws(&[&statuses, &events]), "db", "available", hour()).await;
        found.unwrap_or_else(|error| panic!("{status} passes: {error:#}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_does_not_pass_by_itself_ends_the_wait_with_a_remedy() {
    for state in STATES {
        let Some(remedy) = state.remedy("db", None) else { continue };
        let (rule, events) = (statuses(&["creating", state.status]), events());
        let error = wait_for_status(&aws(&[&rule, &events]), "db", "available", hour()).await;
        let error = shown(&error.expect_err("it never will be available"));
        let expected = format!("error: the DB instance db is {}\nhint: {remedy}\n", state.status);
        assert_eq!(error, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_storage_can_be_changed_and_a_backup_must_end_first() {
    for (looks, expected) in [
        (&["storage-full"][..], "storage-full"),
        (&["storage-optimization"], "storage-optimization"),
        (&["backing-up", "available"], "available"),
        (&["modifying", "storage-optimization"], "storage-optimization"),
    ] {
        let (rule, events) = (statuses(looks), events());
        let instance = wait_until_modifiable(&aws(&[&rule, &events]), "db", hour()).await.expect("it can be changed");
        assert_eq!(instance.db_instance_status(), Some(expected));
    }
    let (rule, events) = (statuses(&["stopped"]), events());
    let error = wait_until_modifiable(&aws(&[&rule, &events]), "db", hour()).await.expect_err("nobody starts it");
    assert!(shown(&error).contains("`provision instance start`"), "{error}");
}

/// The number of looks after a request with this result, of which the instance shows something or nothing.
async fn looks_after_a_change(looks: &[&'static str], is_visible: bool) -> anyhow::Result<usize> {
    let (rule, events) = (statuses(looks), events());
    wait_for_change(&aws(&[&rule, &events]), "db", "available", hour(), |_| is_visible).await?;
    Ok(rule.num_calls())
}

#[tokio::test(start_paused = true)]
async fn a_status_of_before_the_change_does_not_end_the_wait() {
    let stale = ["available", "available", "modifying", "available"];
    assert_eq!(looks_after_a_change(&stale, false).await.expect("it is changed"), 4);
    let stale = ["storage-full", "modifying", "storage-optimization"];
    assert_eq!(looks_after_a_change(&stale, false).await.expect("the storage has grown"), 3);
    assert_eq!(looks_after_a_change(&["available"], true).await.expect("it is changed"), 1);
    assert_eq!(looks_after_a_change(&["available"], false).await.expect("it stays"), 5, "a minute");
    let error = looks_after_a_change(&["storage-full"], false).await.expect_err("the storage stays full");
    assert!(shown(&error).contains("storage-full"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn throttling_is_outlasted_however_long_it_lasts() {
    let (rule, events) = (refused("Throttling", 40), events());
    wait_for_status(&aws(&[&rule, &events]), "db", "available", hour()).await.expect("the last answer is good");
    assert_eq!(rule.num_calls(), 42);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_outlasted_once_aws_has_answered() {
    let lost = || aws_sdk_rds::config::http::HttpResponse::new(503.try_into().expect("a status"), "".into());
    let events = events();
    let rule = mock!(Client::describe_db_instances).sequence().output(|| with_status("creating"));
    let rule = rule.http_response(lost).times(20).output(|| with_status("available")).repeatedly().build();
    wait_for_status(&aws(&[&rule, &events]), "db", "available", hour()).await.expect("the last answer is good");
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_time_limit_with_the_status_and_the_way_on() {
    let (rule, events) = (statuses(&["creating"]), events());
    let limit = TimeLimit::new(Duration::from_secs(100));
    let started = Instant::now();
    let error = wait_for_status(&aws(&[&rule, &events]), "db", "available", limit).await.expect_err("it takes longer");
    assert_eq!(started.elapsed().as_secs(), 100);
    let expected = "error: db is not ready after 1m 40s: creating (Backing up)\n\
                    hint: AWS goes on with it; wait longer with `provision instance wait`\n";
    assert_eq!(shown(&error), expected);

    let (rule, events) = (refused("Throttling", 1000), self::events());
    let error = wait_for_status(&aws(&[&rule, &events]), "db", "available", TimeLimit::new(HOUR)).await;
    assert!(shown(&error.expect_err("it is never answered")).contains("is not ready after 1h"));
}

#[tokio::test(start_paused = true)]
async fn a_denied_request_is_reported_with_its_action() {
    let rule =
        mock!(Client::describe_db_instances).sequence().http_response(|| refusal("AccessDenied")).repeatedly().build();
    let error = wait_for_status(&aws(&[&rule]), "db", "available", hour()).await.expect_err("it is not allowed");
    let error = shown(&error);
    assert!(error.contains("rds:DescribeDBInstances") && error.contains("AccessDenied"), "{error}");
    assert!(error.contains("infra/iam has the policies"), "{error}");
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
    let waited = wait_for_snapshot(&aws(&[&looks]), "db-snapshot", hour()).await;
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
