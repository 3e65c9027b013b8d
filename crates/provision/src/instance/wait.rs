//! `provision instance wait`

use std::time::Duration;

use anyhow::{anyhow, bail};
use aws_sdk_rds::types::{DbInstance, SourceType};
use tokio::time::{Instant, sleep};

use super::deployed::find_instance;
use crate::aws::Aws;
use crate::talk::say;

/// How often the status is asked for; AWS allows few requests a second for a whole account.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

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
