//! The commands. This tree is the tree of `--help`: a group is a file, and each of its commands a file in its folder.

#![expect(clippy::doc_markdown, reason = "clap shows these comments to people, as `--help`")]

#[cfg(feature = "instance")]
mod access;
mod activity;
mod db;
#[cfg(feature = "instance")]
mod instance;
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
    Db(db::Db),
    Activity(activity::Activity),
    Users(users::Users),
}

impl Command {
    /// Whether --prod was given, in the groups that work on a database.
    pub(crate) fn is_for_production(&self) -> bool {
        match self {
            #[cfg(feature = "instance")]
            Self::Instance(_) | Self::Access(_) => false,
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
            Self::Db(group) => group.run(context).await,
            Self::Activity(group) => group.run(context).await,
            Self::Users(group) => group.run(context).await,
        }
    }
}
