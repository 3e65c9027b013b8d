//! `provision activity`: what users write, for a time.

mod create;
mod home;
mod show;

use std::fmt::{self, Formatter};

use clap::{Args, Subcommand};
use db::activities::Activity as Row;

use crate::cli::{Context, TargetArgs};
use crate::output::{Outcome, counted};
use crate::terminal::harmless;

/// Write and read activities
#[derive(Debug, Args)]
pub(crate) struct Activity {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(subcommand)]
    command: ActivityCommand,
}

#[derive(Debug, Subcommand)]
enum ActivityCommand {
    Create(create::Create),
    Show(show::Show),
    Home(home::Home),
}

impl Activity {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self.command {
            ActivityCommand::Create(command) => context.show_lines(&command.run(context).await?),
            ActivityCommand::Show(command) => context.show_lines(&command.run(context).await?),
            ActivityCommand::Home(command) => context.show_lines(&command.run(context).await?),
        }
    }
}

/// Writes an activity for people, each line indented by so many spaces.
fn write(f: &mut Formatter<'_>, activity: &Row, indent: usize) -> fmt::Result {
    let Row { uuid, display_name, handle, message, replies_count, created_at, expires_at, .. } = activity;
    let (name, handle) = (harmless(display_name), harmless(handle));
    write!(f, "{:indent$}{name} @{handle}, {created_at}, until {expires_at}, {uuid}", "")?;
    for line in message.lines() {
        write!(f, "\n{:indent$}  {}", "", harmless(line))?;
    }
    match *replies_count {
        0 => Ok(()),
        count => write!(f, "\n{:indent$}  ({})", "", counted(count, "reply", "replies")),
    }
}
