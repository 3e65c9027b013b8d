//! The report of one invocation: one JSON line that is the log record and the metrics at the same time.
//!
//! Lambda filters lines by their `level` and reads `timestamp` and `requestId`:
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html>
//!
//! CloudWatch makes the metrics that `_aws` declares:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! Nothing in it is personal: `sub` and `userPoolId` are opaque identifiers, and the only way to find who failed.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cognito::Event;
use db::Spent;
use lambda_runtime::Context;
use serde::Serialize;

use crate::diagnostics::chain;
use crate::failure::Failure;
use crate::outcome::{Failed, Outcome};

/// The facts of one invocation.
pub(crate) struct Report<'a> {
    /// The invocation, as Lambda describes it.
    pub(crate) context: &'a Context,
    /// The message of the queue that held the event, if one did.
    pub(crate) message_id: Option<&'a str>,
    /// The event, unless the payload is none.
    pub(crate) event: Option<&'a Event>,
    /// The outcome.
    pub(crate) result: &'a Result<Outcome, (Failure, Failed)>,
    /// The time from the event to the answer.
    pub(crate) time: Duration,
    /// The account of that time.
    pub(crate) spent: Spent,
    /// The account of connecting ahead of this invocation, if it is the process' first.
    pub(crate) ahead: Option<&'a Spent>,
    /// True if this is the first invocation of a process that was started on demand.
    pub(crate) is_cold: bool,
}

/// The line. What is absent is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    message: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    xray_trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_source: Option<&'a str>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_pool_id: Option<&'a str>,
    milliseconds: f64,
    /// Milliseconds of each step that took any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    steps: BTreeMap<&'static str, f64>,
    /// The same of connecting ahead, which `milliseconds` does not hold.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    connect_ahead: BTreeMap<&'static str, f64>,
    attempts: u32,
    cold_start: bool,
    version: &'static str,
    #[serde(flatten)]
    metrics: Metrics<'a>,
}

/// The metrics: how many invocations ended how, and how long they took. Everything else is in the log's own fields,
/// which cost nothing until they are queried.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metrics<'a> {
    #[serde(rename = "_aws")]
    declaration: Declaration,
    function_name: &'a str,
    outcome: &'static str,
    invocations: u8,
    milliseconds: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Declaration {
    /// Milliseconds since the Unix epoch.
    timestamp: u64,
    cloud_watch_metrics: [Directive; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [[&'static str; 2]; 1],
    metrics: [Metric; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

const DIRECTIVE: Directive = Directive {
    namespace: "PostConfirmation",
    dimensions: [["FunctionName", "Outcome"]],
    metrics: [Metric { name: "Invocations", unit: "Count" }, Metric { name: "Milliseconds", unit: "Milliseconds" }],
};

impl Report<'_> {
    /// Writes the line to standard output, whatever format and level the log has: CloudWatch takes metrics from JSON
    /// only, and Lambda itself drops lines below its level.
    pub(crate) fn write(&self) {
        let line = self.line(SystemTime::now());
        // The user's row matters more than its report.
        let _ = io::stdout().write_all(line.as_bytes());
    }

    /// The line, with its end.
    fn line(&self, now: SystemTime) -> String {
        let (level, message, outcome) = match self.result {
            Ok(outcome) => {
                let (level, message) = described(*outcome);
                (level, message, outcome.as_str())
            }
            Err((_, failed)) => {
                let (level, message) = failure_described(*failed);
                (level, message, failed.as_str())
            }
        };
        let failure = self.result.as_ref().err().map(|(failure, _)| failure);
        let remedy = match self.result {
            Ok(Outcome::Ignored) => Some(
                "remove the function from the user pool's other triggers: it serves Post confirmation, Pre token generation and \
                 Post authentication",
            ),
            Ok(_) => None,
            Err((failure, _)) => Some(failure.remedy()),
        };
        // Of these there may be thousands an hour, and nothing is to be found out about any.
        let is_short = matches!(self.result, Ok(Outcome::Known | Outcome::Skipped | Outcome::Machine));
        let event = self.event.filter(|_| !is_short);
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = Line {
            timestamp: humantime::format_rfc3339_millis(UNIX_EPOCH + since_epoch).to_string(),
            level,
            message,
            request_id: &self.context.request_id,
            xray_trace_id: self.context.xray_trace_id.as_deref().filter(|_| !is_short).and_then(x_ray_root),
            message_id: self.message_id,
            trigger_source: self.event.map(|event| trigger_source(event).unwrap_or("unknown")),
            outcome,
            error_type: failure.map(Failure::error_type),
            error: failure.map(|failure| chain(failure)),
            remedy,
            sub: event.and_then(Event::sub),
            user_pool_id: event.and_then(|event| event.user_pool_id.as_deref()),
            milliseconds: milliseconds(self.time),
            steps: steps(&self.spent),
            connect_ahead: self.ahead.map(steps).unwrap_or_default(),
            attempts: self.spent.attempts,
            cold_start: self.is_cold,
            version: env!("CARGO_PKG_VERSION"),
            metrics: Metrics {
                declaration: Declaration {
                    // 64 bits last for the next 292 million years; JSON here has no 128.
                    timestamp: u64::try_from(since_epoch.as_millis()).unwrap_or_default(),
                    cloud_watch_metrics: [DIRECTIVE],
                },
                function_name: &self.context.env_config.function_name,
                outcome,
                invocations: 1,
                milliseconds: milliseconds(self.time),
            },
        };
        let line = serde_json::to_string(&line).expect("the line's keys are all text");
        format!("{line}\n")
    }
}

/// The event's trigger source, if it is a word such as Cognito's are. Any other text could be personal: whoever may send to
/// the queue has written it.
pub(crate) fn trigger_source(event: &Event) -> Option<&str> {
    let is_word = |source: &&str| source.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    Some(event.trigger_source.as_str()).filter(|source| !source.is_empty()).filter(is_word)
}

/// The level and the message of an outcome.
fn described(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Ensured(_) => ("INFO", "the user has a row"),
        Outcome::Healed => ("INFO", "the user had no row, and has one now"),
        Outcome::Known => ("INFO", "the user's row was right a moment ago"),
        Outcome::Skipped => ("WARN", "the user's row is not looked at"),
        Outcome::Machine => ("INFO", "the token is for no user"),
        Outcome::Ignored => ("WARN", "the event is of a trigger that the function does not serve"),
    }
}

/// The level and the message of a failure. That of a sign-in harms nobody by itself: the next one tries again.
fn failure_described(failed: Failed) -> (&'static str, &'static str) {
    match failed {
        Failed::Closed => ("ERROR", "the user's row is not ensured"),
        Failed::Open => ("ERROR", "the user's row is not ensured; the event is answered all the same"),
        Failed::Spilled => ("WARN", "the user's row is not ensured yet: the event waits in the queue"),
        Failed::Held => ("WARN", "the user's row is not ensured yet: the message is received again"),
        Failed::Dead => ("ERROR", "the user's row cannot be ensured: the message goes to the dead letters"),
        Failed::Unhealed => ("WARN", "the user's row is not ensured; the user signs in all the same"),
    }
}

/// Milliseconds of each step that took any.
fn steps(spent: &Spent) -> BTreeMap<&'static str, f64> {
    spent.by_step().map(|(step, time)| (step.as_str(), milliseconds(time))).collect()
}

/// Milliseconds, in steps of a microsecond.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// The root of a trace header such as `Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1`.
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
fn x_ray_root(header: &str) -> Option<&str> {
    header.split(';').find_map(|part| part.trim().strip_prefix("Root=").filter(|root| !root.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cognito::InvalidEvent;
    use db::users::Ensured;
    use lambda_runtime::Config;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;

    const SUB: &str = "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95";

    const STEPS: [Duration; 7] = [
        Duration::ZERO,
        Duration::ZERO,
        Duration::ZERO,
        Duration::ZERO,
        Duration::from_micros(7890),
        Duration::from_millis(4),
        Duration::ZERO,
    ];

    fn event(attributes: &Value) -> Event {
        let event = json!({
            "userPoolId": "eu-central-1_aB3dE5gH7",
            "triggerSource": "PostConfirmation_ConfirmSignUp",
            "userName": "countess",
            "request": {"userAttributes": attributes},
        });
        let event = RawValue::from_string(event.to_string()).expect("a value is JSON");
        Event::parse(&event).expect("it has a trigger source")
    }

    fn line(event: Option<&Event>, result: &Result<Outcome, (Failure, Failed)>) -> Value {
        let mut context = Context::default();
        context.request_id = "8f5f-1".to_owned();
        context.xray_trace_id = Some("Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8".to_owned());
        context.env_config = Arc::new(Config { function_name: "sign-ups".to_owned(), ..Config::default() });
        let (time, spent) = (Duration::from_micros(12_345), Spent { attempts: 1, steps: STEPS });
        let ahead = Some(&spent);
        let report = Report { context: &context, message_id: None, event, result, time, spent, ahead, is_cold: true };
        let line = report.line(UNIX_EPOCH + Duration::from_millis(1_800_000_000_123));
        assert_eq!(line.find('\n'), Some(line.len() - 1), "one line: {line}");
        serde_json::from_str(&line).expect("the line is JSON")
    }

    #[test]
    fn the_report_is_log_record_and_metrics_in_one() {
        let event = event(&json!({"sub": SUB, "name": "Ada Lovelace", "email": "ada@example.com"}));
        assert_eq!(
            line(Some(&event), &Ok(Outcome::Ensured(Ensured::Created))),
            json!({
                "timestamp": "2027-01-15T08:00:00.123Z",
                "level": "INFO",
                "message": "the user has a row",
                "requestId": "8f5f-1",
                "xrayTraceId": "1-67891233-abcdef012345678912345678",
                "triggerSource": "PostConfirmation_ConfirmSignUp",
                "outcome": "created",
                "sub": SUB,
                "userPoolId": "eu-central-1_aB3dE5gH7",
                "milliseconds": 12.345,
                "steps": {"authenticate": 7.89, "query": 4.0},
                "connectAhead": {"authenticate": 7.89, "query": 4.0},
                "attempts": 1,
                "coldStart": true,
                "version": env!("CARGO_PKG_VERSION"),
                "_aws": {
                    "Timestamp": 1_800_000_000_123_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "PostConfirmation",
                        "Dimensions": [["FunctionName", "Outcome"]],
                        "Metrics": [
                            {"Name": "Invocations", "Unit": "Count"},
                            {"Name": "Milliseconds", "Unit": "Milliseconds"},
                        ],
                    }],
                },
                "FunctionName": "sign-ups",
                "Outcome": "created",
                "Invocations": 1,
                "Milliseconds": 12.345,
            })
        );
    }

    #[test]
    fn a_failure_is_an_error_with_its_type_and_remedy() {
        let line = line(None, &Err((InvalidEvent.into(), Failed::Closed)));
        assert_eq!(
            (&line["level"], &line["outcome"], &line["Outcome"], &line["errorType"]),
            (&json!("ERROR"), &json!("failed"), &json!("failed"), &json!("InvalidEvent"))
        );
        assert_eq!(line["error"], "the event has no `triggerSource`");
        assert_eq!(line["remedy"], InvalidEvent.remedy());
        for absent in ["triggerSource", "sub", "userPoolId"] {
            assert_eq!(line.get(absent), None, "{line}");
        }
    }

    #[test]
    fn a_failure_that_is_answered_with_the_event_is_an_error_by_another_name() {
        let event = event(&json!({"sub": SUB}));
        for (failed, level, outcome) in
            [(Failed::Open, "ERROR", "failed-open"), (Failed::Unhealed, "WARN", "heal-failed")]
        {
            let line = line(Some(&event), &Err((InvalidEvent.into(), failed)));
            assert_eq!(
                (&line["level"], &line["outcome"], &line["Outcome"], &line["errorType"]),
                (&json!(level), &json!(outcome), &json!(outcome), &json!("InvalidEvent"))
            );
            assert_eq!(line["remedy"], InvalidEvent.remedy());
        }
    }

    #[test]
    fn the_lines_of_which_there_are_most_are_short() {
        let event = event(&json!({"sub": SUB}));
        for outcome in [Outcome::Known, Outcome::Skipped, Outcome::Machine] {
            let line = line(Some(&event), &Ok(outcome));
            assert_eq!((&line["outcome"], &line["Outcome"]), (&json!(outcome.as_str()), &json!(outcome.as_str())));
            for absent in ["sub", "userPoolId", "xrayTraceId", "errorType", "remedy"] {
                assert_eq!(line.get(absent), None, "{line}");
            }
        }
    }

    #[test]
    fn an_ignored_event_is_a_warning_with_its_remedy() {
        let event = event(&json!({"sub": SUB}));
        let line = line(Some(&event), &Ok(Outcome::Ignored));
        assert_eq!((&line["level"], &line["outcome"]), (&json!("WARN"), &json!("ignored")));
        assert!(line["remedy"].as_str().is_some_and(|remedy| remedy.contains("other triggers")), "{line}");
        assert_eq!(line.get("errorType"), None, "{line}");
    }

    #[test]
    fn only_the_sub_of_a_valid_user_is_reported() {
        let event = event(&json!({"sub": "5".repeat(256)}));
        let failure = event.user().expect_err("`sub` is too long");
        assert_eq!(line(Some(&event), &Err((failure.into(), Failed::Closed))).get("sub"), None);
    }

    #[test]
    fn a_trigger_source_that_is_no_word_is_not_reported() {
        for (source, expected) in [
            ("PostConfirmation_ConfirmSignUp", "PostConfirmation_ConfirmSignUp"),
            ("ada@example.com", "unknown"),
            ("PostConfirmation_Ada Lovelace", "unknown"),
            ("", "unknown"),
        ] {
            let event = Event { trigger_source: source.to_owned(), ..event(&json!({"sub": SUB})) };
            assert_eq!(line(Some(&event), &Ok(Outcome::Ignored))["triggerSource"], expected);
        }
    }

    #[test]
    fn only_the_root_of_a_trace_header_is_reported() {
        for (header, root) in [
            ("Root=1-5759e988;Parent=53995c3f;Sampled=1", Some("1-5759e988")),
            ("Parent=53995c3f; Root=1-5759e988", Some("1-5759e988")),
            ("Parent=53995c3f", None),
            ("Root=;Parent=53995c3f", None),
            ("", None),
        ] {
            assert_eq!(x_ray_root(header), root, "{header}");
        }
    }
}
