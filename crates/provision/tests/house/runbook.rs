//! `docs/runbook.md` has a row for each line that an operator can have in front of them, and for nothing else, and leads
//! out as the programs themselves do.

mod rows;

use std::collections::BTreeSet;

use clap::Command;
use clap::error::ErrorKind;

use self::rows::{assert_leads_out, named_commands, rows};
use crate::documents::code;
use crate::{assert_none, read, shell, top};

/// Words for what the reader fills in, each with an example.
const PLACEHOLDERS: [(&str, &str); 7] = [
    ("CAUSE", "DatabaseUnreachable"),
    ("GROUP", "sg-0123456789abcdef0"),
    ("PID", "4711"),
    ("ROLE", "post_confirmation_app"),
    ("RULE", "sgr-0123456789abcdef0"),
    ("SUB", "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95"),
    ("WHO", "ada@example.com"),
];

/// Words in lower case in the rules of `provision users why` that are no cause.
const NO_CAUSES: [&str; 7] = ["attach", "email", "handle", "identities", "show", "trigger", "unchanged"];

/// The name of the function in the template, unless another one is given.
const FUNCTION: &str = "post-confirmation";

fn document() -> String {
    read(&top().join("docs/runbook.md"))
}

fn source(path: &str) -> String {
    read(&top().join("crates/provision/src").join(path))
}

/// Fails unless the section's rows name these, each once.
#[track_caller]
fn assert_rows(title: &str, known: &BTreeSet<String>) {
    let rows = rows(&document(), title);
    let named: Vec<&String> = rows.iter().flat_map(|row| &row.names).collect();
    let twice = named.iter().enumerate().filter(|(place, name)| named[..*place].contains(name));
    let twice = twice.map(|(_, name)| format!("{name} has two rows"));
    let missing = known.iter().filter(|name| !named.contains(name)).map(|name| format!("{name} has no row"));
    let foreign = named.iter().filter(|name| !known.contains(**name)).map(|name| format!("there is no {name}"));
    assert_none(&twice.chain(missing).chain(foreign).collect::<Vec<_>>());
}

/// An alarm's name and description.
fn alarms(template: &str) -> Vec<(String, String)> {
    let is_resource = |line: &str| line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
    let mut resources: Vec<Vec<&str>> = Vec::new();
    for line in template.lines() {
        match resources.last_mut() {
            Some(resource) if !is_resource(line) => resource.push(line),
            _ => resources.push(vec![line]),
        }
    }
    let alarms = resources.iter().filter(|lines| lines.contains(&"    Type: AWS::CloudWatch::Alarm"));
    let value = |lines: &[&str], key: &str| {
        let place = lines.iter().position(|line| line.trim_start().starts_with(key)).unwrap_or_else(|| panic!("{key}"));
        let continued = lines[place + 1..].iter().take_while(|line| line.starts_with("        "));
        let first = lines[place].trim_start().trim_start_matches(key).trim();
        [first].into_iter().chain(continued.map(|line| line.trim())).collect::<Vec<_>>().join(" ")
    };
    let named = |lines: &Vec<&str>| {
        let name = value(lines, "AlarmName:").replace("!Sub ", "").replace("${FunctionName}", FUNCTION);
        (name, value(lines, "AlarmDescription:"))
    };
    alarms.map(named).collect()
}

/// The names of the doctor's checks.
fn checks() -> BTreeSet<String> {
    let source = source("commands/doctor.rs");
    let (_, table) = source.split_once("\nchecks! {\n").expect("a table of checks");
    let (table, _) = table.split_once("\n}\n").expect("its end");
    table
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split_once('"'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// The words in lower case that stand in the code as texts.
fn words(source: &str) -> BTreeSet<String> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.take_while(|line| !line.starts_with("#[cfg(test)]")).collect::<Vec<_>>().join("\n");
    let is_word =
        |text: &&str| !text.is_empty() && text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    code.split('"').skip(1).step_by(2).filter(is_word).map(str::to_owned).collect()
}

/// Whether the help of the command, or of one of its options, says that it can end with 3.
fn is_check(command: &Command) -> bool {
    let of_options = command.get_arguments().flat_map(|option| [option.get_help(), option.get_long_help()]);
    let texts = [command.get_about(), command.get_long_about()].into_iter().chain(of_options).flatten();
    texts.map(ToString::to_string).any(|text| text.contains("xit status 3") || text.contains("with 3"))
}

/// The commands without commands below them, each with its words.
fn leaves(command: &Command, path: &str) -> Vec<(String, Command)> {
    let below = |command: &Command| leaves(command, &format!("{path} {}", command.get_name()));
    if command.has_subcommands() {
        command.get_subcommands().flat_map(below).collect()
    } else {
        vec![(path.trim_start().to_owned(), command.clone())]
    }
}

#[test]
fn every_alarm_of_the_template_has_a_row_that_leads_out_as_its_description() {
    let alarms = alarms(&read(&top().join("infra/template.yaml")));
    assert_rows("An alarm", &alarms.iter().map(|(name, _)| name.clone()).collect());
    for (name, description) in alarms {
        assert_leads_out("An alarm", &name, &description);
    }
}

#[test]
fn every_error_type_has_a_row() {
    // A test of the function compares that table with the code.
    let documented = rows(&read(&top().join("docs/errors.md")), "Error types");
    let known: BTreeSet<String> = documented.into_iter().flat_map(|row| row.names).collect();
    assert!(db::Kind::ALL.iter().all(|kind| known.contains(kind.as_str())), "expected every kind in {known:?}");
    assert_rows("An errorType", &known);
}

#[test]
fn an_error_types_row_leads_out_as_the_doctor() {
    let source = source("error.rs");
    let (_, arms) = source.split_once("pub(crate) fn of_kind(").expect("the remedies of the kinds");
    let (arms, _) = arms.split_once("\n}\n").expect("their end");
    let mut seen = 0;
    for arm in arms.split("Kind::").skip(1) {
        let name: String = arm.chars().take_while(|letter| letter.is_alphabetic()).collect();
        assert_leads_out("An errorType", &name, arm);
        seen += 1;
    }
    assert_eq!(seen, db::Kind::ALL.len(), "expected an arm for each kind");
}

#[test]
fn every_check_of_the_doctor_has_a_row() {
    let checks = checks();
    assert!(checks.contains("credentials") && checks.contains("users"), "{checks:?}");
    assert_rows("A line of the doctor", &checks);
}

#[test]
fn every_cause_of_users_why_has_a_row() {
    let rules = ["commands/users/why/verdict.rs", "commands/users/why/verdict/missing.rs", "commands/users/reason.rs"];
    let mut words: BTreeSet<String> = rules.iter().flat_map(|path| words(&source(path))).collect();
    for word in NO_CAUSES {
        assert!(words.remove(word), "expected {word} in the rules");
    }
    assert_rows("A cause of users why", &words);
}

#[test]
fn every_command_that_ends_with_3_has_a_row() {
    let known: BTreeSet<String> = leaves(&provision::command(), "")
        .into_iter()
        .filter(|(_, command)| is_check(command))
        .map(|(path, _)| path)
        .collect();
    assert!(known.contains("doctor") && known.contains("db load"), "{known:?}");
    let rows = rows(&document(), "An exit status");
    let found: BTreeSet<String> =
        rows.iter().flat_map(|row| &row.names).flat_map(|name| named_commands(name)).collect();
    assert_eq!(found, known);
}

#[test]
fn every_command_of_the_runbook_can_be_run_as_it_stands() {
    let document = document();
    let filled = |word: &String| {
        let found = PLACEHOLDERS.iter().find(|(placeholder, _)| placeholder == word);
        found.map_or_else(|| word.clone(), |(_, example)| (*example).to_owned())
    };
    let mut seen = 0;
    let mut faults = Vec::new();
    for (number, line) in code(&document) {
        for command in shell::commands(&line).iter().filter(|command| command.len() > 1 && command[0] == "provision") {
            seen += 1;
            match provision::command().try_get_matches_from(command.iter().map(filled)) {
                Err(error) if error.kind() != ErrorKind::DisplayVersion => {
                    let error = error.to_string();
                    faults.push(format!("{number}: {line}: {}", error.lines().next().unwrap_or_default()));
                }
                _ => {}
            }
        }
    }
    assert!(seen > 50, "expected the commands of the runbook, not {seen}");
    assert_none(&faults);
}

#[test]
fn an_alarm_is_found_with_its_description() {
    let template = "Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n  FailedAlarm:\n    Type: AWS::CloudWatch::Alarm\n    \
                    Properties:\n      AlarmName: !Sub ${FunctionName}-failed\n      AlarmDescription: >-\n        No row. Run\n        \
                    `provision doctor`\n      Namespace: PostConfirmation\n";
    let expected = ("post-confirmation-failed".to_owned(), ">- No row. Run `provision doctor`".to_owned());
    assert_eq!(alarms(template), [expected]);
}

#[test]
fn commands_are_found_in_a_remedy() {
    let found = |text: &str| named_commands(text).into_iter().collect::<Vec<_>>();
    assert_eq!(found("run `provision db grant --prod`, or\n   provision queue show"), ["db grant", "queue show"]);
    assert_eq!(found("provision --yes users reconcile: provision does it"), ["users reconcile"]);
    assert_eq!(found("this program, provision 0.1"), [] as [&str; 0]);
}
