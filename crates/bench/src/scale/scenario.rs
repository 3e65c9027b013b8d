//! The scenarios: how many processes there are, and what is between them and the server.

use std::time::Duration;

/// A crowd of processes, and the way to the database.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) processes: usize,
    /// Connections of PgBouncer to the server, if it is between.
    pub(crate) pool: Option<u32>,
    pub(crate) has_queue: bool,
    /// Whether it has the burst as well.
    pub(crate) has_burst: bool,
    /// Sign-ups that were spilled before, and wait for the replay.
    pub(crate) backlog: usize,
}

/// How much of everything there is.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    /// The server's `max_connections`.
    pub(crate) connections: u32,
    /// Processes: more than that, and fewer.
    pub(crate) many: usize,
    pub(crate) few: usize,
    /// Connections of PgBouncer to the server.
    pub(crate) pool: u32,
    /// Warm sign-ups of each process.
    pub(crate) warm: usize,
    /// Sign-ups of the burst, of all processes together, and those that were spilled before where there are any.
    pub(crate) burst: usize,
    /// The function's time limit in Lambda.
    pub(crate) time_limit: Duration,
    /// How long the processes stay idle while the replay begins.
    pub(crate) idle: Duration,
}

impl Extent {
    /// What the figures in the documents are made of.
    pub(crate) fn full() -> Self {
        let (time_limit, idle) = (crate::runtime::TIME_LIMIT, Duration::from_secs(5));
        Self { connections: 100, many: 200, few: 80, pool: 40, warm: 5, burst: 10_000, time_limit, idle }
    }

    /// Whether it runs at all, in seconds. Of these connections a role gets four: some of the many are refused, which takes each
    /// most of its time limit, and the few leave two for the replay.
    pub(crate) fn quick() -> Self {
        let (time_limit, idle) = (Duration::from_secs(4), Duration::from_millis(500));
        Self { connections: 8, many: 6, few: 2, pool: 2, warm: 0, burst: 40, time_limit, idle }
    }

    /// All scenarios, in the order of the tables.
    pub(crate) fn scenarios(&self) -> [Scenario; 5] {
        let (processes, backlog) = (self.many, 0);
        let many = |name| Scenario { name, processes, pool: None, has_queue: true, has_burst: true, backlog };
        [
            many("many"),
            Scenario { has_queue: false, has_burst: false, ..many("queueless") },
            Scenario { processes: self.few, ..many("few") },
            Scenario { pool: Some(self.pool), ..many("pooled") },
            Scenario { processes: self.few, has_burst: false, backlog: self.burst, ..many("backlog") },
        ]
    }
}
