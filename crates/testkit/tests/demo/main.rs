//! The demo's stories are what a newcomer sees first. The one of sign-ups needs a build of its own and is not run here.

use std::process::Command;

/// Runs the story, and fails unless it ends well. Returns its standard output.
#[track_caller]
fn story(name: &str, end: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).arg(name).output().expect("the demo starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains(end), "{stderr}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_story_of_a_db_instance_ends_well() {
    story("provision", "planned, created, opened, inspected and deleted a DB instance");
}

#[test]
fn the_story_of_a_spilled_sign_up_ends_well() {
    let shown = story("spilled", "Grace has her row, and nobody had to sign in or to repair anything");
    assert!(shown.contains("1 waiting, 0 in flight, 0 delayed"), "{shown}");
}

#[test]
fn the_story_of_missed_sign_ups_ends_well() {
    let shown = story("missed", "both have a row: Mary since her next token, Dorothy since");
    assert!(shown.contains("2 without a row\n") && shown.contains("1 without a row: 1 created\n"), "{shown}");
}
