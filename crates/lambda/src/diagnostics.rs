//! The diagnostics, on standard output, as Lambda's settings ask for them. The record of an invocation is its
//! [`Report`](crate::report::Report).

use std::error::Error;
use std::io::stdout;

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts them with the values of `AWS_LAMBDA_LOG_FORMAT` (`JSON`, else text) and `AWS_LAMBDA_LOG_LEVEL`
/// (`INFO` unless set).
pub(crate) fn init(format: Option<&str>, level: Option<&str>) {
    let level = level_filter(level);
    let lines = if format.is_some_and(|format| format.eq_ignore_ascii_case("json")) {
        // Lambda itself filters and shows lines by their top-level `timestamp`, `level` and `requestId`.
        let json = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
        json.with_writer(stdout).boxed()
    } else {
        fmt::layer().with_ansi(false).with_writer(stdout).boxed()
    };
    tracing_subscriber::registry().with(lines.with_filter(targets(level))).init();
}

/// The level of each crate's lines. At the finer levels the SDK, the runtime and the driver write requests, events and
/// rows, and so secrets and personal data. Only this project's own lines may be that fine.
fn targets(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets([("post_confirmation", level), ("db", level)])
        // The SDK's warnings quote the values of variables that it cannot read. All its crates are named so.
        .with_target("aws_", level.min(LevelFilter::ERROR))
        // It repeats every error that the handler returns.
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF)
}

/// One of Lambda's levels: TRACE, DEBUG, INFO, WARN, ERROR or FATAL.
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>
fn level_filter(level: Option<&str>) -> LevelFilter {
    match level {
        // `tracing` has no level above ERROR, so nothing that it writes is fatal.
        Some(level) if level.eq_ignore_ascii_case("fatal") => LevelFilter::OFF,
        Some(level) => level.parse().unwrap_or(LevelFilter::INFO),
        None => LevelFilter::INFO,
    }
}

/// The error and its causes in one line, from the outermost in.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |chain, cause| format!("{chain}: {cause}"))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn every_level_of_lambda_is_understood_and_any_other_is_info() {
        for (level, expected) in [
            ("TRACE", LevelFilter::TRACE),
            ("DEBUG", LevelFilter::DEBUG),
            ("INFO", LevelFilter::INFO),
            ("WARN", LevelFilter::WARN),
            ("ERROR", LevelFilter::ERROR),
            ("FATAL", LevelFilter::OFF),
            ("fatal", LevelFilter::OFF),
            ("verbose", LevelFilter::INFO),
        ] {
            assert_eq!(level_filter(Some(level)), expected, "{level}");
        }
        assert_eq!(level_filter(None), LevelFilter::INFO);
    }

    #[test]
    fn the_sdk_writes_no_warnings_at_any_level() {
        for level in [LevelFilter::TRACE, LevelFilter::INFO, LevelFilter::WARN, LevelFilter::ERROR] {
            for target in
                ["aws_config::profile::parser", "aws_runtime::env_config", "aws_smithy_runtime::client", "aws_types"]
            {
                assert!(!targets(level).would_enable(target, &Level::WARN), "{target} warns at {level}");
                assert!(targets(level).would_enable(target, &Level::ERROR), "{target} has no errors at {level}");
            }
        }
        assert!(!targets(LevelFilter::OFF).would_enable("aws_config", &Level::ERROR), "FATAL has no errors");
        assert!(targets(LevelFilter::DEBUG).would_enable("db::attempt", &Level::DEBUG), "own lines are that fine");
        assert!(targets(LevelFilter::DEBUG).would_enable("lambda_runtime", &Level::WARN), "others warn");
    }
}
