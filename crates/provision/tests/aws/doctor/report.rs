//! What `provision doctor` says.

use std::process::Command;

use serde_json::Value;
use testkit::assert_harmless;

use super::deployment::Deployment;
use crate::runbook::assert_leads_out;

/// The command's JSON; fails unless it ends with this status.
#[track_caller]
pub(crate) fn report(command: &mut Command, status: i32) -> Value {
    let output = command.args(["--settle", "0s", "--output", "json"]).output().expect("provision starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for text in [&stdout, &stderr] {
        assert!(!text.contains("hunter2") && !text.contains("example.com"), "a secret or an address stands in {text}");
    }
    assert_eq!(output.status.code(), Some(status), "{stdout}\n{stderr}");
    serde_json::from_str(&stdout).expect("JSON and nothing else")
}

/// The names of the checks with this status.
pub(crate) fn checks<'a>(report: &'a Value, status: &str) -> Vec<&'a str> {
    let checks = report["checks"].as_array().expect("a list").iter();
    checks.filter(|check| check["status"] == status).map(|check| check["check"].as_str().expect("a name")).collect()
}

/// Fails unless exactly this check is wrong, these could not be made, and it says all of this.
#[track_caller]
pub(crate) fn assert_wrong(deployment: &Deployment, check: &str, unknown: &[&str], words: &[&str]) {
    assert_wrong_of(&mut deployment.doctor(), check, unknown, words);
}

/// The same for another command line.
#[track_caller]
pub(crate) fn assert_wrong_of(command: &mut Command, check: &str, unknown: &[&str], words: &[&str]) {
    let report = report(command, 3);
    assert_eq!(checks(&report, "wrong"), [check], "{report:#}");
    let mut expected = unknown.to_vec();
    let mut found = checks(&report, "unknown");
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected, "{report:#}");
    assert_says(&report, check, words);
}

/// Fails unless nothing is wrong, and this check advises all of this.
#[track_caller]
pub(crate) fn assert_advice(deployment: &Deployment, check: &str, words: &[&str]) {
    let report = report(&mut deployment.doctor(), 0);
    assert!(checks(&report, "advice").contains(&check), "{report:#}");
    assert_says(&report, check, words);
}

#[track_caller]
fn assert_says(report: &Value, check: &str, words: &[&str]) {
    let checks = report["checks"].as_array().expect("a list");
    let found = checks.iter().find(|found| found["check"] == check).expect("the check");
    let troubles = found["troubles"].to_string();
    // The remedy of a failure is that of its error type, which has a row of its own.
    if check != "failures" {
        assert_leads_out("A line of the doctor", check, &troubles);
    }
    for words in words {
        assert!(troubles.contains(words), "expected {words:?} in {troubles}");
    }
    assert_harmless(troubles.as_bytes());
}
