//! `bench scale`: more processes at once than the server has connections, and a burst of sign-ups.
//!
//! In each [`scenario`] a [`crowd`] of processes is started at once at its [`place`]. Then the [`mapping`] empties the
//! [queue](crate::queue), and the [`account`] must balance.

mod account;
mod crowd;
mod mapping;
mod place;
pub(crate) mod results;
mod scenario;
pub(crate) mod table;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use rustix::process::{Resource, getrlimit, setrlimit};

use self::crowd::{Call, Crowd, Number, Wave};
use self::place::Place;
use self::results::{Outcome, Replay, Results};
use self::scenario::{Extent, Scenario};
use crate::candidate::{self, Candidate};
use crate::scene::Scene;
use crate::{Output, aws, document, machine, say, show};

/// What is measured, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// The function's release binary, as `make build` makes it
    #[arg(long, value_name = "FILE")]
    function: PathBuf,

    /// Only these scenarios: many, queueless, few, pooled, backlog; all without it
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,

    /// Processes where there are more than connections
    #[arg(long, value_name = "NUMBER")]
    processes: Option<usize>,

    /// A few processes and sign-ups, to see that it runs
    #[arg(long)]
    quick: bool,

    /// What is written to standard output
    #[arg(long, default_value = "text")]
    output: Output,

    /// Write docs/benchmarks/scale.json, and from it the tables in docs/scaling.md
    #[arg(long)]
    docs: bool,
}

/// Measures, and shows what was found.
pub(crate) fn run(arguments: &Scale) -> anyhow::Result<()> {
    let results = measure(arguments)?;
    show(arguments.output, &table::all(&results), &results)?;
    if arguments.docs {
        document::write_scale(&results)?;
    }
    Ok(())
}

fn measure(arguments: &Scale) -> anyhow::Result<Results> {
    let mut extent = if arguments.quick { Extent::quick() } else { Extent::full() };
    extent.many = arguments.processes.unwrap_or(extent.many);
    let mut scenarios = extent.scenarios().to_vec();
    if !arguments.only.is_empty() {
        scenarios.retain(|scenario| arguments.only.iter().any(|name| name == scenario.name));
    }
    ensure!(!scenarios.is_empty(), "no scenario has this name");
    allow_many_files()?;
    let load = machine::load();
    let candidate = candidate::ours(&arguments.function);
    let configuration = format!("max_connections = {}\n", extent.connections);
    let scene = Scene::start(aws::SCHEME, &configuration)?;
    let mut outcomes = Vec::new();
    for scenario in &scenarios {
        say(&format!("{}: {} processes", scenario.name, scenario.processes));
        let outcome = meet(&scene, &candidate, scenario, &extent);
        outcomes.push(outcome.with_context(|| format!("the scenario {}", scenario.name))?);
    }
    Ok(Results {
        date: machine::today(),
        machine: machine::describe(&scene.server, load),
        max_connections: extent.connections,
        replays: mapping::CONCURRENCY,
        scenarios: outcomes,
    })
}

/// Runs one scenario.
fn meet(scene: &Scene, candidate: &Candidate, scenario: &Scenario, extent: &Extent) -> anyhow::Result<Outcome> {
    let place = Place::new(scene, candidate, scenario, extent.time_limit)?;
    let refused = refusals(scene)?;
    let work = || {
        let mut calls = Vec::new();
        let mut keep = |wave: Wave| {
            let phase = account::phase(&wave, &place.queue);
            calls.extend(wave.calls);
            phase
        };
        let (mut crowd, wave) = Crowd::start(&place, scenario.processes)?;
        let cold = keep(wave)?;
        let mut further = |number: Number, is_meant: bool| {
            if is_meant { keep(crowd.sign_up(number)?).map(Some) } else { Ok(None) }
        };
        let warm = further(Number::Each(extent.warm), extent.warm > 0)?;
        let burst = further(Number::All(extent.burst), scenario.has_burst)?;
        let peak_kibibytes = crowd.peak_kibibytes()?;
        for _ in 0..scenario.backlog {
            let (user, event) = scene.sign_up();
            place.queue.put(event)?;
            calls.push(Call { user, taken: Duration::ZERO, error: None });
        }
        let messages = place.queue.sent();
        // With connections left, there is no reason to end the idle processes.
        let idle = if scenario.backlog > 0 { mapping::HANG_LIMIT } else { extent.idle };
        let emptied = mapping::empty(&place, crowd, idle)?;
        let replay = Replay {
            messages,
            beside_idle: emptied.beside_idle,
            idle_seconds: account::rounded(emptied.idle),
            afterwards_seconds: account::rounded(emptied.afterwards),
        };
        Ok((calls, [Some(cold), warm, burst], peak_kibibytes, replay))
    };
    let ((calls, [cold, warm, burst], peak_kibibytes, replay), most_sessions) =
        watch::during(scene, &place.role, work)?;
    let rows = place.rows()?;
    account::balance(&calls, &rows)?;
    ensure!(place.queue.dead() == 0, "{} sign-ups are among the dead letters", place.queue.dead());
    Ok(Outcome {
        name: scenario.name.to_owned(),
        processes: scenario.processes,
        pool: scenario.pool,
        has_queue: scenario.has_queue,
        cold,
        warm,
        burst,
        backlog: scenario.backlog,
        sign_ups: calls.len(),
        rows: rows.len(),
        causes: place.queue.causes(),
        errors: account::errors(&calls),
        most_sessions,
        refused: refusals(scene)? - refused,
        peak_kibibytes,
        replay: Some(replay).filter(|replay| replay.messages > 0),
    })
}

/// How many connections the server has refused so far because it had none left.
fn refusals(scene: &Scene) -> anyhow::Result<usize> {
    // Of a role that is no superuser, and of any.
    let messages = ["FATAL:  remaining connection slots are reserved", "FATAL:  sorry, too many clients already"];
    let log = scene.server.log()?;
    Ok(log.lines().filter(|line| messages.iter().any(|message| line.contains(message))).count())
}

/// Hundreds of processes have some connections each to this one, and many systems permit 1,024 files at first.
fn allow_many_files() -> anyhow::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
