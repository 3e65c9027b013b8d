//! `provision db tunnel`

mod forwarder;
mod plugin;

use std::ffi::OsString;
use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use db::Login;
use rustix::process::Signal;
use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::process::Child;
use tokio::time::timeout;

use self::forwarder::{Forwarder, Gate};
use self::plugin::Plugin;
use super::client;
use crate::aws::Aws;
use crate::aws::ssm::{self, Forwarding};
use crate::cli::{Context, quoted};
use crate::error::{Problem, shown};
use crate::interrupt::{self, INTERRUPTED, in_spite_of_interruption, until_interrupted, until_terminated};
use crate::output::Outcome;
use crate::prompt::progress;
use crate::target::Target;
use crate::terminal::harmless;

/// Where the plugin listens.
const NEAR_END: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How the command is asked to end, and how long it may take. An interactive shell ignores SIGTERM, and ends as its terminal
/// does. <https://www.gnu.org/software/bash/manual/html_node/Signals.html>
const ENDING: [(Signal, Duration); 2] =
    [(Signal::TERM, Duration::from_secs(10)), (Signal::HUP, Duration::from_secs(3))];

/// Open a tunnel to a private DB instance, for a command
///
/// AWS Systems Manager forwards a port of this machine, through an EC2 instance with SSM Agent or a task of ECS with ECS
/// Exec, which the DB instance's security group must allow. AWS's session-manager-plugin must be installed.
///
/// The command finds the database in its environment (PGHOST, PGHOSTADDR, PGPORT, PGDATABASE, PGUSER, PGPASSWORD, and the
/// roots in PGSSLROOTCERT), as in `tunnel --prod -- psql` and `tunnel --prod -- provision db load --prod`. The tunnel ends
/// with it, and with its status.
#[derive(Debug, Args)]
pub(super) struct Tunnel {
    /// EC2 instance (its id or its tag Name) or task of ECS (CLUSTER/ID) that forwards; without it, one that can
    #[arg(long, value_name = "ID")]
    through: Option<String>,
    /// Port of this machine, on 127.0.0.1; without it, a free one
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Show what would forward, and how, without a session
    #[arg(long)]
    dry_run: bool,
    /// Command to run with the tunnel; without it, the tunnel is open until Ctrl-C
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What would forward.
#[derive(Debug, Serialize)]
struct Plan {
    through: String,
    host: String,
    port: u16,
    local_port: u16,
    /// What does the same by hand.
    command: String,
}

/// An open tunnel, as the variables that lead into it.
#[derive(Debug, Serialize)]
struct Open {
    through: String,
    host: String,
    host_address: IpAddr,
    port: u16,
}

impl Tunnel {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let target = context.target().await?;
        let login = &target.login;
        ensure!(
            login.host_address.is_none(),
            Problem::new(
                "PGHOSTADDR, or hostaddr in the URL, names an address already",
                "unset it: the tunnel sets it"
            )
        );
        let aws = context.aws().await?;
        plugin::ensure_installed().await?;
        let gate = Gate::find(aws, target).await?;
        let forwarder = forwarder::find(context, aws, &gate, self.through.as_deref()).await?;
        let forwarding = Forwarding {
            target: forwarder.target.clone(),
            host: gate.host.clone(),
            port: gate.port,
            local_port: local_port(self.port)?,
        };
        if self.dry_run {
            return context.show_lines(&plan(context, aws, &forwarder, forwarding));
        }

        let (session, was_interrupted) = in_spite_of_interruption(ssm::start_session(aws, &forwarding)).await;
        let session = session?;
        let outcome = if was_interrupted {
            Ok(Outcome::Status(INTERRUPTED))
        } else {
            match Plugin::start(context, aws, &forwarding, &session) {
                Ok(mut plugin) => {
                    let outcome = self.forward(context, target, &forwarder, &forwarding, &mut plugin).await;
                    plugin.end().await;
                    outcome
                }
                Err(error) => Err(error),
            }
        };
        let (ended, _) = in_spite_of_interruption(ssm::terminate_session(aws, &session.id)).await;
        if let Err(error) = ended {
            progress(&format!("the session {} is open still; AWS ends it within 20 minutes", session.id));
            progress(shown(&error).trim_end());
        }
        outcome
    }

    /// Waits for the tunnel, and for what it is for.
    async fn forward(
        self,
        context: &Context,
        target: &Target,
        forwarder: &Forwarder,
        forwarding: &Forwarding,
        plugin: &mut Plugin,
    ) -> anyhow::Result<Outcome> {
        let Some(opened) = until_interrupted(plugin.wait_until_open(forwarding, &forwarder.name)).await else {
            return Ok(Outcome::Status(INTERRUPTED));
        };
        opened?;
        let near = Login { host_address: Some(NEAR_END), port: forwarding.local_port, ..target.login.clone() };
        let Some((program, arguments)) = self.command.split_first() else {
            progress(&format!("the tunnel through {} is open; Ctrl-C ends it", forwarder.name));
            let Login { host, port, .. } = near;
            context.show(&Open { through: forwarder.name.clone(), host, host_address: NEAR_END, port })?;
            // The usual end.
            return match until_interrupted(plugin.ended()).await {
                Some(error) => Err(error),
                None => Ok(Outcome::Done),
            };
        };
        progress(&format!("through {}", forwarder.name));
        let mut command = Command::new(program);
        command.args(arguments);
        let mut certificates = None;
        client::lead(&mut command, context, &near, |roots| {
            let mut file = NamedTempFile::new().context("cannot write a temporary file")?;
            file.write_all(roots)?;
            let path = file.path().into();
            certificates = Some(file);
            Ok(path)
        })?;
        // Commands of this program go through the tunnel as well: the port in a URL wins over PGPORT.
        let name = if context.is_for_production() { "PROD_CONNECTION_URL" } else { "CONNECTION_URL" };
        if context.variable(name)?.is_some() {
            command.env(name, near.url(true));
        }
        if !context.is_for_production() {
            // It does not lead through the tunnel, and what it does lead to is not meant.
            command.env_remove("PROD_CONNECTION_URL");
        }
        let child = tokio::process::Command::from(command).spawn().map_err(|error| {
            let remedy = match error.kind() {
                ErrorKind::NotFound => "correct the command behind `--`, or install it",
                _ => "correct the command behind `--`",
            };
            Problem::new("cannot run the command", remedy).because(error)
        })?;
        Ok(Outcome::Status(status(wait_for(child, plugin).await?)))
    }
}

/// Waits for the command, also where the tunnel has ended: the command says then what that means to it.
async fn wait_for(mut child: Child, plugin: &mut Plugin) -> anyhow::Result<ExitStatus> {
    let ended = async {
        tokio::select! {
            status = child.wait() => return status,
            error = plugin.ended() => progress(shown(&error).trim_end()),
        }
        child.wait().await
    };
    let status = match until_terminated(ended).await {
        Some(status) => status,
        None => end(&mut child).await,
    };
    status.context("cannot wait for the command")
}

/// Ends the command, at last by force: the tunnel's session must not outlive this program.
async fn end(child: &mut Child) -> io::Result<ExitStatus> {
    for (signal, time) in ENDING {
        interrupt::signal(child, signal);
        if let Ok(status) = timeout(time, child.wait()).await {
            return status;
        }
    }
    child.kill().await?;
    child.wait().await
}

/// The status as a shell reports it: of a command that a signal has ended, 128 and the signal's number.
fn status(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The port, if it is free, or a free one.
fn local_port(wanted: Option<u16>) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((NEAR_END, wanted.unwrap_or(0))).map_err(|error| {
        let problem = match wanted {
            Some(port) => format!("the port {port} of this machine cannot be used"),
            None => "this machine has no free port".to_owned(),
        };
        Problem::new(problem, "name another one with --port, or leave --port out").because(error)
    })?;
    Ok(listener.local_addr()?.port())
}

fn plan(context: &Context, aws: &Aws, forwarder: &Forwarder, forwarding: Forwarding) -> Plan {
    let parameters = quoted(&forwarding.request()["Parameters"].to_string());
    let options = [("region", aws.region()), ("profile", context.profile().map(str::to_owned))];
    let options = options.into_iter().filter_map(|(name, value)| Some(format!(" --{name} {}", quoted(&value?))));
    let command = format!(
        "aws ssm start-session --target {} --document-name {} --parameters {parameters}{}",
        quoted(&forwarding.target),
        ssm::DOCUMENT,
        options.collect::<String>()
    );
    let Forwarding { host, port, local_port, .. } = forwarding;
    Plan { through: forwarder.name.clone(), host, port, local_port, command }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { through, host, port, local_port, command } = self;
        let line = format!("{through} would forward {NEAR_END}:{local_port} to {host}:{port}, as by hand:");
        write!(f, "{}\n  {}", harmless(line), harmless(command))
    }
}

impl Display for Open {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { host, host_address, port, .. } = self;
        write!(f, "export PGHOST={} PGHOSTADDR={host_address} PGPORT={port}", quoted(host))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[test]
    fn the_status_of_a_command_is_that_which_a_shell_reports() {
        assert_eq!(status(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(status(ExitStatus::from_raw(15)), 143, "ended by SIGTERM");
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_ignores_the_signals_is_ended_by_force() {
        let mut command = tokio::process::Command::new("sh");
        command.args(["-c", "trap '' TERM HUP; echo started; exec sleep 1000"]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("a shell");
        let mut line = [0; 8];
        child.stdout.take().expect("a pipe").read_exact(&mut line).await.expect("it writes");
        assert_eq!(status(end(&mut child).await.expect("it ends")), 137, "ended by SIGKILL");
    }
}
