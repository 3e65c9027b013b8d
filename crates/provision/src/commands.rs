//! The commands. This tree is the tree of `--help`: a group is a file, and each of its commands a file in its folder.

#![expect(clippy::doc_markdown, reason = "clap shows these comments to people, as `--help`")]

#[cfg(feature = "instance")]
mod access;
mod activity;
mod completions;
mod db;
#[cfg(feature = "instance")]
mod doctor;
#[cfg(feature = "instance")]
mod instance;
mod man;
mod queue;
mod trigger;
mod users;

use clap::Subcommand;

use crate::cli::Context;
use crate::output::Outcome;

/// A group of commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "instance")]
    Instance(instance::Instance),
    #[cfg(feature = "instance")]
    Access(access::Access),
    #[cfg(not(feature = "instance"))]
    #[command(hide = true)]
    Instance(Missing),
    #[cfg(not(feature = "instance"))]
    #[command(hide = true)]
    Access(Missing),
    Db(db::Db),
    Activity(activity::Activity),
    Users(users::Users),
    Trigger(trigger::Trigger),
    Queue(queue::Queue),
    #[cfg(feature = "instance")]
    Doctor(Box<doctor::Doctor>),
    #[cfg(not(feature = "instance"))]
    #[command(hide = true)]
    Doctor(Missing),
    Completions(completions::Completions),
    #[command(hide = true)]
    Man(man::Man),
}

/// Missing in this build, which leaves Amazon EC2's SDK out
#[cfg(not(feature = "instance"))]
#[derive(Debug, clap::Args)]
pub(crate) struct Missing {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _arguments: Vec<std::ffi::OsString>,
}

#[cfg(not(feature = "instance"))]
impl Missing {
    fn run() -> anyhow::Result<Outcome> {
        let problem = "this build of provision leaves out the commands that need Amazon EC2";
        Err(crate::error::Problem::new(problem, "build it with its default features: cargo build --workspace").into())
    }
}

impl Command {
    /// Whether --prod was given, in the groups that work on a database.
    pub(crate) fn is_for_production(&self) -> bool {
        match self {
            Self::Instance(_)
            | Self::Access(_)
            | Self::Trigger(_)
            | Self::Queue(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
            Self::Doctor(_) => true,
            Self::Db(group) => group.target.prod,
            Self::Activity(group) => group.target.prod,
            Self::Users(group) => group.target.prod,
        }
    }

    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            #[cfg(feature = "instance")]
            Self::Instance(group) => group.run(context).await,
            #[cfg(feature = "instance")]
            Self::Access(group) => group.run(context).await,
            #[cfg(not(feature = "instance"))]
            Self::Instance(_) | Self::Access(_) | Self::Doctor(_) => Missing::run(),
            Self::Db(group) => group.run(context).await,
            Self::Activity(group) => group.run(context).await,
            Self::Users(group) => group.run(context).await,
            Self::Trigger(group) => group.run(context).await,
            Self::Queue(group) => group.run(context).await,
            #[cfg(feature = "instance")]
            Self::Doctor(command) => Box::pin(command.run(context)).await,
            Self::Completions(command) => command.run(context),
            Self::Man(command) => command.run(context),
        }
    }
}
