//! The variables that the template sets are those that the programs read.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::Stack;

/// The documented variables that the template does not set.
const NOT_SET: [(&str, &str); 17] = [
    ("CONNECTION_URL", "of a laptop: a password in the environment"),
    ("DB_AUTH", "in place of the secret, which the template has"),
    ("PGDATABASE", "in the secret, so that the function follows it"),
    ("PGUSER", "in the secret, which a rotation may change"),
    ("PGHOSTADDR", "of a tunnel"),
    ("PGSSLROOTCERT", "a file that the zip does not have"),
    ("PGPASSWORD", "without effect beside a secret"),
    ("PGSSLMODE", "without effect beside a secret"),
    ("PGAPPNAME", "without effect beside a secret"),
    ("PGCONNECT_TIMEOUT", "without effect beside a secret"),
    ("PGTARGETSESSIONATTRS", "without effect beside a secret"),
    ("PGCHANNELBINDING", "without effect beside a secret"),
    ("AWS_REGION", "set by Lambda"),
    ("AWS_ENDPOINT_URL", "private DNS of the interface endpoints takes its place"),
    ("AWS_CA_BUNDLE", "of a proxy that opens TLS"),
    ("AWS_LAMBDA_LOG_FORMAT", "set by Lambda, from the LoggingConfig"),
    ("AWS_LAMBDA_LOG_LEVEL", "set by Lambda; its default is INFO"),
];

fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The variables in the table of `docs/deployment.md`.
fn documented() -> BTreeSet<String> {
    let document = fs::read_to_string(top().join("docs/deployment.md")).expect("the document");
    let (_, section) = document.split_once("\n## Variables\n").expect("its section");
    let (section, _) = section.split_once("\n## ").unwrap_or((section, ""));
    let (section, _) = section.split_once("\n### ").unwrap_or((section, ""));
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | ").map(|(cell, _)| cell));
    cells
        .flat_map(|cell| cell.split(", "))
        .map(|name| name.trim_matches('`').to_owned())
        .filter(|name| name != "…")
        .collect()
}

/// The sources below this directory of the repository, without their tests.
fn sources(directory: &str) -> String {
    let mut text = String::new();
    let mut directories = vec![top().join(directory)];
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                directories.push(path);
            } else {
                let source = fs::read_to_string(&path).expect("a source");
                text.push_str(source.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default());
            }
        }
    }
    text
}

fn variables(stack: &Stack, function: &str) -> BTreeSet<String> {
    stack.0["functions"][function]["variables"].as_object().expect("variables").keys().cloned().collect()
}

#[test]
fn the_function_and_its_replay_get_variables_that_they_read() {
    let sources = [sources("crates/db/src"), sources("crates/lambda/src")].concat();
    let mut set = BTreeSet::new();
    for function in ["SignUpFunction", "ReplayFunction"] {
        set.extend([Stack::usual(), Stack::chosen()].iter().flat_map(|stack| variables(stack, function)));
    }
    for name in &set {
        assert!(sources.contains(&format!("\"{name}\"")), "the function does not read {name}");
    }
    let documented = documented();
    assert!(set.is_subset(&documented), "docs/deployment.md does not have all of {set:?}");
    for name in &documented {
        let is_left_out = NOT_SET.iter().any(|(left_out, _)| left_out == name);
        assert_ne!(is_left_out, set.contains(name), "{name} is neither set nor left out, or both");
    }
}

#[test]
fn the_operators_function_gets_variables_that_provision_reads() {
    let sources = [sources("crates/db/src"), sources("crates/provision/src")].concat();
    let set = variables(Stack::usual(), "OperatorFunction");
    for name in &set {
        assert!(sources.contains(&format!("\"{name}\"")), "provision does not read {name}");
    }
    let needed = ["DB_SECRET_ID", "PGHOST", "PGPORT", "PGDATABASE", "USER_POOL_ID"];
    assert_eq!(set, needed.map(str::to_owned).into());
}

#[test]
fn the_replay_gets_every_variable_of_the_function() {
    for stack in [Stack::usual(), Stack::chosen()] {
        let functions = &stack.0["functions"];
        let mut expected = functions["SignUpFunction"]["variables"].clone();
        expected["DEAD_LETTER_QUEUE_URL"] = stack.id("DeadLetterQueue").into();
        assert_eq!(functions["ReplayFunction"]["variables"], expected);
    }
}
