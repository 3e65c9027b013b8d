//! Demonstrations on this machine, without an AWS account. Whatever they start ends with them.
//!
//! `demo` signs users up, then one while the database is away, and then two whom the trigger misses; `demo spilled` and
//! `demo missed` do only the one or the other. `demo provision` creates a DB instance and deletes it.

mod instance;
mod missed;
mod sign_ups;
mod spilled;

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{bail, ensure};
use tokio::process::Command;

/// The exit status that shells report after Ctrl-C: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let demonstration = async {
        match env::args().nth(1).as_deref() {
            Some("provision") => instance::run().await,
            Some("spilled") => spilled::run().await,
            Some("missed") => missed::run().await,
            _ => {
                sign_ups::run().await?;
                spilled::run().await?;
                missed::run().await
            }
        }
    };
    let outcome = tokio::select! {
        outcome = demonstration => outcome,
        _ = tokio::signal::ctrl_c() => {
            say("interrupted; stopping everything");
            return ExitCode::from(INTERRUPTED);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs a command to its end and returns its standard output. Its standard error goes to the terminal.
async fn output(command: &mut Command, shown: &str) -> anyhow::Result<String> {
    say(&format!("$ {shown}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = command.spawn()?.wait_with_output().await?;
    ensure!(output.status.success(), "`{shown}` ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs `provision` with these variables, prints its standard output, and returns it.
async fn provision(arguments: &[&str], variables: &[(&str, String)]) -> anyhow::Result<String> {
    let text = provision_quietly(arguments, variables).await?;
    io::stdout().write_all(text.as_bytes())?;
    Ok(text)
}

/// The same without printing it.
async fn provision_quietly(arguments: &[&str], variables: &[(&str, String)]) -> anyhow::Result<String> {
    let (mut command, shown) = provision_command(arguments, variables)?;
    output(&mut command, &shown).await
}

/// Runs `provision` with these variables, which must find differences. Its output goes to the terminal.
async fn expect_differences(arguments: &[&str], variables: &[(&str, String)]) -> anyhow::Result<()> {
    let (mut command, shown) = provision_command(arguments, variables)?;
    say(&format!("$ {shown}"));
    let status = command.stdin(Stdio::null()).kill_on_drop(true).status().await?;
    match status.code() {
        Some(3) => say("exit status 3: differences found"),
        _ => bail!("`{shown}` ended with {status}; expected exit status 3, differences found"),
    }
    Ok(())
}

/// The `provision` that was built together with this binary, and the call as an operator types it.
fn provision_command(arguments: &[&str], variables: &[(&str, String)]) -> anyhow::Result<(Command, String)> {
    let mut command = Command::new(env::current_exe()?.with_file_name("provision"));
    command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value))).current_dir(top());
    Ok((command, format!("provision {}", arguments.join(" "))))
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn say(message: &str) {
    // A closed pipe must not end the demonstration.
    let _ = writeln!(io::stderr(), "demo: {message}");
}
