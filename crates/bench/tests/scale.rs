//! A few processes for fewer connections, from their start to the rows.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Runs a scenario with the function that was built along with the tests of the workspace.
fn scenario(name: &str) -> Value {
    let bench = Path::new(env!("CARGO_BIN_EXE_bench"));
    let function = bench.with_file_name("post-confirmation");
    assert!(function.exists(), "expected the function beside {}: test the whole workspace", bench.display());
    let mut command = Command::new(bench);
    command.args(["scale", "--quick", "--only", name, "--output", "json", "--function"]).arg(function);
    let output = command.output().expect("bench runs");
    // It fails where a sign-up that was answered has no row, or a row stands twice.
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    results["scenarios"][0].clone()
}

/// How many people saw an error. None does but where the machine is so busy that even the queue is late.
fn errors(outcome: &Value) -> u64 {
    let errors = outcome["errors"].as_object().expect("errors by their types");
    errors.values().map(|number| number.as_u64().expect("a number")).sum()
}

#[test]
fn more_processes_than_connections_lose_no_sign_up_where_there_is_a_queue() {
    let outcome = scenario("many");
    assert_eq!(outcome["sign_ups"], 46, "each process has one, and all together have 40: {outcome}");
    let rows = outcome["rows"].as_u64().expect("a number");
    assert!(rows + errors(&outcome) >= 46, "expected a row for each sign-up that was answered: {outcome}");
    assert!(outcome["replay"]["messages"].as_u64() > Some(0), "expected that some are spilled: {outcome}");
    assert!(outcome["most_sessions"].as_u64() < Some(6), "expected fewer connections than processes: {outcome}");
}

#[test]
fn a_backlog_is_replayed_beside_processes_that_keep_their_connections() {
    let outcome = scenario("backlog");
    assert_eq!((&outcome["sign_ups"], &outcome["rows"]), (&42.into(), &42.into()), "{outcome}");
    assert_eq!(outcome["replay"]["messages"], 40, "{outcome}");
}
