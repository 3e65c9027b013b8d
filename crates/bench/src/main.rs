//! Measures the function beside what others would write, as processes on the same stand-ins: `make bench`.
//!
//! A [`candidate`] meets the [`scene`]: a Lambda [`runtime`] API, [`secrets`] and PostgreSQL. In a [`run`] each takes its
//! turn, and the [`floor`] is what the server takes alone. The [`results`] are kept as JSON, from which [`table`] and
//! [`chart`] make what the documents show. A [`count`] is no measurement: it fails a test when the function takes more.

mod callgrind;
mod candidate;
mod chart;
mod count;
mod document;
mod floor;
mod http;
mod machine;
mod process;
mod relay;
mod results;
mod run;
mod runtime;
mod scene;
mod secrets;
mod share;
mod spread;
mod table;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};

use crate::floor::Floors;
use crate::results::Results;
use crate::run::{Extent, Turn};
use crate::scene::Scene;
use crate::secrets::Scheme;
use crate::share::Share;

/// The repository.
const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Measure the function beside its peers
#[derive(Debug, Parser)]
struct Arguments {
    /// The function's release binary, as `make build` makes it
    #[arg(long, value_name = "FILE")]
    function: PathBuf,

    /// The release binary of the function that does nothing
    #[arg(long, value_name = "FILE", required_unless_present = "count_with")]
    no_op: Option<PathBuf>,

    /// Measure nothing: print as JSON what the function takes, counted by this Valgrind
    #[arg(long, value_name = "VALGRIND")]
    count_with: Option<PathBuf>,

    /// Only these, by name, such as ours,go; all without it
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,

    /// One round of everything, to see that it runs
    #[arg(long)]
    quick: bool,

    /// Only the CPU shares of these memory sizes, in MB
    #[arg(long, value_name = "SIZES", value_delimiter = ',')]
    memory: Option<Vec<u32>>,

    /// How functions reach Secrets Manager
    #[arg(long, default_value_t = secrets::SCHEME, value_enum)]
    secrets: Scheme,

    /// What is written to standard output
    #[arg(long, default_value = "text")]
    output: Output,

    /// Write docs/benchmarks/results.json, and from it the chart and the tables in docs/benchmarks.md
    #[arg(long)]
    docs: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(valgrind) = &arguments.count_with {
        let counts = count::count(&arguments.function, valgrind)?;
        io::stdout().write_all((serde_json::to_string_pretty(&counts)? + "\n").as_bytes())?;
        return Ok(());
    }
    let results = measure(&arguments)?;
    let text = match arguments.output {
        Output::Text => table::all(&results),
        Output::Json => serde_json::to_string_pretty(&results)? + "\n",
    };
    io::stdout().write_all(text.as_bytes())?;
    if arguments.docs {
        document::write(&results)?;
    }
    Ok(())
}

fn measure(arguments: &Arguments) -> anyhow::Result<Results> {
    let mut extent = if arguments.quick { Extent::quick() } else { Extent::full() };
    if let Some(sizes) = &arguments.memory {
        extent.memory_sizes.clone_from(sizes);
    }
    let peers = PathBuf::from(TOP).join(".tools/peers");
    let no_op = arguments.no_op.clone().unwrap_or_default();
    let (mut candidates, mut left_out) = candidate::find(&arguments.function, &no_op, &peers);
    if !arguments.only.is_empty() {
        candidates.retain(|candidate| arguments.only.iter().any(|name| name == candidate.name));
        left_out.clear();
    }
    ensure!(!candidates.is_empty(), "no candidate is here: run infra/dev/peers.sh, or name one that is");
    for missing in &left_out {
        say(&format!("left out: {}: {}", missing.label, missing.reason));
    }
    let (share, no_shares) = match Share::new() {
        Ok(share) => (Some(share), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    if let Some(reason) = &no_shares {
        say(&format!("no CPU shares: {reason}"));
    }
    let load = machine::load();
    let scene = Scene::start(arguments.secrets)?;
    let mut floors = Floors::new(&scene.server, scene.database("pgbench")?)?;
    let mut turns = Vec::new();
    for candidate in &candidates {
        turns.push(Turn::new(candidate, &scene)?);
    }
    for round in 0..extent.rounds {
        say(&format!("round {} of {}", round + 1, extent.rounds));
        for turn in &mut turns {
            turn.direct(extent.starts, extent.warm)?;
            if round < extent.relayed {
                turn.relayed()?;
            }
        }
        if let Some(floors) = &mut floors {
            floors.measure(extent.warm / 10, extent.warm)?;
        }
        if let Some(share) = share.as_ref().filter(|_| round < extent.shared) {
            for turn in &mut turns {
                turn.shared(share, &extent).with_context(|| format!("{} at a CPU share", turn.candidate.label))?;
            }
        }
    }
    let candidates = turns.into_iter().map(Turn::end).collect::<anyhow::Result<_>>()?;
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    Ok(Results {
        date: date.split('T').next().unwrap_or_default().to_owned(),
        machine: machine::describe(&scene.server, load),
        secrets: format!("{:?}", arguments.secrets).to_lowercase(),
        candidates,
        floors: floors.map(|floors| floors.results()).unwrap_or_default(),
        left_out,
        no_shares,
    })
}

/// Progress, beside the figures.
fn say(text: &str) {
    // A terminal that is gone needs none.
    let _ = writeln!(io::stderr(), "bench: {text}");
}
