//! What the release function takes stays what it is: instructions, allocations, bytes on the wire, and the size of the zip.
//! None of it is a time, so the machine's load does not matter.
//!
//! A figure that has become smaller fails as well: only what is committed is kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Figures by architecture and name.
type Committed = BTreeMap<String, BTreeMap<String, u64>>;

/// By how much a figure may differ from the committed one, in per cent, by the end of its name. Two runs differ by less than
/// 0.1 %; the rest is for another compiler, for another CPU, for which OpenSSL has other code, and for another server:
/// PostgreSQL 13 reports fewer parameters, and 18 more.
const TOLERANCES: [(&str, f64); 6] = [
    ("cold_instructions", 2.0),
    ("warm_instructions", 3.0),
    ("_allocations", 2.0),
    ("_bytes_sent", 1.0),
    ("_bytes_received", 6.0),
    ("zip_bytes", 2.0),
];

/// What writes the figures instead.
const UPDATE: &str = "UPDATE_COUNTS";

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn committed_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counts.json")
}

fn architecture() -> &'static str {
    if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH }
}

/// A file of the release function, as it is deployed.
fn release(file: &str) -> PathBuf {
    let path = top().join("target/lambda").join(architecture()).join("post-confirmation").join(file);
    assert!(
        path.exists(),
        "{} is missing; run `infra/dev/build.sh {} post-confirmation`",
        path.display(),
        architecture()
    );
    path
}

/// What is wrong with a figure, if anything.
fn fault(name: &str, expected: Option<u64>, found: u64) -> Option<String> {
    let Some(expected) = expected.filter(|expected| *expected > 0) else {
        return Some(format!("{name}: {found} was counted, and no figure is committed: `make counts` writes it"));
    };
    let tolerance = TOLERANCES.into_iter().find(|(end, _)| name.ends_with(end)).map(|(_, tolerance)| tolerance);
    let tolerance = tolerance.unwrap_or_else(|| panic!("expected a tolerance for {name}"));
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
    let change = (found as f64 / expected as f64 - 1.0) * 100.0;
    let remedy = if change > 0.0 {
        "more: make it cheaper again or, if it is worth it, accept it by `make counts`"
    } else {
        "less: keep it so by `make counts`, which writes the new figures"
    };
    let change = change.abs();
    (change > tolerance).then(|| {
        format!("{name}: expected {expected} ± {tolerance} %, and {found} was counted, {change:.1} % {remedy}")
    })
}

/// Compares figures with the committed ones, or writes them.
fn check(found: &BTreeMap<String, u64>) {
    if std::env::var_os(UPDATE).is_some() {
        return update(found);
    }
    let committed = committed();
    let committed = |name| committed.get(architecture()).and_then(|figures| figures.get(name)).copied();
    let faults: Vec<String> = found.iter().filter_map(|(name, found)| fault(name, committed(name), *found)).collect();
    assert!(faults.is_empty(), "crates/bench/tests/counts.json, {}:\n{}", architecture(), faults.join("\n"));
}

fn committed() -> Committed {
    let text = fs::read_to_string(committed_path()).expect("the committed figures");
    serde_json::from_str(&text).expect("figures by architecture")
}

fn update(found: &BTreeMap<String, u64>) {
    // Two tests write to the same file.
    static FILE: Mutex<()> = Mutex::new(());
    let _one_at_a_time = FILE.lock().expect("the other one has written");
    let mut all = committed();
    all.entry(architecture().to_owned()).or_default().extend(found.clone());
    let text = serde_json::to_string_pretty(&all).expect("JSON") + "\n";
    fs::write(committed_path(), text).expect("the figures can be written");
}

#[test]
fn a_start_and_a_call_of_the_deployed_function_take_what_is_committed() {
    let valgrind = top().join(".tools/valgrind/valgrind");
    assert!(valgrind.exists(), "{} is missing; run `infra/dev/tools.sh valgrind`", valgrind.display());
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    bench.args(["count", "--function"]).arg(release("bootstrap")).arg("--valgrind").arg(valgrind);
    let output = bench.output().expect("bench runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    check(&serde_json::from_slice(&output.stdout).expect("figures by name"));
}

#[test]
fn the_zip_of_the_deployed_function_has_the_size_that_is_committed() {
    let bytes = fs::metadata(release("bootstrap.zip")).expect("the zip").len();
    check(&BTreeMap::from([("zip_bytes".to_owned(), bytes)]));
}

#[test]
fn a_figure_beyond_its_tolerance_says_by_how_much_and_what_to_do() {
    assert_eq!(fault("warm_instructions", Some(1000), 1019), None);
    for (name, expected, found, message) in [
        (
            "warm_instructions",
            Some(1000),
            1100,
            "expected 1000 ± 3 %, and 1100 was counted, 10.0 % more: make it cheaper",
        ),
        (
            "zip_bytes",
            Some(1000),
            900,
            "expected 1000 ± 2 %, and 900 was counted, 10.0 % less: keep it so by `make counts`",
        ),
        ("zip_bytes", None, 900, "900 was counted, and no figure is committed: `make counts`"),
    ] {
        let fault = fault(name, expected, found).expect(message);
        assert!(fault.starts_with(&format!("{name}: {message}")), "{fault}");
    }
}
