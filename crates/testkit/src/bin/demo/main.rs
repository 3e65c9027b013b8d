//! Stories to watch on this machine, with no AWS account. Nothing that they start is left behind.
//!
//! `demo` lets users sign up; `demo provision` makes a DB instance and deletes it.

mod instance;
mod sign_ups;

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::ensure;
use tokio::process::Command;

/// What a shell reports for a command that Ctrl-C ended: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let story = async {
        match env::args().nth(1).as_deref() {
            Some("provision") => instance::run().await,
            _ => sign_ups::run().await,
        }
    };
    let outcome = tokio::select! {
        outcome = story => outcome,
        _ = tokio::signal::ctrl_c() => {
            say("interrupted; everything is being stopped");
            return ExitCode::from(INTERRUPTED);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("FAILED: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs a command to its end and returns what it wrote to standard output. What it tells on standard error is seen.
async fn output(command: &mut Command, shown: &str) -> anyhow::Result<String> {
    say(&format!("$ {shown}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = command.spawn()?.wait_with_output().await?;
    ensure!(output.status.success(), "`{shown}` ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// `provision`, as it was built together with this binary, and how to show the call.
fn provision(arguments: &[&str]) -> anyhow::Result<(Command, String)> {
    let mut command = Command::new(env::current_exe()?.with_file_name("provision"));
    command.args(arguments).current_dir(top());
    Ok((command, format!("provision {}", arguments.join(" "))))
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn say(message: &str) {
    // The demo goes on when nobody listens any more.
    let _ = writeln!(io::stderr(), "demo: {message}");
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}
