//! What the function has written of its calls.

use std::collections::BTreeMap;
use std::time::SystemTime;

use db::Kind;
use humantime::format_rfc3339_seconds;

use super::capacity::DAY;
use super::deployment::Deployment;
use super::finding::Seen;
use crate::aws::log::{Report, Search, any_of, read, read_newest};
use crate::aws::metrics::Metric;
use crate::error::of_kind;
use crate::output::counted;
use crate::prompt::progress;

/// The most failures that are counted.
const MOST: usize = 10_000;

/// What Lambda calls an end at the function's time limit, which leaves no report.
const CUT_OFF: &str = "cut off by Lambda";

/// What it is called when the process has not started, or has ended in the middle.
const CRASH: &str = "crashed";

pub(super) async fn version(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let function = deployment.function().await?;
    let (aws, name) = (deployment.aws().await?, deployment.function_name.name.as_str());
    let newest = read_newest(aws, &function.log_group, name).await?;
    let Some(version) = newest.and_then(|report| report.version) else {
        let calls = Metric { namespace: "AWS/Lambda", name: "Invocations", dimension: ("FunctionName", name) };
        let calls = calls.sum(aws, SystemTime::now() - DAY).await?;
        let mut seen = Seen::off(format!("no report of the function in {}", function.log_group));
        if calls > 0.0 {
            seen.wrong(
                format!("Lambda has called it {} in the last day, and it has reported nothing", counted(calls, "time", "times")),
                "look at the log for `Runtime`: the zip may be for another architecture, or have no `bootstrap`; or the log \
                 level is above INFO, or the role may not write the log",
            );
        }
        return Ok(seen);
    };
    let own = env!("CARGO_PKG_VERSION");
    let mut seen = Seen::new(version.clone());
    if version != own {
        seen.advise(
            format!("the function is version {version}, and this program is {own}"),
            "deploy the function and use the program of one version",
        );
    }
    Ok(seen)
}

/// Failures of one kind.
#[derive(Default)]
struct Failures {
    count: usize,
    /// Those that left a user who signed up without a row.
    lost: usize,
    /// Those whose events a queue has kept.
    kept: usize,
    newest: Option<SystemTime>,
}

pub(super) async fn failures(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let group = &deployment.function().await?.log_group;
    let pattern = any_of(["errorType", "timed out", "timeout", "Runtime"]);
    let search = Search { group, since: SystemTime::now() - DAY, until: None, pattern: &pattern, limit: MOST };
    let Some(log) = read(deployment.aws().await?, search, progress).await? else {
        return Ok(Seen::off(format!("there is no log group {group}, so the function was not called yet")));
    };
    let name = deployment.function_name.name.as_str();
    let mut kinds = BTreeMap::<String, Failures>::new();
    for line in log.lines {
        let (kind, outcome) = match &line.report {
            Some(report) if report.function_name.as_deref().is_some_and(|own| own != name) => continue,
            Some(Report { error_type: Some(kind), outcome, .. }) => (kind.as_str(), outcome.as_str()),
            Some(_) => continue,
            None if line.is_cut_off => (CUT_OFF, "failed"),
            None => (CRASH, "failed"),
        };
        let failures = kinds.entry(kind.to_owned()).or_default();
        failures.count += 1;
        failures.lost += usize::from(["failed", "failed-open"].contains(&outcome));
        failures.kept += usize::from(["spilled", "held"].contains(&outcome));
        failures.newest = failures.newest.max(Some(line.at));
    }
    let total: usize = kinds.values().map(|failures| failures.count).sum();
    let more = if log.is_complete { "" } else { " or more" };
    let mut seen = Seen::new(format!("{}{more} in {group}", counted(total, "failure", "failures")));
    for (kind, Failures { count, lost, kept, newest }) in &kinds {
        let last = newest.map(|newest| format!(", the last at {}", format_rfc3339_seconds(newest))).unwrap_or_default();
        let problem = format!("{kind}: {}{last}", counted(*count, "time", "times"));
        match (lost, kept) {
            (1.., _) => seen.wrong(problem, remedy(kind)),
            (_, 1..) => seen.advise(format!("{problem}; the queue has kept the events"), remedy(kind)),
            _ => seen.advise(format!("{problem}; at sign-ins, which tried to heal and will again"), remedy(kind)),
        }
    }
    Ok(seen)
}

fn remedy(kind: &str) -> &str {
    let known = Kind::ALL.iter().find(|known| known.as_str() == kind);
    match known {
        Some(known) => of_kind(*known),
        None if kind == CUT_OFF => {
            "give the function a time limit of 6 s or more; if it has that, look at its memory and at `steps` of its log"
        }
        None if kind == CRASH => {
            "look at the lines before it in the log: the zip must be for the function's architecture and have `bootstrap`, and \
             the memory suffice"
        }
        None => "look it up in docs/errors.md",
    }
}
