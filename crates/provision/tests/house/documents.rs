//! Every command and file that a document names exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Command;

use crate::anchors::{anchored_links, anchors};
use crate::{assert_none, files, make_targets, read, shell, top};

/// Stands for something that the reader chooses.
const PLACEHOLDERS: [char; 6] = ['…', '*', '<', '>', '{', '$'];

/// Made by a build or by tools, and in no checkout.
const MADE: [&str; 2] = ["target", ".tools"];

fn documents() -> Vec<String> {
    let documents = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned);
    documents.into_iter().filter(|document| top().join(document).exists()).chain(files("docs", "md")).collect()
}

/// The lines of shell in a document, each with its number: code blocks for a shell, and code between backticks.
pub(crate) fn code(document: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut block = None;
    let mut is_continued = false;
    for (number, line) in (1..).zip(document.lines()) {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = block.is_none().then(|| language.trim().to_owned());
            continue;
        }
        match &block {
            Some(language) if ["sh", "bash", "shell", "console"].contains(&language.as_str()) => {
                let text = line.trim_end_matches('\\');
                match found.last_mut() {
                    Some((_, last)) if is_continued => last.push_str(text),
                    _ => found.push((number, text.to_owned())),
                }
                is_continued = line.ends_with('\\');
            }
            Some(_) => found.extend(line.starts_with("$ ").then(|| (number, line.to_owned()))),
            None => found.extend(line.split('`').skip(1).step_by(2).map(|span| (number, span.to_owned()))),
        }
    }
    found
}

fn is_placeholder(word: &str) -> bool {
    word.contains(PLACEHOLDERS) || word.contains("...") || word.chars().all(|letter| !letter.is_lowercase())
}

/// What is wrong with the words after `provision`, if anything.
fn fault_in_provision(root: &Command, words: &[String]) -> Option<String> {
    let mut command = root;
    let mut words = words.iter().map(|word| word.trim_matches(['[', ']', ',']));
    while let Some(word) = words.next() {
        if word == "--" {
            return None;
        }
        if let Some(flag) = word.strip_prefix('-') {
            let (flag, value) = flag.split_once('=').map_or((flag, None), |(flag, value)| (flag, Some(value)));
            let option = command.get_arguments().find(|option| {
                flag.strip_prefix('-').map_or_else(
                    || option.get_short().is_some_and(|short| short.to_string() == flag),
                    |long| option.get_long() == Some(long),
                )
            });
            let Some(option) = option else { return Some(format!("`{}` has no option -{flag}", command.get_name())) };
            if option.get_action().takes_values() && value.is_none() {
                words.next();
            }
        } else if command.has_subcommands() && !is_placeholder(word) {
            for name in word.split('|') {
                if command.find_subcommand(name).is_none() {
                    return Some(format!("`{}` has no command {name}", command.get_name()));
                }
            }
            command = command.find_subcommand(word.split('|').next().unwrap_or(word))?;
        }
    }
    None
}

fn fault_in_make(targets: &BTreeSet<String>, words: &[String]) -> Option<String> {
    let mut asked = words.iter().filter(|word| !word.starts_with('-') && !word.contains('=') && !is_placeholder(word));
    let missing = asked.find(|word| !targets.contains(*word))?;
    Some(format!("the Makefile has no target {missing}"))
}

/// Whether this is the path of a file or directory that a checkout should have.
fn is_path(span: &str) -> bool {
    let first = span.split('/').next().unwrap_or_default();
    let is_ours = span.contains('/') && !MADE.contains(&first) && top().join(first).is_dir();
    is_ours && !first.is_empty() && !span.contains(char::is_whitespace) && !span.contains(PLACEHOLDERS)
}

/// What the document's links lead to, but for addresses.
fn links(document: &str) -> Vec<&str> {
    let targets = document.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains(':')).collect()
}

/// The tests that the document's links have as their text, each with the file that the link leads to.
fn named_tests(document: &str) -> Vec<(&str, &str)> {
    let links = document.split("[`").skip(1).filter_map(|rest| rest.split_once("`]("));
    let links = links.filter_map(|(name, rest)| rest.split_once(')').map(|(target, _)| (name, target)));
    let is_name = |name: &str| name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    let is_source = |target: &str| Path::new(target).extension().is_some_and(|extension| extension == "rs");
    links.filter(|&(name, target)| is_name(name) && is_source(target)).collect()
}

fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    lines.windows(2).any(|pair| {
        let function = pair[1].strip_prefix("async ").unwrap_or(pair[1]);
        let function = function.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(name));
        let is_test = pair[0].starts_with("#[test]") || pair[0].starts_with("#[tokio::test");
        is_test && function.is_some_and(|rest| rest.starts_with('('))
    })
}

fn faults(path: &str, document: &str, root: &Command, targets: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, code) in code(document) {
        let of_commands = shell::commands(&code).into_iter().filter_map(|command| match command.split_first() {
            Some((program, words)) if program == "provision" => fault_in_provision(root, words),
            Some((program, words)) if program == "make" => fault_in_make(targets, words),
            _ => None,
        });
        faults.extend(of_commands.map(|fault| format!("{path}:{number}: {fault}, in `{}`", code.trim())));
        if is_path(&code) && !top().join(&code).exists() {
            faults.push(format!("{path}:{number}: there is no {code}"));
        }
    }
    let directory = Path::new(path).parent().unwrap_or(Path::new(""));
    let broken = links(document).into_iter().filter(|target| !top().join(directory).join(target).exists());
    faults.extend(broken.map(|target| format!("{path}: a link leads to {target}, which is not there")));
    let lost = anchored_links(document).into_iter().filter(|&(target, anchor)| {
        let own = || Some(document.to_owned());
        let is_document = Path::new(target).extension().is_some_and(|extension| extension == "md");
        let other = || fs::read_to_string(top().join(directory).join(target)).ok().filter(|_| is_document);
        let target = if target.is_empty() { own() } else { other() };
        target.is_some_and(|target| !anchors(&target).iter().any(|found| found == anchor))
    });
    faults.extend(
        lost.map(|(target, anchor)| format!("{path}: a link leads to {target}#{anchor}, and there is no such part")),
    );
    let absent = named_tests(document).into_iter().filter(|&(name, target)| {
        let source = top().join(directory).join(target);
        source.exists() && !has_test(&read(&source), name)
    });
    faults.extend(absent.map(|(name, target)| format!("{path}: {target} has no test {name}")));
    faults
}

fn built() -> Command {
    let mut root = provision::command();
    root.build();
    root
}

#[test]
fn every_command_path_and_link_in_a_document_exists() {
    let root = built();
    let targets = make_targets(&read(&top().join("Makefile")));
    let documents = documents();
    assert!(documents.contains(&"README.md".to_owned()), "expected README.md among {documents:?}");
    let faults = documents.iter().flat_map(|path| faults(path, &read(&top().join(path)), &root, &targets));
    assert_none(&faults.collect::<Vec<_>>());
}

#[test]
fn each_cell_of_the_comparison_has_a_test() {
    let document = read(&top().join("docs/guarantee.md"));
    let (_, section) = document.split_once("\n## Beside other ways\n").expect("a section that compares");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    let rows = section.lines().filter(|line| line.starts_with("| **This project** |"));
    let cells: Vec<&str> = rows.flat_map(|row| row.split(" | ").skip(1)).collect();
    assert_eq!(cells.len(), 7, "expected a cell for each column: {cells:?}");
    let linked: BTreeSet<&str> = named_tests(section).into_iter().map(|(_, target)| target).collect();
    for cell in cells {
        let sources = links(cell);
        assert!(!sources.is_empty(), "expected a link to a test in {cell:?}");
        assert!(sources.iter().all(|source| linked.contains(source)), "expected a named test for each of {sources:?}");
    }
}

#[test]
fn a_name_of_nothing_is_found_with_its_line() {
    let targets = BTreeSet::from(["test".to_owned()]);
    let found = |document: &str| faults("docs/x.md", document, &built(), &targets);
    for (document, expected) in [
        ("`provision db lod`", "docs/x.md:1: `db` has no command lod, in `provision db lod`"),
        ("`provision db load --chek`", "docs/x.md:1: `load` has no option --chek, in `provision db load --chek`"),
        ("`provision --regoin x db`", "docs/x.md:1: `provision` has no option --regoin, in `provision --regoin x db`"),
        (
            "```sh\nPGPORT=1 provision db \\\n  lod\n```",
            "docs/x.md:2: `db` has no command lod, in `PGPORT=1 provision db   lod`",
        ),
        ("```\n$ make tset\n```", "docs/x.md:2: the Makefile has no target tset, in `$ make tset`"),
        ("`make test && make tset`", "docs/x.md:1: the Makefile has no target tset, in `make test && make tset`"),
        ("see `infra/rds.tml`", "docs/x.md:1: there is no infra/rds.tml"),
        ("[here](missing.md#part)", "docs/x.md: a link leads to missing.md, which is not there"),
        ("[here](../README.md#at-noon)", "docs/x.md: a link leads to ../README.md#at-noon, and there is no such part"),
        ("[below](#part)", "docs/x.md: a link leads to #part, and there is no such part"),
        ("[`gone`](../crates/model/tests/model.rs)", "docs/x.md: ../crates/model/tests/model.rs has no test gone"),
        ("[`steps`](../crates/model/tests/model.rs)", "docs/x.md: ../crates/model/tests/model.rs has no test steps"),
    ] {
        assert_eq!(found(document), [expected], "{document}");
    }
}

#[test]
fn existing_names_and_placeholders_are_no_fault() {
    let targets = BTreeSet::from(["test".to_owned(), "db-load".to_owned()]);
    for document in [
        "`provision --region eu-west-1 db load --prod`, then `provision db connect --prod -- -c 'select 1'`",
        "`provision db create|load` and `provision GROUP COMMAND --help`, `provision …`",
        "`make test`, `make db-load ENV=prod ARGS=\"--check\"`, `make db-*`",
        "`infra/rds.toml`, `crates/db/migrations/V9__….sql`, `target/debug/provision`, `text/plain`",
        "[the declaration](../infra/rds.toml), [AWS](https://aws.amazon.com), [below](#part)\n## Part",
        "[the alarms](../docs/operations.md#alarms)",
        "[`without_any_of_its_rules_the_design_breaks`](../crates/model/tests/model.rs)",
        "[`model.rs`](../crates/model/tests/model.rs)",
        "```\nprovision is no command in an output\n```",
    ] {
        assert_eq!(faults("infra/x.md", document, &built(), &targets), [] as [String; 0], "{document}");
    }
}
