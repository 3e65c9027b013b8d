//! What a run has found, as it is kept in `docs/benchmarks/results.json`.

use serde::{Deserialize, Serialize};

use crate::candidate::{LeftOut, OURS};
use crate::spread::Spread;

/// One run. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// The day, UTC.
    pub(crate) date: String,
    pub(crate) machine: Machine,
    /// How a function reached AWS.
    pub(crate) aws: String,
    pub(crate) candidates: Vec<Figures>,
    pub(crate) floors: Vec<Floor>,
    pub(crate) left_out: Vec<LeftOut>,
    /// Why no CPU share was measured.
    pub(crate) no_shares: Option<String>,
}

/// Where it was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) postgresql: String,
    /// Processes that ran or waited, on average of the last minute, at the start and at the end.
    pub(crate) load: [f64; 2],
}

/// What one candidate took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) cold: Option<Spread>,
    pub(crate) steps: Option<Steps>,
    pub(crate) warm: Option<Spread>,
    pub(crate) reconnect: Option<Spread>,
    pub(crate) cpu_cold: Option<Spread>,
    /// Of one call, on average of many.
    pub(crate) cpu_warm: Option<Spread>,
    pub(crate) round_trips_cold: Option<Spread>,
    pub(crate) round_trips_warm: Option<Spread>,
    pub(crate) peak_kibibytes: Option<u64>,
    pub(crate) package_bytes: Option<u64>,
    pub(crate) delayed: Vec<Delayed>,
    pub(crate) shares: Vec<Shared>,
}

/// The medians of a cold start's parts, through the relay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Steps {
    /// From the start to the first connection to Secrets Manager.
    pub(crate) to_secret: Option<f64>,
    /// From there to the first one to the database.
    pub(crate) to_database: Option<f64>,
    /// From there to the answer.
    pub(crate) to_answer: f64,
}

/// What it took with a database further away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Delayed {
    /// What is added to a round trip.
    pub(crate) delay: f64,
    pub(crate) cold: Option<Spread>,
    pub(crate) warm: Option<Spread>,
}

/// What it took at the CPU share of a function of this memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shared {
    /// In MB.
    pub(crate) memory: u32,
    pub(crate) cold: Option<Spread>,
    pub(crate) warm: Option<Spread>,
    pub(crate) reconnect: Option<Spread>,
}

/// What libpq and the server alone take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Floor {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) time: Option<Spread>,
}

impl Results {
    /// This project's function, to which the ratios are.
    pub(crate) fn ours(&self) -> Option<&Figures> {
        self.candidates.iter().find(|candidate| candidate.name == OURS)
    }
}

impl Figures {
    /// What it took at the share of a function of this memory.
    pub(crate) fn share(&self, memory: u32) -> Option<&Shared> {
        self.shares.iter().find(|share| share.memory == memory)
    }
}
