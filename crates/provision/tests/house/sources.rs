//! Where a thing may stand in the sources, what a crate may depend on, and how long a file may be.

use toml::Table;

use crate::{assert_none, files, read, top};

/// With these begin the names of the AWS SDK's crates.
const SDK: [&str; 6] = ["aws_sdk_", "aws_config", "aws_smithy_", "aws_credential_types", "aws_types", "aws_runtime"];

/// How a program reads its environment: by itself, or through clap's `env`.
const ENVIRONMENT: [&str; 6] = ["std::env", "env::var", "option_env!", " env =", "(env =", " env,"];

/// How a program writes to its terminal.
const TERMINAL: [&str; 7] = ["stdout()", "stderr()", "print!(", "println!(", "dbg!(", "/dev/tty", "/dev/std"];

/// How a column of a row is read so that a null or a name that is not UTF-8 ends the program.
const PANICKING: [&str; 5] = ["row.get(", "row.get::<", "state.get(", ".get::<_, ", ".get(0)"];

/// Lines of a file without its tests.
const LONGEST: usize = 350;

/// Files that are one table, and may be longer.
const TABLES: [&str; 0] = [];

/// The crates of this workspace that each may depend on. What only its tests use does not count.
const ARROWS: [(&str, &[&str]); 7] = [
    ("cognito", &[]),
    ("model", &[]),
    ("testkit", &[]),
    ("db", &["cognito"]),
    ("lambda", &["cognito", "db"]),
    ("provision", &["cognito", "db"]),
    ("bench", &["db", "testkit"]),
];

/// A source without the tests at its end.
fn without_tests(source: &str) -> Vec<&str> {
    let lines: Vec<&str> = source.lines().collect();
    let is_begin = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{');
    let end = lines.windows(2).position(is_begin).unwrap_or(lines.len());
    lines[..end].to_vec()
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Each line of code, neither comment nor test, that has one of the words.
fn mentions(path: &str, source: &str, words: &[&str]) -> Vec<String> {
    let lines = (1..).zip(without_tests(source));
    let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
    let found = code.filter(|(_, line)| words.iter().any(|word| line.contains(word)));
    found.map(|(number, line)| format!("{path}:{number}: {}", line.trim())).collect()
}

/// The same for every source below the directory but those that `may`.
fn mentions_below(directory: &str, words: &[&str], may: impl Fn(&str) -> bool) -> Vec<String> {
    let sources = files(directory, "rs").into_iter().filter(|path| !may(path) && !is_test(path));
    sources.flat_map(|path| mentions(&path, &read(&top().join(&path)), words)).collect()
}

/// The group of commands that a file belongs to, such as `db`.
fn group(path: &str) -> Option<&str> {
    let (_, rest) = path.split_once("/src/commands/")?;
    rest.split(['/', '.']).next()
}

/// Where a group's file uses another group of `groups`.
fn foreign_groups(path: &str, source: &str, groups: &[String]) -> Vec<String> {
    let others = groups.iter().filter(|other| group(path).is_some_and(|own| own != *other));
    let words: Vec<String> =
        others.flat_map(|other| ["commands::", "super::super::"].map(|before| format!("{before}{other}::"))).collect();
    mentions(path, source, &words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The names of a manifest's dependencies, those of its tests apart.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: Table = manifest.parse().expect("a manifest");
    let tables =
        ["dependencies", "build-dependencies"].map(|name| manifest.get(name).and_then(|value| value.as_table()));
    tables.into_iter().flatten().flat_map(Table::keys).cloned().collect()
}

fn manifest_of(name: &str) -> String {
    read(&top().join("crates").join(name).join("Cargo.toml"))
}

#[test]
fn the_aws_sdk_is_called_in_one_place_of_provision_alone() {
    let is_aws = |path: &str| path.ends_with("/src/aws.rs") || path.contains("/src/aws/");
    assert_none(&mentions_below("crates/provision/src", &SDK, is_aws));
}

#[test]
fn the_function_calls_the_aws_sdk_for_its_queue_alone_and_cognito_never() {
    assert_none(&mentions_below("crates/lambda/src", &SDK, |path| path.ends_with("/src/queue.rs")));
    assert_none(&mentions_below("crates/cognito", &SDK, |_| false));
}

#[test]
fn only_cli_reads_the_environment() {
    let is_cli = |path: &str| path == "crates/provision/src/cli.rs";
    assert_none(&mentions_below("crates/provision/src", &ENVIRONMENT, is_cli));
}

#[test]
fn only_output_and_prompt_write_to_the_terminal() {
    let may = |path: &str| ["output.rs", "prompt.rs"].iter().any(|file| path == format!("crates/provision/src/{file}"));
    assert_none(&mentions_below("crates/provision/src", &TERMINAL, may));
    assert_none(&mentions_below("crates/db/src", &TERMINAL, |_| false));
    assert_none(&mentions_below("crates/cognito/src", &TERMINAL, |_| false));
}

#[test]
fn no_column_of_a_row_is_read_with_a_panic() {
    for directory in ["crates/db/src", "crates/lambda/src", "crates/provision/src"] {
        assert_none(&mentions_below(directory, &PANICKING, |_| false));
    }
}

#[test]
fn groups_of_commands_do_not_import_each_other() {
    let groups: Vec<String> = provision::command().get_subcommands().map(|group| group.get_name().to_owned()).collect();
    let sources = files("crates/provision/src/commands", "rs");
    assert!(!sources.is_empty(), "expected the commands below crates/provision/src/commands");
    let faults = sources.iter().flat_map(|path| foreign_groups(path, &read(&top().join(path)), &groups));
    assert_none(&faults.collect::<Vec<_>>());
}

#[test]
fn the_arrows_between_the_crates_point_one_way() {
    let names = ["cognito", "model", "testkit", "db", "lambda", "provision", "post-confirmation", "bench"];
    for (name, allowed) in ARROWS {
        let found = dependencies(&manifest_of(name)).into_iter();
        let foreign = found.filter(|found| names.contains(&found.as_str()) && !allowed.contains(&found.as_str()));
        let foreign: Vec<String> = foreign.map(|found| format!("crates/{name} depends on {found}")).collect();
        assert_none(&foreign);
    }
}

#[test]
fn an_event_and_its_person_need_neither_aws_nor_sql() {
    let beginnings = ["aws-sdk", "aws-config", "aws-smithy", "tokio-postgres", "postgres", "refinery"];
    let dependencies = dependencies(&manifest_of("cognito")).into_iter();
    let found = dependencies.filter(|name| beginnings.iter().any(|beginning| name.starts_with(beginning)));
    assert_none(&found.map(|name| format!("crates/cognito depends on {name}")).collect::<Vec<_>>());
}

#[test]
fn no_file_is_longer_than_a_person_reads_unless_it_is_a_table() {
    let sources = files("crates", "rs").into_iter().filter(|path| path.contains("/src/") && !is_test(path));
    let long: Vec<(String, usize)> = sources
        .map(|path| (without_tests(&read(&top().join(&path))).len(), path))
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, path)| (path, lines))
        .collect();
    let faults = long.iter().filter(|(path, _)| !TABLES.contains(&path.as_str()));
    let faults =
        faults.map(|(path, lines)| format!("{path} has {lines} lines without its tests, expected at most {LONGEST}"));
    let needless = TABLES.iter().filter(|table| !long.iter().any(|(path, _)| path == *table));
    let needless = needless.map(|table| format!("{table} needs no exception, or is not there"));
    assert_none(&faults.chain(needless).collect::<Vec<_>>());
}

#[test]
fn a_use_of_the_sdk_is_found_in_code_but_neither_in_comments_nor_in_tests() {
    let source =
        "//! aws_sdk_rds\nuse db::Login;\nuse aws_sdk_rds::Client;\n#[cfg(test)]\nmod tests {\nuse aws_sdk_rds;\n}\n";
    assert_eq!(mentions("x.rs", source, &SDK), ["x.rs:3: use aws_sdk_rds::Client;"]);
}

#[test]
fn every_way_to_read_the_environment_is_found() {
    for line in [
        "use std::env;",
        "env::var(\"USER\")",
        "#[arg(long, env = \"USER\")]",
        "env = \"USER\",",
        "    env,",
        "#[arg(env = X)]",
    ] {
        assert_eq!(mentions("x.rs", &format!("    {line}"), &ENVIRONMENT).len(), 1, "{line}");
    }
    for line in ["command.env(\"PGHOST\", host)", "env!(\"CARGO_PKG_VERSION\")", "mod environment;"] {
        assert_eq!(mentions("x.rs", line, &ENVIRONMENT), [] as [String; 0], "{line}");
    }
}

#[test]
fn every_way_to_write_to_the_terminal_is_found() {
    for line in ["io::stderr().write_all(b)", "let out = stdout().lock();", "eprintln!(\"x\")", "print!(\"x\")"] {
        assert_eq!(mentions("x.rs", line, &TERMINAL).len(), 1, "{line}");
    }
    for line in ["command.stdout(Stdio::null())", "use std::io::{self, Write};", "error.print();", "/// eprintln!(x)"] {
        assert_eq!(mentions("x.rs", line, &TERMINAL), [] as [String; 0], "{line}");
    }
}

#[test]
fn a_panicking_read_of_a_column_is_found() {
    for line in ["pid: row.get(\"pid\"),", "row.get::<_, bool>(\"x\")", "rows.first().map(|row| row.get(0))"] {
        assert_eq!(mentions("x.rs", line, &PANICKING).len(), 1, "{line}");
    }
    assert_eq!(mentions("x.rs", "self.fields.get(\"port\")", &PANICKING), [] as [String; 0]);
}

#[test]
fn a_group_that_imports_another_is_found() {
    let groups = ["instance", "access"].map(str::to_owned);
    let source = "use crate::commands::access::Rule;\nuse crate::commands::instance::plan;\n";
    let found = foreign_groups("crates/provision/src/commands/instance/plan.rs", source, &groups);
    assert_eq!(found, ["crates/provision/src/commands/instance/plan.rs:1: use crate::commands::access::Rule;"]);
    let found = foreign_groups("crates/provision/src/commands/access.rs", source, &groups);
    assert_eq!(found, ["crates/provision/src/commands/access.rs:2: use crate::commands::instance::plan;"]);
}

#[test]
fn a_dependency_of_the_tests_is_no_arrow() {
    let manifest = "[dependencies]\ndb.workspace = true\n[dev-dependencies]\ntestkit.workspace = true\n";
    assert_eq!(dependencies(manifest), ["db"]);
}
