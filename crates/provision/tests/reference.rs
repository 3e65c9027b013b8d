//! `docs/reference/cli.md` is the command line's one golden file: every command, option and default, from the clap tree.
//!
//! `make reference` generates it.

use std::fmt::Write;
use std::path::Path;

use clap::{Arg, Command};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");

const HEADER: &str = "<!-- Generated from the command line by `make reference`; a test compares the two. -->\n";

#[test]
fn the_reference_shows_the_command_line_as_it_is() {
    let generated = reference(provision::command());
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::create_dir_all(Path::new(REFERENCE).parent().expect("a directory")).expect("it can be created");
        std::fs::write(REFERENCE, &generated).expect("the reference is writable");
        return;
    }
    let written = std::fs::read_to_string(REFERENCE).unwrap_or_default();
    let differing = written.lines().zip(generated.lines()).find(|(written, generated)| written != generated);
    assert!(
        written == generated,
        "docs/reference/cli.md is stale: run `make reference` and commit it; the first line that differs: {differing:?}"
    );
}

#[test]
fn every_summary_is_at_most_60_characters_long() {
    let mut commands = vec![provision::command()];
    while let Some(command) = commands.pop() {
        let about = command.get_about().expect("every command has a summary").to_string();
        let is_top = command.get_name() == "provision";
        let summary = about.lines().next().unwrap_or_default();
        assert!(is_top || summary.chars().count() <= 60, "`{}`: {summary:?} is too long", command.get_name());
        commands.extend(command.get_subcommands().cloned());
    }
}

fn reference(mut command: Command) -> String {
    // Propagates the global options and the names of the commands.
    command.build();
    let mut text = format!("# Command line\n\n{HEADER}");
    write_command(&mut text, &command, 1);
    text
}

/// Writes the command, and below it its commands.
fn write_command(text: &mut String, command: &Command, depth: usize) {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let about = command.get_long_about().or(command.get_about()).expect("every command says what it does");
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    write!(text, "\n{} {name}\n\n{about}\n\n```text\n{usage}\n```\n", "#".repeat(depth + 1)).expect("memory");

    let is_top = depth == 1;
    let is_group = depth == 2;
    // A global option stands where it is defined: at the top, or in its group.
    let (global, own): (Vec<&Arg>, Vec<&Arg>) = command
        .get_arguments()
        .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()))
        .partition(|arg| arg.is_global_set());
    let of_top = |arg: &&Arg| arg.get_help_heading() == Some("Global options");
    let shown: Vec<&Arg> = match (is_top, is_group) {
        (true, _) => global,
        (_, true) => global.into_iter().filter(|arg| !of_top(arg)).chain(own).collect(),
        _ => own,
    };
    if !shown.is_empty() {
        let heading = if is_top {
            "Options of every command:\n\n"
        } else if is_group {
            "Options of every command below:\n\n"
        } else {
            ""
        };
        write!(text, "\n{heading}").expect("memory");
        for arg in shown {
            write_argument(text, arg);
        }
    }
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        write_command(text, subcommand, depth + 1);
    }
}

fn write_argument(text: &mut String, arg: &Arg) {
    let values = arg.get_value_names().unwrap_or_default().join(" ");
    let takes_value = arg.get_num_args().is_none_or(|range| range.takes_values());
    let name = match arg.get_long() {
        Some(long) if takes_value => format!("--{long} <{values}>"),
        Some(long) => format!("--{long}"),
        None => format!("<{values}>"),
    };
    let help = arg.get_long_help().or(arg.get_help()).expect("every option says what it does").to_string();
    write!(text, "- `{name}`: {}", help.replace("\n\n", ". ").replace('\n', " ")).expect("memory");
    let possible = arg.get_possible_values();
    if takes_value && !possible.is_empty() {
        let possible: Vec<String> = possible.iter().map(|value| format!("`{}`", value.get_name())).collect();
        write!(text, "; {}", possible.join(" or ")).expect("memory");
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if takes_value && !arg.is_hide_default_value_set() && !defaults.is_empty() {
        write!(text, "; default `{}`", defaults.join(" ")).expect("memory");
    }
    text.push('\n');
}
