//! The log, on standard output, as Lambda's settings ask for it.

use std::error::Error;
use std::io::stdout;

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts the log with the values of `AWS_LAMBDA_LOG_FORMAT` (`JSON`, else text) and `AWS_LAMBDA_LOG_LEVEL`
/// (`INFO` unless set).
pub(crate) fn init(format: Option<&str>, level: Option<&str>) {
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let lines = if format.is_some_and(|format| format.eq_ignore_ascii_case("json")) {
        // Lambda itself filters and shows lines by their top-level `timestamp`, `level` and `requestId`.
        let json = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
        json.with_writer(stdout).boxed()
    } else {
        fmt::layer().with_ansi(false).with_writer(stdout).boxed()
    };
    // At the finer levels the SDK, the runtime and the driver write requests, events and rows, and so secrets and
    // personal data. Only this project's own lines may be that fine.
    let others = level.min(LevelFilter::WARN);
    let targets = Targets::new()
        .with_default(others)
        .with_targets([("post_confirmation", level), ("db", level)])
        // It repeats every error that the handler returns.
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF);
    tracing_subscriber::registry().with(lines.with_filter(targets)).init();
}

/// The error and its causes in one line, from the outermost in.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |chain, cause| format!("{chain}: {cause}"))
}
