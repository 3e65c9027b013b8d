//! Amazon CloudWatch Logs: what the function has written of its invocations.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(feature = "instance")]
use aws_sdk_cloudwatchlogs::types::{OrderBy, OutputLogEvent};
use db::{AwsCause, AwsError};
use serde::Deserialize;

use super::{Aws, Explain};
use crate::output::counted;

/// The most pages of one search. AWS reads a part of the log for each, and a page may be empty though more follow.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>
const MOST_PAGES: u32 = 500;

/// How many streams are looked at for the newest report: a process that has just started has none.
#[cfg(feature = "instance")]
const STREAMS: i32 = 10;

/// After so many pages, progress is reported.
const REPORT: u32 = 10;

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search<'a> {
    /// The log group, such as `/aws/lambda/post-confirmation`.
    pub(crate) group: &'a str,
    pub(crate) since: SystemTime,
    /// Without it, up to now.
    pub(crate) until: Option<SystemTime>,
    /// In CloudWatch's language, see [`any_of`]; such as `{ $.errorType = "*" }` for all failures.
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>
    pub(crate) pattern: &'a str,
    /// The most lines that are kept, which are the newest.
    pub(crate) limit: usize,
}

/// The lines that were found, oldest first.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) lines: Vec<Line>,
    /// Whether these are all that the log has.
    pub(crate) is_complete: bool,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at: SystemTime,
    /// What the function says of one invocation, if it is that.
    pub(crate) report: Option<Report>,
    /// Whether Lambda says here that it has cut an invocation off at the function's time limit.
    pub(crate) is_cut_off: bool,
    /// Whether Lambda says here that the process has not started, or has ended in the middle.
    pub(crate) is_crash: bool,
}

/// A report line as far as operators need it. docs/reference/log-line.schema.json has all of it. Only `sub` is personal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Report {
    /// Such as `created`. Empty where the line is no report.
    pub(crate) outcome: String,
    pub(crate) sub: Option<String>,
    pub(crate) request_id: Option<String>,
    /// That of the queue's message, in the replay.
    pub(crate) message_id: Option<String>,
    pub(crate) trigger_source: Option<String>,
    pub(crate) error_type: Option<String>,
    pub(crate) error: Option<String>,
    /// Of the function.
    pub(crate) version: Option<String>,
    /// A log group may be that of several functions.
    #[serde(rename = "FunctionName")]
    pub(crate) function_name: Option<String>,
}

/// The pattern of lines that hold one of these terms. A term is quoted, so it holds no quotation mark.
pub(crate) fn any_of<'a>(terms: impl IntoIterator<Item = &'a str>) -> String {
    let terms: Vec<String> = terms.into_iter().map(|term| format!("\"{}\"", term.replace('"', ""))).collect();
    match &terms[..] {
        [term] => term.clone(),
        _ => terms.iter().map(|term| format!("?{term}")).collect::<Vec<_>>().join(" "),
    }
}

/// Searches the log; none if there is no such log group, as for a function that was never called.
pub(crate) async fn read(aws: &Aws, search: Search<'_>, progress: impl Fn(&str)) -> Result<Option<Log>, AwsError> {
    let Search { group, since, until, pattern, limit } = search;
    let (mut lines, mut is_complete, mut token, mut pages) = (VecDeque::new(), true, None, 0);
    loop {
        let request = aws.logs.filter_log_events().log_group_name(group).filter_pattern(pattern);
        let request = request.start_time(milliseconds(since)).set_end_time(until.map(milliseconds));
        let answer = match request.set_next_token(token).send().await.explain("logs:FilterLogEvents") {
            Err(error) if error.cause() == AwsCause::NotFound => return Ok(None),
            answer => answer?,
        };
        pages += 1;
        for event in answer.events.unwrap_or_default() {
            lines.extend(Line::of(event.timestamp.unwrap_or_default(), event.message.as_deref().unwrap_or_default()));
            if lines.len() > limit {
                lines.pop_front();
                is_complete = false;
            }
        }
        token = answer.next_token;
        if token.is_none() {
            break;
        }
        if pages == MOST_PAGES {
            is_complete = false;
            break;
        }
        if pages % REPORT == 0 {
            progress(&format!("{pages} pages of the log read, {} found", counted(lines.len(), "line", "lines")));
        }
    }
    let mut lines = Vec::from(lines);
    // Those of different streams may be in another order.
    lines.sort_by_key(|line| line.at);
    Ok(Some(Log { lines, is_complete }))
}

/// The newest report of the function, in the streams that were written last; none if there is none there.
#[cfg(feature = "instance")]
pub(crate) async fn read_newest(aws: &Aws, group: &str, function: &str) -> Result<Option<Report>, AwsError> {
    let request = aws.logs.describe_log_streams().log_group_name(group).order_by(OrderBy::LastEventTime);
    let streams = match request.descending(true).limit(STREAMS).send().await.explain("logs:DescribeLogStreams") {
        Err(error) if error.cause() == AwsCause::NotFound => return Ok(None),
        answer => answer?.log_streams.unwrap_or_default(),
    };
    for stream in streams.into_iter().filter_map(|stream| stream.log_stream_name) {
        let request = aws.logs.get_log_events().log_group_name(group).log_stream_name(stream).start_from_head(false);
        let lines = request.send().await.explain("logs:GetLogEvents")?.events.unwrap_or_default().into_iter();
        let line = |line: OutputLogEvent| Line::of(line.timestamp.unwrap_or_default(), line.message.as_deref()?);
        let mut reports = lines.filter_map(|event| line(event)?.report);
        // The group may be that of several functions.
        let of_function = reports.rfind(|report| report.function_name.as_deref() == Some(function));
        if of_function.is_some() {
            return Ok(of_function);
        }
    }
    Ok(None)
}

impl Line {
    /// None for a line that says nothing of an invocation's end.
    fn of(milliseconds: i64, text: &str) -> Option<Self> {
        let report = serde_json::from_str::<Report>(text).ok().filter(|report| !report.outcome.is_empty());
        // As text, and in JSON:
        // <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#platform-report>
        let is_cut_off = report.is_none()
            && ["Task timed out", "Status: timeout", "\"status\":\"timeout\""].iter().any(|words| text.contains(words));
        // <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html>
        let is_crash = report.is_none()
            && !is_cut_off
            && ["Runtime exited", "Runtime.ExitError", "Runtime.InvalidEntrypoint"]
                .iter()
                .any(|words| text.contains(words));
        let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default());
        (report.is_some() || is_cut_off || is_crash).then_some(Self { at, report, is_cut_off, is_crash })
    }
}

/// The pattern of the lines in which Lambda says that it has cut an invocation off.
pub(crate) fn cut_off() -> String {
    any_of(["timed out", "timeout"])
}

fn milliseconds(time: SystemTime) -> i64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_line_is_read_and_others_are_left_out() {
        let line = r#"{"timestamp":"2026-11-20T10:00:00.000Z","outcome":"failed","errorType":"DatabaseUnreachable",
            "sub":"5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95","requestId":"8f5f-1","coldStart":true,"steps":{"connect":1.5}}"#;
        let found = Line::of(1_795_860_000_123, line).expect("a report");
        let report = found.report.expect("a report");
        assert_eq!((report.outcome.as_str(), report.error_type.as_deref()), ("failed", Some("DatabaseUnreachable")));
        assert_eq!(found.at, UNIX_EPOCH + Duration::from_millis(1_795_860_000_123));
        for other in ["START RequestId: 8f5f-1", "{}", r#"{"type":"platform.start"}"#, r#"{"outcome":7}"#, ""] {
            assert_eq!(Line::of(0, other), None, "{other}");
        }
    }

    #[test]
    fn an_invocation_that_lambda_has_cut_off_is_recognised_in_each_format() {
        for line in [
            "2026-11-20T10:00:05.000Z 8f5f-1 Task timed out after 5.00 seconds",
            "REPORT RequestId: 8f5f-1\tDuration: 5000.00 ms\tBilled Duration: 5000 ms\tStatus: timeout",
            r#"{"time":"2026-11-20T10:00:05.000Z","type":"platform.report","record":{"requestId":"8f5f-1","status":"timeout"}}"#,
        ] {
            assert!(Line::of(0, line).is_some_and(|line| line.is_cut_off), "{line}");
        }
        let own = r#"{"outcome":"failed","error":"Task timed out"}"#;
        assert!(Line::of(0, own).is_some_and(|line| !line.is_cut_off), "the function's own words are no end by Lambda");
    }

    #[test]
    fn a_process_that_ends_by_itself_is_recognised() {
        for line in [
            "RequestId: 8f5f-1 Error: Runtime exited with error: signal: killed",
            r#"{"type":"platform.report","record":{"requestId":"8f5f-1","status":"error","errorType":"Runtime.ExitError"}}"#,
            "INIT_REPORT Init Duration: 1.2 ms\tPhase: init\tStatus: error\tError Type: Runtime.InvalidEntrypoint",
        ] {
            assert!(Line::of(0, line).is_some_and(|line| line.is_crash && !line.is_cut_off), "{line}");
        }
    }

    #[test]
    fn a_pattern_quotes_each_term() {
        assert_eq!(any_of(["5c2f8a10-9d3e"]), "\"5c2f8a10-9d3e\"");
        assert_eq!(any_of(["a b", "c\""]), "?\"a b\" ?\"c\"");
    }
}
