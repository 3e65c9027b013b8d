//! The demo's stories are what a newcomer sees first. The one of sign-ups needs a build of its own and is not run here.
//!
//! Two of them are recorded in `docs/demo.svg`; `make recording` writes it.

mod recording;

use std::io::{self, Read};
use std::process::Command;
use std::sync::LazyLock;
use std::{env, fs};

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/demo.svg");

// Each story runs once, for its own test and for the recording.
static SPILLED: LazyLock<String> =
    LazyLock::new(|| story("spilled", "Grace has her row, and nobody had to sign in or to repair anything"));
static MISSED: LazyLock<String> =
    LazyLock::new(|| story("missed", "both have a row: Mary since her next token, Dorothy since"));

/// Runs the story, and fails unless it ends well. Returns what a terminal shows of it: standard output and standard
/// error, in their order.
fn story(name: &str, end: &str) -> String {
    let (mut terminal, writer) = io::pipe().expect("a pipe");
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.arg(name).stdout(writer.try_clone().expect("a second end")).stderr(writer);
    let mut demo = command.spawn().expect("the demo starts");
    // It holds ends of the pipe, which would never be at its end.
    drop(command);
    let mut shown = String::new();
    terminal.read_to_string(&mut shown).expect("UTF-8");
    let status = demo.wait().expect("the demo ends");
    assert!(status.success(), "{status}: {shown}");
    assert!(shown.contains(end), "expected {end:?} in: {shown}");
    shown
}

#[test]
fn the_story_of_a_db_instance_ends_well() {
    story("provision", "planned, created, opened, inspected and deleted a DB instance");
}

#[test]
fn the_story_of_a_spilled_sign_up_ends_well() {
    assert!(SPILLED.contains("1 waiting, 0 in flight, 0 delayed"), "{}", *SPILLED);
}

#[test]
fn the_story_of_missed_sign_ups_ends_well() {
    assert!(MISSED.contains("2 without a row\n") && MISSED.contains("1 without a row: 1 created\n"), "{}", *MISSED);
}

#[test]
fn the_recording_shows_what_the_stories_print() {
    let printed = format!("$ target/debug/demo spilled\n{}\n$ target/debug/demo missed\n{}", *SPILLED, *MISSED);
    let written = fs::read_to_string(RECORDING).unwrap_or_default();
    let recorded = recording::session(&written).unwrap_or_default();
    let (then, now) = (recording::without_ids_and_times(&recorded), recording::without_ids_and_times(&printed));
    let is_drawn = recording::svg(&recorded) == written;
    // A recording that differs in ids and times alone is kept as it is.
    if env::var_os("UPDATE_RECORDING").is_some() {
        if then != now || !is_drawn {
            fs::write(RECORDING, recording::svg(&printed)).expect("the recording is writable");
        }
        return;
    }
    let differing = then.lines().zip(now.lines()).find(|(then, now)| then != now);
    assert!(
        then == now,
        "docs/demo.svg is stale: run `make recording` and commit it; the first line that differs: {differing:?}"
    );
    assert!(is_drawn, "docs/demo.svg is not drawn as recording.rs draws it: run `make recording` and commit it");
}
