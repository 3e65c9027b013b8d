//! Rules about this repository that no compiler keeps: where a thing may stand, and that the documents tell the truth.

mod anchors;
mod command_line;
mod documents;
mod pack;
mod release;
mod runbook;
mod shell;
mod sources;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// The files below this directory of the repository with this extension, as paths from the top.
fn files(directory: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut directories = vec![top().join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(top()).expect("it is below the top").to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// The Makefile's targets. The pattern `db-%` stands for every command of `provision db`.
fn make_targets(makefile: &str) -> BTreeSet<String> {
    let names = makefile.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
    let names = names.filter_map(|line| line.split_once(':')).filter(|(_, rest)| !rest.starts_with('='));
    let command = provision::command();
    let db = command.find_subcommand("db").expect("provision db");
    let expand = |name: &str| match name {
        "db-%" => db.get_subcommands().map(|command| format!("db-{}", command.get_name())).collect(),
        name => vec![name.to_owned()],
    };
    names.flat_map(|(name, _)| expand(name)).collect()
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} found:\n{}", faults.len(), faults.join("\n"));
}

/// The names after `--skip` in a Makefile or a script.
fn skipped(script: &str) -> Vec<&str> {
    let words: Vec<&str> =
        script.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect();
    words.windows(2).filter(|pair| pair[0] == "--skip").map(|pair| pair[1].trim_end_matches(['\'', '"'])).collect()
}

#[test]
fn every_test_that_a_quick_run_skips_exists() {
    let sources: Vec<String> = files("crates", "rs").iter().filter(|path| path.contains("/tests/")).cloned().collect();
    let is_test = |name: &str| {
        sources.iter().any(|path| {
            let functions = read(&top().join(path));
            let mut functions =
                functions.lines().filter(|line| line.starts_with("fn ") || line.starts_with("async fn "));
            path.ends_with(&format!("/{name}.rs"))
                || path.contains(&format!("/{name}/"))
                || functions.any(|function| function.contains(name))
        })
    };
    for script in ["Makefile", "infra/dev/test.sh"] {
        let script = read(&top().join(script));
        let names = skipped(&script);
        assert!(!names.is_empty(), "expected a --skip");
        for name in names {
            assert!(is_test(name), "expected a test named {name}");
        }
    }
}

#[test]
fn make_targets_are_rules_and_no_variables() {
    let found = make_targets("quiet := x\ndemo: tools ## Show\n\tcargo build\ndb-%: ## x\n");
    assert!(["demo", "db-load", "db-wait"].iter().all(|target| found.contains(*target)), "{found:?}");
    assert!(!found.contains("quiet") && !found.contains("db-%"), "{found:?}");
}
