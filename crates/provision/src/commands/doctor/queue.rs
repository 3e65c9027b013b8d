//! The spill queue, its replay and its dead letters.

use std::time::{Duration, SystemTime};

use humantime::format_duration;

use super::capacity::DAY;
use super::deployment::{Deployment, without_queue};
use super::finding::Seen;
use crate::aws::function::list_event_sources;
use crate::aws::iam::{Access, denied};
use crate::aws::metrics::Metric;
use crate::aws::queue::{Finding, Queue, find_queue};
use crate::output::counted;

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
    let waiting = queue.waiting + queue.in_flight + queue.delayed;
    let mut seen = Seen::new(format!("{}: {}", queue.name, counted(waiting, "event waits", "events wait")));
    let letters = find_dead_letters(deployment, queue).await?;
    for Finding { queue, setting, problem, remedy } in Finding::all(queue, letters.as_ref()) {
        seen.wrong(format!("{setting} of {queue}: {problem}"), remedy);
    }
    if waiting > 0 {
        let dimension = ("QueueName", queue.name.as_str());
        let metric = Metric { namespace: "AWS/SQS", name: "ApproximateAgeOfOldestMessage", dimension };
        let age = metric.newest_maximum(aws, SystemTime::now() - DAY).await?;
        let age = age.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9).trunc()));
        let shown = age.map(|age| format!("the oldest for {}", format_duration(age))).unwrap_or_default();
        if age.is_some_and(|age| age > LONGEST_WAIT) {
            seen.wrong(
                format!("{}, {shown}: nobody replays them", counted(waiting, "event waits", "events wait")),
                "see the checks `replay` and `login`: once both are right, the rows land by themselves",
            );
        } else {
            let problem = format!("{}, {shown}", counted(waiting, "event waits", "events wait"));
            seen.advise(problem.trim_end_matches(", "), "their rows land once the database is back");
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
            "enable it with `aws lambda update-event-source-mapping --enabled`",
        );
    }
    if !source.reports_failures {
        seen.wrong(
            "the event source mapping does not report failures one by one: one bad event keeps nine others back",
            "set its FunctionResponseTypes to ReportBatchItemFailures",
        );
    }
    if source.maximum_concurrency.is_none() {
        seen.advise(
            "the event source mapping has no maximum concurrency: after an outage, replays take the connections of sign-ups",
            "set its maximum concurrency to 2",
        );
    }
    let name = source.function.parse().map_err(anyhow::Error::msg)?;
    let Some(function) = crate::aws::function::find_function(aws, &name).await? else {
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
    let mut needed = Vec::new();
    for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"] {
        needed.push(Access::new(action, queue.arn.clone()));
    }
    if let Some(letters) = find_dead_letters(deployment, queue).await? {
        needed.push(Access::new("sqs:SendMessage", letters.arn));
        if function.variable("DEAD_LETTER_QUEUE_URL").is_none() {
            seen.advise(
                "the replay has no DEAD_LETTER_QUEUE_URL, so an event that no attempt can land is tried ten times",
                format!("set it to the URL of {}", letters.name),
            );
        }
    }
    for Access { action, resource, .. } in denied(aws, &function.role, &needed).await? {
        seen.wrong(
            format!("the replay's role may not do {action} on {resource}"),
            "allow it; infra/iam/replay.json has the statement (docs/deployment.md)",
        );
    }
    for name in ["DB_SECRET_ID", "DB_AUTH", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER"] {
        if function.variable(name) != deployment.function().await?.variable(name) {
            seen.wrong(
                format!("{name} of the replay is not that of the function, so it writes elsewhere or not at all"),
                "give the replay the variables of the function",
            );
        }
    }
    Ok(seen)
}

pub(super) async fn dead_letters(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let Some(queue) = deployment.find_queue().await? else { return Ok(without_queue()) };
    let Some(letters) = find_dead_letters(deployment, queue).await? else {
        return Ok(Seen::off("there is no queue for them"));
    };
    let count = letters.waiting + letters.in_flight + letters.delayed;
    let mut seen = Seen::new(format!("{}: {}", letters.name, counted(count, "dead letter", "dead letters")));
    if count > 0 {
        let show = deployment.command(&format!("queue show --queue {}", queue.name));
        let problem =
            format!("{} no row yet", counted(count, "event was given up and has", "events were given up and have"));
        seen.wrong(problem, format!("{show} says why, and what to do"));
    }
    Ok(seen)
}
