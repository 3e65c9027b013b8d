//! A run: every candidate takes its turn in every round, so that what else the machine does falls on all of them.

use std::time::{Duration, Instant};

use anyhow::ensure;
use testkit::TestDatabase;

use crate::candidate::{Candidate, Settings, Use};
use crate::process::Process;
use crate::results::{Delayed, Figures, Shared, Steps};
use crate::scene::{Scene, Way};
use crate::share::{MEMORY_SIZES, Share};
use crate::spread::Series;

/// What is added to a round trip to the database: nothing, the same zone, another zone.
const DELAYS: [Duration; 2] = [Duration::from_micros(500), Duration::from_millis(2)];

/// How much of everything there is.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    /// Rounds, each with all candidates.
    pub(crate) rounds: usize,
    /// Cold starts of a round at most.
    pub(crate) starts: usize,
    /// Warm calls of a round.
    pub(crate) warm: usize,
    /// Rounds in which the relay is in the way.
    pub(crate) relayed: usize,
    /// Rounds in which a candidate starts at each CPU share, if its starts together do not take longer than `patience`.
    pub(crate) shared: usize,
    pub(crate) patience: Duration,
    pub(crate) memory_sizes: Vec<u32>,
}

impl Extent {
    /// Starts at a CPU share that even the slowest candidate has.
    const AT_LEAST: usize = 3;

    /// What the figures in the documents are made of.
    pub(crate) fn full() -> Self {
        let (memory_sizes, patience) = (MEMORY_SIZES.to_vec(), Duration::from_secs(5));
        Self { rounds: 12, starts: 5, warm: 200, relayed: 6, shared: 10, patience, memory_sizes }
    }

    /// Whether it runs at all, in seconds.
    pub(crate) fn quick() -> Self {
        let (memory_sizes, patience) = (vec![MEMORY_SIZES[0]], Duration::ZERO);
        Self { rounds: 1, starts: 1, warm: 20, relayed: 1, shared: 1, patience, memory_sizes }
    }
}

/// Warm calls at a CPU share, and with the relay in the way.
const FEW: usize = 20;

/// Calls before those, in which the server plans each statement of a new session anew.
const SETTLING: usize = 10;

/// How long a candidate may go on to start in its turn.
const STARTING: Duration = Duration::from_millis(100);

/// Calls of a process before its warm ones are measured: caches, and the compilers of scripting languages.
const WARM_UP: usize = 100;

/// One candidate, and what was measured of it.
pub(crate) struct Turn<'a> {
    pub(crate) candidate: &'a Candidate,
    scene: &'a Scene,
    database: TestDatabase,
    /// It lives as long as the run.
    kept: Process,
    calls: i64,
    measured: Measured,
}

#[derive(Default)]
struct Measured {
    cold: Series,
    warm: Series,
    reconnect: Series,
    cpu_cold: Series,
    cpu_warm: Series,
    round_trips_cold: Series,
    round_trips_warm: Series,
    to_secret: Series,
    to_database: Series,
    to_answer: Series,
    delayed: [(Series, Series); DELAYS.len()],
    shares: [ShareSeries; MEMORY_SIZES.len()],
}

#[derive(Default)]
struct ShareSeries {
    cold: Series,
    warm: Series,
    reconnect: Series,
    spent: Duration,
}

impl<'a> Turn<'a> {
    /// Starts the process that lives as long as the run.
    pub(crate) fn new(candidate: &'a Candidate, scene: &'a Scene) -> anyhow::Result<Self> {
        let database = scene.database(candidate.name)?;
        let kept = scene.launch(candidate, &database, Way::Direct, None)?;
        let mut turn = Self { candidate, scene, database, kept, calls: 0, measured: Measured::default() };
        for _ in 0..WARM_UP {
            turn.calls += 1;
            turn.kept.invoke(scene.event())?;
        }
        Ok(turn)
    }

    /// Cold starts, warm calls, and a reconnect, with nothing between the candidate and the server.
    pub(crate) fn direct(&mut self, starts: usize, warm: usize) -> anyhow::Result<()> {
        let begun = Instant::now();
        for _ in 0..starts {
            let mut process = self.scene.launch(self.candidate, &self.database, Way::Direct, None)?;
            self.calls += 1;
            let answer = process.invoke(self.scene.event())?;
            self.measured.cpu_cold.push_time(process.cpu_time()?);
            self.measured.cold.push_time(answer.received - process.started());
            if begun.elapsed() > STARTING {
                break;
            }
        }

        let before = self.kept.cpu_time()?;
        for _ in 0..warm {
            self.calls += 1;
            self.measured.warm.push_time(self.kept.invoke(self.scene.event())?.taken());
        }
        let each = self.kept.cpu_time()?.saturating_sub(before).div_f64(u32::try_from(warm)?.into());
        self.measured.cpu_warm.push_time(each);
        if self.candidate.database == Use::Kept {
            self.scene.cut(&self.kept, &self.database)?;
            self.calls += 1;
            self.measured.reconnect.push_time(self.kept.invoke(self.scene.event())?.taken());
        }
        Ok(())
    }

    /// Cold starts and warm calls through the relay: counted, then with each delay.
    pub(crate) fn relayed(&mut self) -> anyhow::Result<()> {
        if self.candidate.database == Use::None || self.candidate.settings == Settings::Gateway {
            return Ok(());
        }
        let (scene, relay) = (self.scene, &self.scene.relay);
        scene.aws.forget();
        relay.forget();
        let round_trips = relay.round_trips();
        let mut process = scene.launch(self.candidate, &self.database, Way::Relay, None)?;
        self.calls += 1;
        let answer = process.invoke(scene.event())?;
        self.measured.round_trips_cold.push((relay.round_trips() - round_trips).into());
        let mut reached = process.started();
        if let Some(at) = scene.aws.first_connection() {
            self.measured.to_secret.push_time(at - reached);
            reached = at;
        }
        if let Some(at) = relay.first_connection() {
            self.measured.to_database.push_time(at.saturating_duration_since(reached));
            reached = at;
        }
        self.measured.to_answer.push_time(answer.received - reached);
        let round_trips = relay.round_trips();
        for _ in 0..FEW {
            self.calls += 1;
            process.invoke(scene.event())?;
        }
        let each = f64::from(relay.round_trips() - round_trips) / f64::from(u32::try_from(FEW)?);
        self.measured.round_trips_warm.push(each);
        drop(process);

        let calls = self.few();
        for (place, delay) in DELAYS.into_iter().enumerate() {
            relay.delay(delay);
            let mut process = scene.launch(self.candidate, &self.database, Way::Relay, None)?;
            self.calls += 1;
            let answer = process.invoke(scene.event())?;
            let (cold, warm) = &mut self.measured.delayed[place];
            cold.push_time(answer.received - process.started());
            for number in 0..calls {
                self.calls += 1;
                let taken = process.invoke(scene.event())?.taken();
                if number >= calls - FEW {
                    warm.push_time(taken);
                }
            }
        }
        relay.delay(Duration::ZERO);
        Ok(())
    }

    /// A start, warm calls and a reconnect at each CPU share that the candidate has had enough of not yet.
    pub(crate) fn shared(&mut self, share: &Share, extent: &Extent) -> anyhow::Result<()> {
        let calls = self.few();
        for (place, memory) in MEMORY_SIZES.into_iter().enumerate() {
            let series = &mut self.measured.shares[place];
            let is_enough = series.cold.number() >= Extent::AT_LEAST && series.spent >= extent.patience;
            if is_enough || !extent.memory_sizes.contains(&memory) {
                continue;
            }
            share.resize(memory)?;
            let begun = Instant::now();
            let mut process = self.scene.launch(self.candidate, &self.database, Way::Direct, Some(share))?;
            self.calls += 1;
            let answer = process.invoke(self.scene.event())?;
            series.cold.push_time(answer.received - process.started());
            series.spent += begun.elapsed();
            for number in 0..calls {
                self.calls += 1;
                let taken = process.invoke(self.scene.event())?.taken();
                if number >= calls - FEW {
                    series.warm.push_time(taken);
                }
            }
            if self.candidate.database == Use::Kept {
                self.scene.cut(&process, &self.database)?;
                self.calls += 1;
                series.reconnect.push_time(process.invoke(self.scene.event())?.taken());
            }
        }
        Ok(())
    }

    /// Warm calls of a process that does not live long, of which the last [`FEW`] count.
    fn few(&self) -> usize {
        if matches!(self.candidate.database, Use::Kept | Use::KeptOnce) { SETTLING + FEW } else { FEW }
    }

    /// What was measured, once every call is known to have written its row.
    pub(crate) fn end(self) -> anyhow::Result<Figures> {
        self.scene.expect_rows(self.candidate, &self.database, self.calls)?;
        let is_asked = self.candidate.settings != Settings::ServerAndQueue || self.scene.queue.checks() > 0;
        ensure!(is_asked, "{}: expected requests for the attributes of the queue", self.candidate.label);
        let measured = self.measured;
        let median = |series: &Series| series.spread().map(|spread| spread.median);
        let steps = median(&measured.to_answer).map(|to_answer| Steps {
            to_secret: median(&measured.to_secret),
            to_database: median(&measured.to_database),
            to_answer,
        });
        let delayed = DELAYS.into_iter().zip(&measured.delayed).filter(|(_, (cold, _))| cold.number() > 0);
        let shares = MEMORY_SIZES.into_iter().zip(&measured.shares).filter(|(_, share)| share.cold.number() > 0);
        Ok(Figures {
            name: self.candidate.name.to_owned(),
            label: self.candidate.label.to_owned(),
            cold: measured.cold.spread(),
            steps,
            warm: measured.warm.spread(),
            reconnect: measured.reconnect.spread(),
            cpu_cold: measured.cpu_cold.spread(),
            cpu_warm: measured.cpu_warm.spread(),
            round_trips_cold: measured.round_trips_cold.spread(),
            round_trips_warm: measured.round_trips_warm.spread(),
            peak_kibibytes: self.kept.peak_kibibytes().ok(),
            package_bytes: self.candidate.package_bytes(),
            delayed: delayed
                .map(|(delay, (cold, warm))| Delayed {
                    delay: delay.as_secs_f64() * 1000.0,
                    cold: cold.spread(),
                    warm: warm.spread(),
                })
                .collect(),
            shares: shares
                .map(|(memory, series)| Shared {
                    memory,
                    cold: series.cold.spread(),
                    warm: series.warm.spread(),
                    reconnect: series.reconnect.spread(),
                })
                .collect(),
        })
    }
}
