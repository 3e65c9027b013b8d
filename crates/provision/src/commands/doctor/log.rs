//! What the function has written of its calls.

use std::collections::BTreeMap;
use std::time::SystemTime;

use db::Kind;
use humantime::format_rfc3339_seconds;

use super::capacity::DAY;
use super::deployment::Deployment;
use super::finding::Seen;
use crate::aws::log::{Search, any_of, read, read_newest};
use crate::error::of_kind;
use crate::output::counted;
use crate::prompt::progress;

/// The most failures that are counted.
const MOST: usize = 10_000;

/// What Lambda calls an end at the function's time limit, which leaves no report.
const CUT_OFF: &str = "cut off by Lambda";

pub(super) async fn version(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let function = deployment.function().await?;
    let newest = read_newest(deployment.aws().await?, &function.log_group).await?;
    let Some(version) = newest.and_then(|report| report.version) else {
        return Ok(Seen::off(format!(
            "{} has no report of the function, so it was not called yet",
            function.log_group
        )));
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
struct Failures {
    count: usize,
    /// Those that left a user without a row.
    unkept: usize,
    newest: SystemTime,
}

pub(super) async fn failures(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let group = &deployment.function().await?.log_group;
    let pattern = any_of(["errorType", "timed out", "timeout"]);
    let search = Search { group, since: SystemTime::now() - DAY, until: None, pattern: &pattern, limit: MOST };
    let Some(log) = read(deployment.aws().await?, search, |done| progress(done)).await? else {
        return Ok(Seen::off(format!("there is no log group {group}, so the function was not called yet")));
    };
    let mut kinds = BTreeMap::<String, Failures>::new();
    for line in log.lines {
        let (kind, is_kept) = match &line.report {
            Some(report) => {
                let Some(kind) = &report.error_type else { continue };
                (kind.clone(), ["spilled", "held"].contains(&report.outcome.as_str()))
            }
            None if line.is_cut_off => (CUT_OFF.to_owned(), false),
            None => continue,
        };
        let failures = kinds.entry(kind).or_insert(Failures { count: 0, unkept: 0, newest: line.at });
        failures.count += 1;
        failures.unkept += usize::from(!is_kept);
        failures.newest = failures.newest.max(line.at);
    }
    let total: usize = kinds.values().map(|failures| failures.count).sum();
    let more = if log.is_complete { "" } else { " or more" };
    let mut seen = Seen::new(format!("{}{more} in {group}", counted(total, "failure", "failures")));
    for (kind, Failures { count, unkept, newest }) in &kinds {
        let problem =
            format!("{kind}: {}, the last at {}", counted(*count, "time", "times"), format_rfc3339_seconds(*newest));
        if *unkept > 0 {
            seen.wrong(problem, remedy(kind));
        } else {
            seen.advise(format!("{problem}; the queue has kept these events"), remedy(kind));
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
        None => "look it up in docs/errors.md",
    }
}
