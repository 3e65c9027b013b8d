//! What a run has found, as it is kept in `docs/benchmarks/scale.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::results::Machine;

/// One run. Times are in milliseconds, but for what is in seconds by its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// The day, UTC.
    pub(crate) date: String,
    pub(crate) machine: Machine,
    /// The server's `max_connections`.
    pub(crate) max_connections: u32,
    /// Processes of the replay.
    pub(crate) replays: usize,
    pub(crate) scenarios: Vec<Outcome>,
}

/// How a scenario went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) processes: usize,
    /// Connections of PgBouncer to the server, if it was between.
    pub(crate) pool: Option<u32>,
    pub(crate) has_queue: bool,
    /// Every process had a sign-up as it was started.
    pub(crate) cold: Option<Phase>,
    /// Then each had some more.
    pub(crate) warm: Option<Phase>,
    /// Then all had many together.
    pub(crate) burst: Option<Phase>,
    /// Sign-ups that were in the queue from the start.
    pub(crate) backlog: usize,
    /// All sign-ups, these among them.
    pub(crate) sign_ups: usize,
    /// All rows at the end.
    pub(crate) rows: usize,
    /// Why sign-ups went to the queue.
    pub(crate) causes: BTreeMap<String, usize>,
    /// What people saw.
    pub(crate) errors: BTreeMap<String, usize>,
    /// The most sessions that the role had at the server, those of the replay among them.
    pub(crate) most_sessions: usize,
    /// Connections that the server refused because it had none left.
    pub(crate) refused: usize,
    /// The largest amount of memory that a process has had.
    pub(crate) peak_kibibytes: u64,
    pub(crate) replay: Option<Replay>,
}

/// Sign-ups that began at the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Phase {
    pub(crate) sign_ups: usize,
    /// From the first event to the last answer.
    pub(crate) seconds: f64,
    pub(crate) all: Times,
    /// Of those that went to the queue.
    pub(crate) spilled: Option<Times>,
    /// Of those that had their row with the answer.
    pub(crate) ensured: Option<Times>,
    /// Answers that came too late for Cognito.
    pub(crate) late: usize,
    /// Errors, which the person sees.
    pub(crate) errors: usize,
}

/// The times of some answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) number: usize,
    pub(crate) median: f64,
    pub(crate) p99: f64,
    pub(crate) longest: f64,
}

/// How the queue became empty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Replay {
    /// Messages that were in it.
    pub(crate) messages: usize,
    /// Those of them that were replayed while the processes of the sign-ups kept their connections.
    pub(crate) beside_idle: usize,
    /// How long these did.
    pub(crate) idle_seconds: f64,
    /// From their end on, until all rows stood.
    pub(crate) afterwards_seconds: f64,
}
