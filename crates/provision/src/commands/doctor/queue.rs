//! The spill queue, its replay and its dead letters.

use std::time::{Duration, SystemTime};

use humantime::format_duration;

use super::deployment::{Deployment, without_queue};
use super::finding::Seen;
use super::role::{check, needed, of_queue};
use crate::aws::function::{Configuration, FunctionName, find_function, list_event_sources, reserved_concurrency};
use crate::aws::metrics::Metric;
use crate::aws::queue::{Finding, Queue, QueueName, find_queue};
use crate::output::counted;

/// What says which database it is, and how to get there.
const VARIABLES: [&str; 9] = [
    "CONNECTION_URL",
    "DB_AUTH",
    "DB_SECRET_ID",
    "PGDATABASE",
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGSSLROOTCERT",
    "PGUSER",
];

/// The newest point of a metric of SQS is some minutes old. Later than that, the queue may have been empty since.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>
const RECENT: Duration = Duration::from_mins(30);

/// The longest that the replay hides a message, with some time to come back: what is older, nobody replays.
const LONGEST_WAIT: Duration = Duration::from_hours(7);

pub(super) async fn events(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let Some(name) = deployment.queue_name().await? else {
        let mut seen = without_queue();
        seen.advise(
            "while the database is away, each sign-up fails",
            "give the function a spill queue (docs/deployment.md)",
        );
        return Ok(seen);
    };
    let aws = deployment.aws().await?;
    let Some(queue) = deployment.find_queue().await? else {
        let mut seen = Seen::new(format!("there is no queue {name}"));
        seen.wrong(
            format!("there is no queue {name}, or these credentials may not know of it"),
            "create it (docs/deployment.md), or correct the function's SPILL_QUEUE_URL",
        );
        return Ok(seen);
    };
    let waiting = counted(queue.total(), "event waits", "events wait");
    let mut seen = Seen::new(format!("{}: {waiting}", queue.name));
    let letters = find_dead_letters(deployment, queue).await?;
    if let (Some(redrive), None) = (&queue.redrive, &letters) {
        let Finding { problem, remedy, .. } = Finding::of_missing(queue, &redrive.dead_letters);
        seen.wrong(problem, remedy);
    }
    for Finding { queue, setting, problem, remedy } in Finding::all(queue, letters.as_ref()) {
        seen.wrong(format!("{setting} of {queue}: {problem}"), remedy);
    }
    if queue.total() > 0 {
        let dimension = ("QueueName", queue.name.as_str());
        let metric = Metric { namespace: "AWS/SQS", name: "ApproximateAgeOfOldestMessage", dimension };
        let age = metric.newest_maximum(aws, SystemTime::now() - RECENT).await?;
        let age = age.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9).trunc()));
        // It may be older: SQS leaves out what was received three times or more.
        let oldest = age.map(|age| format!(", the oldest for at least {}", format_duration(age))).unwrap_or_default();
        if age.is_some_and(|age| age > LONGEST_WAIT) {
            seen.wrong(
                format!("{waiting}{oldest}: nobody replays them"),
                "see the checks `replay` and `login`: once both are right, the rows land by themselves",
            );
        } else {
            seen.advise(format!("{waiting}{oldest}"), "their rows land once the database is back");
        }
    }
    Ok(seen)
}

async fn find_dead_letters(deployment: &Deployment<'_>, queue: &Queue) -> anyhow::Result<Option<Queue>> {
    match &queue.redrive {
        Some(redrive) => find_queue(deployment.aws().await?, &redrive.dead_letters).await,
        None => Ok(None),
    }
}

pub(super) async fn replay(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let Some(queue) = deployment.find_queue().await? else { return Ok(without_queue()) };
    let aws = deployment.aws().await?;
    let sources = list_event_sources(aws, &queue.arn).await?;
    let Some(source) = sources.iter().find(|source| source.state == "Enabled").or(sources.first()) else {
        let mut seen = Seen::new("no function takes from the queue");
        seen.wrong(
            "no function replays the events of the queue, so they are deleted unseen in the end",
            "deploy the replay and its event source mapping (docs/deployment.md)",
        );
        return Ok(seen);
    };
    let mut seen = Seen::new(format!("{} ({})", source.function, source.state));
    if !["Enabled", "Enabling", "Creating", "Updating"].contains(&source.state.as_str()) {
        seen.wrong(
            format!("the event source mapping is {}, so nothing is replayed", source.state),
            format!("enable it with `aws lambda update-event-source-mapping --uuid {} --enabled`", source.id),
        );
    }
    if !source.reports_failures {
        seen.wrong(
            "the event source mapping takes no reports of failures: Lambda deletes the events that failed, too",
            "set its FunctionResponseTypes to ReportBatchItemFailures",
        );
    }
    if source.has_filter {
        seen.wrong(
            "the event source mapping has a filter, and Lambda deletes what does not match",
            "remove its filter criteria",
        );
    }
    if source.maximum_concurrency.is_none() {
        seen.advise(
            "the event source mapping has no maximum concurrency: after an outage, replays take the connections of sign-ups",
            "set its maximum concurrency to 2",
        );
    }
    let name = source.function.parse().map_err(anyhow::Error::msg)?;
    let Some(function) = find_function(aws, &name).await? else {
        seen.wrong(format!("there is no function {name}"), "deploy the replay again (docs/deployment.md)");
        return Ok(seen);
    };
    // AWS advises six times.
    // <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
    if queue.visibility < function.timeout * 6 {
        seen.wrong(
            format!(
                "the queue hides a received event for {}, and the replay may take {}",
                format_duration(queue.visibility),
                format_duration(function.timeout)
            ),
            format!("set the queue's VisibilityTimeout to {} s or more", function.timeout.as_secs() * 6),
        );
    }
    check_function(deployment, &mut seen, &name, &function).await?;
    check_settings(deployment, &mut seen, queue, &function).await?;
    Ok(seen)
}

/// The replay must run, and reach the database, as the function does.
async fn check_function(
    deployment: &Deployment<'_>,
    seen: &mut Seen,
    name: &FunctionName,
    replay: &Configuration,
) -> anyhow::Result<()> {
    if replay.state != "Active" || replay.last_update == "Failed" {
        let problem = format!("the replay is {}, and its last update {}", replay.state, replay.last_update);
        seen.wrong(problem, "do what Lambda's reason in the console says, and deploy it again");
    }
    if reserved_concurrency(deployment.aws().await?, name).await? == Some(0) {
        seen.wrong(
            "the replay's reserved concurrency is 0, so it never runs",
            format!(
                "raise it, or delete it with `aws lambda delete-function-concurrency --function-name {}`",
                name.name
            ),
        );
    }
    let vpc = |configuration: &Configuration| configuration.network.as_ref().map(|network| network.vpc.clone());
    if vpc(replay) != vpc(deployment.function().await?) {
        seen.wrong("the replay is in another VPC than the function, or in none", "give it the function's network");
    }
    Ok(())
}

/// The replay's variables and role.
async fn check_settings(
    deployment: &Deployment<'_>,
    seen: &mut Seen,
    queue: &Queue,
    replay: &Configuration,
) -> anyhow::Result<()> {
    let names = |url: Option<&str>, queue: &Queue| {
        let name = url.and_then(|url| url.parse::<QueueName>().ok());
        name.is_some_and(|name| name.name == queue.name)
    };
    let mut needed = needed(deployment, replay).await?;
    let receive = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"];
    needed.extend(of_queue(queue, &receive));
    if let Some(letters) = find_dead_letters(deployment, queue).await? {
        needed.extend(of_queue(&letters, &["sqs:SendMessage"]));
        match replay.variable("DEAD_LETTER_QUEUE_URL") {
            None => seen.advise(
                "the replay has no DEAD_LETTER_QUEUE_URL, so an event that no attempt can land is tried ten times",
                format!("set it to the URL of {}", letters.name),
            ),
            url if !names(url, &letters) => seen.wrong(
                format!(
                    "DEAD_LETTER_QUEUE_URL of the replay is not {}, to which the queue's redrive policy leads",
                    letters.name
                ),
                format!("set it to the URL of {}", letters.name),
            ),
            Some(_) => {}
        }
    }
    if !names(replay.variable("SPILL_QUEUE_URL"), queue) {
        seen.wrong(
            format!(
                "SPILL_QUEUE_URL of the replay is not {}, so it cannot hold events back while the database is away",
                queue.name
            ),
            "give the replay the variables of the function",
        );
    }
    check(deployment.aws().await?, seen, "the replay's role", &replay.role, &needed).await?;
    let function = deployment.function().await?;
    for name in VARIABLES {
        let [own, other] = [function, replay].map(|function| function.variable(name));
        if own != other && !is_same(name, own, other) {
            seen.wrong(
                format!("{name} of the replay is not that of the function, so it writes elsewhere or not at all"),
                "give the replay the variables of the function",
            );
        }
    }
    Ok(())
}

/// Whether both values mean the same.
fn is_same(name: &str, own: Option<&str>, other: Option<&str>) -> bool {
    let is_secret = |arn: &str, secret: &str| {
        arn.rsplit_once('-').is_some_and(|(arn, _)| arn.ends_with(&format!(":secret:{secret}")))
    };
    match (own, other) {
        (Some(one), Some(two)) if name == "DB_SECRET_ID" => is_secret(one, two) || is_secret(two, one),
        (Some(port), None) | (None, Some(port)) if name == "PGPORT" => port == "5432",
        _ => false,
    }
}

pub(super) async fn dead_letters(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let Some(queue) = deployment.find_queue().await? else { return Ok(without_queue()) };
    let Some(letters) = find_dead_letters(deployment, queue).await? else {
        return Ok(Seen::off("there is no queue for them"));
    };
    let count = letters.total();
    let mut seen = Seen::new(format!("{}: {}", letters.name, counted(count, "dead letter", "dead letters")));
    if count > 0 {
        let show = deployment.command(&format!("queue show --queue {}", queue.name));
        let problem =
            format!("{} no row yet", counted(count, "event was given up and has", "events were given up and have"));
        seen.wrong(problem, format!("{show} says why, and what to do"));
    }
    Ok(seen)
}
