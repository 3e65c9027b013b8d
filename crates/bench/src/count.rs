//! What the function takes, as far as it can be counted: instructions, and what it exchanges with the database. Another
//! machine and other load change a time; a count they leave as it is.
//!
//! Valgrind makes the function some fifty times slower, which would be a failure of everything that has a time limit. So the
//! function has a clock that goes slower still.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use clap::Args;
use tempfile::TempDir;
use uuid::{Builder, Uuid};

use crate::aws;
use crate::callgrind::{self, Profile};
use crate::candidate::{Candidate, OURS, Settings, Use};
use crate::scene::{Scene, Way};

/// What is counted.
#[derive(Debug, Args)]
pub(crate) struct Count {
    /// The function's release binary, as `make build` makes it
    #[arg(long, value_name = "FILE")]
    function: PathBuf,

    /// Valgrind, which counts
    #[arg(long, value_name = "FILE")]
    valgrind: PathBuf,
}

/// Figures by name, such as `warm_instructions`.
type Counts = BTreeMap<String, u64>;

/// Calls of which a warm one is the average.
const WARM: u64 = 100;

/// Processes that may meet a time limit before the machine counts as too slow.
const TRIES: usize = 5;

/// What one process took until it waited for its next event.
#[derive(Clone, Copy, Debug)]
struct Taken {
    /// Of the program itself: the C library and its loader are the machine's.
    profile: Profile,
    /// Bytes to and from the database, of TCP.
    sent: u64,
    received: u64,
}

/// The clock, in C: what replaces a function of the C library is unsafe in Rust.
const SLOW_CLOCK: &str = include_str!("slow_clock.c");

/// Counts, and prints the figures.
pub(crate) fn run(arguments: &Count) -> anyhow::Result<()> {
    let counts = count(&arguments.function, &arguments.valgrind)?;
    Ok(io::stdout().write_all((serde_json::to_string_pretty(&counts)? + "\n").as_bytes())?)
}

/// Counts a cold start with its first call, and a warm call.
fn count(function: &Path, valgrind: &Path) -> anyhow::Result<Counts> {
    // The profile names it so.
    let function = &function.canonicalize().with_context(|| format!("{} is missing", function.display()))?;
    let scene = Scene::start(aws::SCHEME, "")?;
    let cold = undisturbed(&scene, function, valgrind, 1)?.figures();
    let more = undisturbed(&scene, function, valgrind, 1 + WARM)?.figures();
    let mut counts = Counts::new();
    for ((name, cold), (_, more)) in cold.into_iter().zip(more) {
        counts.insert(format!("cold_{name}"), cold);
        counts.insert(format!("warm_{name}"), more.saturating_sub(cold) / WARM);
    }
    Ok(counts)
}

impl Taken {
    fn figures(self) -> [(&'static str, u64); 4] {
        let Self { profile, sent, received } = self;
        [
            ("instructions", profile.instructions),
            ("allocations", profile.allocations),
            ("bytes_sent", sent),
            ("bytes_received", received),
        ]
    }
}

/// Counts a process that met no time limit.
fn undisturbed(scene: &Scene, function: &Path, valgrind: &Path, calls: u64) -> anyhow::Result<Taken> {
    let mut reasons = Vec::new();
    for _ in 0..TRIES {
        match process(scene, function, valgrind, calls)? {
            Ok(taken) => return Ok(taken),
            Err(reason) => reasons.push(reason),
        }
    }
    bail!("the machine is too slow: a process met its time limits {TRIES} times:\n{}", reasons.join("\n"))
}

/// Counts one process with so many calls; an inner error is the reason why it does not count.
fn process(scene: &Scene, function: &Path, valgrind: &Path, calls: u64) -> anyhow::Result<Result<Taken, String>> {
    let directory = TempDir::with_prefix("callgrind-")?;
    let profile = directory.path().join("profile");
    let candidate = Candidate {
        name: OURS,
        label: "the function under Valgrind",
        program: valgrind.to_owned(),
        arguments: vec![
            "--tool=callgrind".to_owned(),
            "--compress-strings=no".to_owned(),
            "--compress-pos=no".to_owned(),
            format!("--callgrind-out-file={}", profile.display()),
            function.to_string_lossy().into_owned(),
        ],
        environment: vec![("LD_PRELOAD", slow_clock(directory.path())?.to_string_lossy().into_owned())],
        package: None,
        database: Use::Kept,
        settings: Settings::Server,
    };
    let database = scene.database(OURS)?;
    let (connections, before) = (scene.relay.connections(), scene.relay.bytes());
    let mut process = scene.launch(&candidate, &database, Way::Relay, None)?;
    // An event that comes while it still connects is another way through the program.
    process.until_idle()?;
    for number in 0..calls {
        process.invoke(scene.event_of(user(number)))?;
        process.until_asked()?;
    }
    process.until_idle()?;
    let (connections, after) = (scene.relay.connections() - connections, scene.relay.bytes());
    let log = process.log()?;
    process.end()?;
    scene.expect_rows(&candidate, &database, i64::try_from(calls)?)?;
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains(r#""level":"WARN""#)).collect();
    if connections != 1 || !warnings.is_empty() {
        return Ok(Err(format!("{connections} connections, and these warnings: {warnings:?}")));
    }
    let profile =
        fs::read_to_string(&profile).with_context(|| format!("Valgrind wrote no profile; the log:\n{log}"))?;
    let profile = callgrind::read(&profile, &function.to_string_lossy());
    ensure!(profile.instructions > 0, "the profile has nothing of {}", function.display());
    Ok(Ok(Taken { profile, sent: after.0 - before.0, received: after.1 - before.1 }))
}

/// The same users in each process: some take more work than others.
fn user(number: u64) -> Uuid {
    // Of the golden ratio: its multiples have all bits in motion.
    let bits = u128::from(number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
}

/// Compiles the clock.
fn slow_clock(directory: &Path) -> anyhow::Result<PathBuf> {
    let (source, library) = (directory.join("slow_clock.c"), directory.join("slow_clock.so"));
    fs::write(&source, SLOW_CLOCK)?;
    let output = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).output();
    let output = output.context("cannot start the C compiler cc")?;
    ensure!(output.status.success(), "the clock does not compile: {}", String::from_utf8_lossy(&output.stderr));
    Ok(library)
}
