//! What is generated from the command line's definition has every command.

use std::io::ErrorKind;
use std::process::{Command, Output};

use tempfile::TempDir;

/// The visible commands as they are called, such as `provision db load`.
fn commands(command: &clap::Command) -> Vec<String> {
    let visible = command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help");
    let below = visible.flat_map(commands);
    let own = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    std::iter::once(own).chain(below).collect()
}

fn all_commands() -> Vec<String> {
    let mut root = provision::command();
    root.build();
    commands(&root)
}

fn run(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_provision")).args(arguments).output().expect("provision starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The shell's exit status and output, or none where it is not installed.
fn ask(shell: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(shell).args(arguments).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        output => Some(output.expect("the shell starts")),
    }
}

#[test]
fn the_completion_script_of_each_shell_has_every_command_and_parses() {
    let directory = TempDir::new().expect("a directory");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = String::from_utf8(run(&["completions", shell]).stdout).expect("UTF-8");
        for command in all_commands() {
            let name = command.rsplit(' ').next().expect("a name");
            assert!(script.contains(name), "expected {command} in the script for {shell}");
        }
        let path = directory.path().join(shell);
        std::fs::write(&path, script).expect("the file is writable");
        let path = path.to_str().expect("UTF-8");
        if let Some(output) = ["bash", "fish", "zsh"].contains(&shell).then(|| ask(shell, &["-n", path])).flatten() {
            assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn bash_completes_a_command_and_its_options() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("provision");
    std::fs::write(&path, run(&["completions", "bash"]).stdout).expect("the file is writable");
    for (words, expected) in [("provision db tun", "tunnel"), ("provision db tunnel --thr", "--through")] {
        let words: Vec<&str> = words.split(' ').collect();
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let script = format!(
            "source {}; COMP_WORDS=({}); COMP_CWORD={}; _provision provision {last} {before}; echo \"${{COMPREPLY[@]}}\"",
            path.display(),
            words.join(" "),
            words.len() - 1
        );
        let output = ask("bash", &["-c", &script]).expect("bash");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{expected}\n"), "{words:?}");
    }
}

#[test]
fn every_command_has_a_man_page() {
    let directory = TempDir::new().expect("a directory");
    let pages = directory.path().join("man1");
    run(&["man", pages.to_str().expect("UTF-8")]);
    for command in all_commands() {
        let page = pages.join(format!("{}.1", command.replace(' ', "-")));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(text.contains(".TH ") && text.contains(".SH SYNOPSIS"), "{text}");
    }
}
