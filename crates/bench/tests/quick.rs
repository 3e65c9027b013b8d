//! A short run, from the candidates' start to the figures.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn a_quick_run_measures_the_function() {
    let bench = Path::new(env!("CARGO_BIN_EXE_bench"));
    // Cargo builds it along with the tests of the workspace.
    let function = bench.with_file_name("post-confirmation");
    assert!(function.exists(), "expected the function beside {}: test the whole workspace", bench.display());
    let mut command = Command::new(bench);
    command.args(["peers", "--quick", "--only", "ours,queue,iam", "--memory", "1769", "--output", "json"]);
    let output = command.arg("--function").arg(function).output().expect("bench runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let candidates = results["candidates"].as_array().expect("an array");
    let names: Vec<_> = candidates.iter().map(|candidate| candidate["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["ours", "queue", "iam"]);
    for figure in ["cold", "warm", "reconnect", "cpu_cold", "cpu_warm"] {
        for candidate in candidates {
            assert!(candidate[figure]["median"].as_f64() > Some(0.0), "expected a time for {figure}: {candidate}");
        }
    }
    let ours = &candidates[0];
    assert_eq!(ours["round_trips_warm"]["median"], 1.0, "a warm sign-up is one round trip");
}
