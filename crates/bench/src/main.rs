//! Measures the function, as processes on stand-ins for AWS and a real PostgreSQL.
//!
//! `bench` has three commands. [`peers`] measures it beside what others would write: `make bench`. There a [`candidate`] meets the
//! [`scene`]: a Lambda [`runtime`] API, [`aws`] and PostgreSQL. In a [`run`] each takes its turn, and the [`floor`] is what
//! the server takes alone. [`scale`] measures many processes of it at once: `make bench-scale`. What was found is kept as
//! JSON, from which a [`document`]'s tables are made. A [`count`] is no measurement: it fails a test when the function takes
//! more.

mod aim;
mod aws;
mod callgrind;
mod candidate;
mod capacity;
mod chart;
mod count;
mod document;
mod floor;
mod http;
mod machine;
mod peers;
mod process;
mod queue;
mod relay;
mod results;
mod run;
mod runtime;
mod scale;
mod scene;
mod share;
mod spread;
mod table;

use std::io::{self, Write};

use clap::{Parser, ValueEnum};
use serde::Serialize;

/// The repository.
const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Measure the function on stand-ins for AWS and a real PostgreSQL
#[derive(Debug, Parser)]
enum Command {
    /// Measure the function beside its peers
    Peers(peers::Peers),
    /// Count what the function takes, and print it as JSON
    Count(count::Count),
    /// Measure more processes at once than the server has connections, and a burst of sign-ups
    Scale(scale::Scale),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Peers(arguments) => peers::run(&arguments),
        Command::Count(arguments) => count::run(&arguments),
        Command::Scale(arguments) => scale::run(&arguments),
    }
}

/// Writes what was found to standard output.
fn show(output: Output, tables: &str, results: &impl Serialize) -> anyhow::Result<()> {
    let text = match output {
        Output::Text => tables.to_owned(),
        Output::Json => serde_json::to_string_pretty(results)? + "\n",
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// Progress, beside the figures.
fn say(text: &str) {
    // A terminal that is gone needs none.
    let _ = writeln!(io::stderr(), "bench: {text}");
}
