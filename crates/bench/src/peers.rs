//! `bench peers`: the function beside what others would write, each in its turn.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;

use crate::aws::{self, Scheme};
use crate::floor::Floors;
use crate::results::Results;
use crate::run::{Extent, Turn};
use crate::scene::Scene;
use crate::share::Share;
use crate::{Output, TOP, candidate, document, machine, say, show, table};

/// What is measured, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct Peers {
    /// The function's release binary, as `make build` makes it
    #[arg(long, value_name = "FILE")]
    function: PathBuf,

    /// The directory of the functions no-op and statement, as `infra/dev/build.sh ARCHITECTURE plain` builds them; they are
    /// left out without it
    #[arg(long, value_name = "DIRECTORY")]
    plain: Option<PathBuf>,

    /// Only these, by name, such as ours,go; all without it
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,

    /// One round of everything, to see that it runs
    #[arg(long)]
    quick: bool,

    /// Only the CPU shares of these memory sizes, in MB
    #[arg(long, value_name = "SIZES", value_delimiter = ',')]
    memory: Option<Vec<u32>>,

    /// How functions reach AWS
    #[arg(long, default_value_t = aws::SCHEME, value_enum)]
    aws: Scheme,

    /// What is written to standard output
    #[arg(long, default_value = "text")]
    output: Output,

    /// Write docs/benchmarks/results.json, and from it the chart and the tables in the documents
    #[arg(long)]
    docs: bool,
}

/// Measures, and shows what was found.
pub(crate) fn run(arguments: &Peers) -> anyhow::Result<()> {
    let results = measure(arguments)?;
    show(arguments.output, &table::all(&results), &results)?;
    if arguments.docs {
        document::write(&results)?;
    }
    Ok(())
}

fn measure(arguments: &Peers) -> anyhow::Result<Results> {
    let mut extent = if arguments.quick { Extent::quick() } else { Extent::full() };
    if let Some(sizes) = &arguments.memory {
        extent.memory_sizes.clone_from(sizes);
    }
    let peers = Path::new(TOP).join(".tools/peers");
    let (mut candidates, mut left_out) = candidate::find(&arguments.function, arguments.plain.as_deref(), &peers);
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
    let scene = Scene::start(arguments.aws, "")?;
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
    Ok(Results {
        date: machine::today(),
        machine: machine::describe(&scene.server, load),
        aws: format!("{:?}", arguments.aws).to_lowercase(),
        candidates,
        floors: floors.map(|floors| floors.results()).unwrap_or_default(),
        left_out,
        no_shares,
    })
}
