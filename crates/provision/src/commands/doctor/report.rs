//! The result of `provision doctor`.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::deployment::Deployment;
use super::finding::{Finding, Status};
use crate::output::counted;
use crate::terminal::harmless;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pool: String,
    function: String,
    /// Account and region, where they are known.
    place: Option<String>,
    checks: Vec<Finding>,
    wrong: usize,
    unknown: usize,
    advice: usize,
}

impl Report {
    pub(super) fn new(deployment: &Deployment<'_>, checks: Vec<Finding>) -> Self {
        let count = |status| checks.iter().filter(|finding| finding.status == status).count();
        Self {
            pool: deployment.pool_id.clone(),
            function: deployment.function_name.to_string(),
            place: deployment.known_place(),
            wrong: count(Status::Wrong),
            unknown: count(Status::Unknown),
            advice: count(Status::Advice),
            checks,
        }
    }

    /// Whether something is wrong, or may be.
    pub(super) fn is_wrong(&self) -> bool {
        self.wrong + self.unknown > 0
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { pool, function, place, checks, wrong, unknown, advice } = self;
        let place = place.as_ref().map(|place| format!(" ({})", harmless(place))).unwrap_or_default();
        write!(f, "user pool {}, function {}{place}\n\n", harmless(pool), harmless(function))?;
        checks.iter().try_for_each(|finding| writeln!(f, "{finding}"))?;
        let notes = if *advice == 0 { String::new() } else { format!("; {}", counted(*advice, "note", "notes")) };
        match (wrong, unknown) {
            (0, 0) => write!(f, "\nnothing is wrong{notes}"),
            (wrong, 0) => write!(f, "\n{wrong} wrong{notes}"),
            (wrong, unknown) => write!(f, "\n{wrong} wrong, {unknown} could not be looked at{notes}"),
        }
    }
}
