//! The nightly comparison of the users with the pool, which a schedule asks for.
//!
//! Each event is one slice: it goes on where the one before has stopped, and does nothing once the night's run is done.

use lambda_runtime::{Context, Diagnostic};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::child::{self, Times};
use super::function::log;
use super::now;
use super::request::{Frame, Request};
use crate::output;

/// The namespace of all metrics of this project.
const NAMESPACE: &str = "PostConfirmation";

/// The command. It knows its pool by `USER_POOL_ID`, and its time limit by the invocation.
const RECONCILE: [&str; 7] = ["users", "reconcile", "--yes", "--at-most-every", "20h", "--output", "json"];

/// An event of a schedule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub(super) scheduled: Work,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Work {
    /// See [`reconcile`].
    Reconcile,
}

/// What the metrics are made of, in the result of `provision users reconcile`.
#[derive(Debug, Deserialize)]
struct Report {
    missing: Missing,
    oldest_missing_seconds: Option<i64>,
    orphans: Orphans,
}

#[derive(Debug, Deserialize)]
struct Missing {
    found: i64,
    repaired: i64,
}

#[derive(Debug, Deserialize)]
struct Orphans {
    found: i64,
}

impl Event {
    /// The event, if the payload is one of a schedule.
    pub(super) fn of(payload: &Value) -> Option<Result<Self, Diagnostic>> {
        payload.get("scheduled")?;
        Some(Self::deserialize(payload).map_err(|error| Diagnostic {
            error_type: "InvalidEvent".to_owned(),
            error_message: format!("expected {{\"scheduled\":\"reconcile\"}}: {error}"),
        }))
    }
}

/// Runs one slice. Fails if the command does, so that Lambda counts an error.
pub(super) async fn reconcile(context: &Context, times: Times) -> Result<Value, Diagnostic> {
    let begun = Instant::now();
    let arguments = RECONCILE.map(str::to_owned).to_vec();
    let request = Request { arguments, ..Request::default() };
    let (frames, mut receiver) = mpsc::channel(1);
    let run = async move { child::run(&request, times, &frames).await };
    let listen = async {
        let (mut result, mut goes_on_later) = (String::new(), false);
        while let Some(frame) = receiver.recv().await {
            match frame {
                Frame::Stdout(text) => result.push_str(&text),
                Frame::Again(_) => goes_on_later = true,
                _ => {}
            }
        }
        (result, goes_on_later)
    };
    let (status, (result, goes_on_later)) = tokio::join!(run, listen);
    let status = if goes_on_later { 0 } else { status.unwrap_or(1) };
    log(context, "users reconcile", status, begun);
    if let Ok(report) = serde_json::from_str(&result) {
        let _ = output::log(&metrics(&report, &context.env_config.function_name));
    }
    if !matches!(status, 0 | 3) {
        // The reason may quote the server's words, and these a value.
        return Err(Diagnostic {
            error_type: "ReconcileFailed".to_owned(),
            error_message: "run `provision --in-vpc users reconcile` to see why".to_owned(),
        });
    }
    Ok(json!({ "finished": !goes_on_later }))
}

/// The line that CloudWatch makes metrics of.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
fn metrics(report: &Report, function: &str) -> Value {
    let Report { missing, oldest_missing_seconds, orphans } = report;
    let units = [
        ("UsersWithoutRow", "Count"),
        ("UsersRepaired", "Count"),
        ("OldestUserWithoutRowAge", "Seconds"),
        ("RowsWithoutUser", "Count"),
        ("ReconcileFinished", "Count"),
    ];
    let declared = units.map(|(name, unit)| json!({ "Name": name, "Unit": unit }));
    json!({
        "_aws": {
            "Timestamp": u64::try_from(now().as_millis()).unwrap_or_default(),
            // As the metrics of the other functions, so that two deployments in a region do not mix.
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": declared }],
        },
        "level": "INFO",
        "message": "reconciled",
        "FunctionName": function,
        "UsersWithoutRow": missing.found,
        "UsersRepaired": missing.repaired,
        "OldestUserWithoutRowAge": oldest_missing_seconds.unwrap_or_default(),
        "RowsWithoutUser": orphans.found,
        "ReconcileFinished": 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_event_of_a_schedule_is_one() {
        assert!(Event::of(&json!({"arguments": ["db", "load"]})).is_none());
        assert!(Event::of(&json!({"scheduled": "reconcile"})).expect("scheduled").is_ok());
        for payload in [json!({"scheduled": "drop"}), json!({"scheduled": "reconcile", "arguments": []})] {
            assert!(Event::of(&payload).expect("scheduled").is_err(), "{payload}");
        }
    }

    #[test]
    fn each_declared_metric_has_a_value() {
        let report = json!({
            "missing": {"found": 3, "repaired": 2}, "oldest_missing_seconds": 60, "orphans": {"found": 1}
        });
        let line = metrics(&serde_json::from_value(report).expect("a report"), "operator");
        let declared = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().expect("a list");
        let values: Vec<_> = declared.iter().map(|metric| &line[metric["Name"].as_str().expect("a name")]).collect();
        assert_eq!(values, [3, 2, 60, 1, 1]);
    }
}
