//! The command line and the environment.

#![expect(clippy::doc_markdown, reason = "clap shows these comments to people, as `--help`")]

mod access;
mod activity;
mod database;
mod instance;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::access::AccessCommand;
use self::activity::ActivityCommand;
use self::database::DbCommand;
use self::instance::InstanceCommand;
use crate::aws::Aws;
use crate::declaration::Declaration;
use crate::output::Format;
use crate::target::Target;
use crate::users_list;

/// Looks after the database behind the PostConfirmation function.
///
/// `instance` and `access` work on the DB instance that --config declares.
///
/// `db`, `activity` and `users` work on a database. With --prod it is the one in PROD_CONNECTION_URL, else that of the
/// declared DB instance, as its master user. Without, it is the one in CONNECTION_URL
/// (postgres://user:password@host:port/dbname), or the function's, where its DB_SECRET_ID or DB_AUTH is set instead,
/// else the local one of `make db-up`.
///
/// Connections are TLS, verified against the roots in PGSSLROOTCERT or those of Amazon RDS in AWS_REGION; only to a
/// server on this machine may a URL say sslmode=disable. Through a tunnel, set PGHOSTADDR, and PGPORT where the URL has
/// no port.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 differences found.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    surroundings: Surroundings,

    #[command(subcommand)]
    command: Command,
}

/// What every command may be told.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct Surroundings {
    /// What to write to standard output
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Format,

    /// The declaration of the DB instance
    #[arg(long, global = true, value_name = "FILE", default_value = "infra/rds.toml")]
    config: PathBuf,

    /// The AWS profile to use
    #[arg(long, global = true)]
    profile: Option<String>,

    /// The AWS region to work in
    #[arg(long, global = true)]
    region: Option<String>,

    /// Agree to every question beforehand, except to dropping a database in production
    #[arg(long, global = true)]
    yes: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make and look after the DB instance on Amazon RDS
    #[command(subcommand)]
    Instance(InstanceCommand),
    /// Say who may reach the DB instance
    #[command(subcommand)]
    Access(AccessCommand),
    /// Do the database's chores
    Db {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        command: DbCommand,
    },
    /// Write and read activities
    Activity {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        command: ActivityCommand,
    },
    /// Look at the users
    Users {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        command: UsersCommand,
    },
}

/// Which database.
#[derive(Clone, Copy, Debug, Args)]
struct Place {
    /// Work on production: PROD_CONNECTION_URL, else the declared DB instance
    #[arg(long, global = true, display_order = 900)]
    prod: bool,
}

#[derive(Debug, Subcommand)]
enum UsersCommand {
    /// List all users, oldest first
    List,
}

/// What a command that did not fail has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Something is not as it should be.
    Differences,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Differences => Self::from(3),
        }
    }
}

impl Surroundings {
    fn declaration(&self) -> anyhow::Result<Declaration> {
        Declaration::read(&self.config)
    }

    async fn aws(&self) -> anyhow::Result<Aws> {
        Aws::load(self.profile.clone(), self.region.clone()).await
    }

    async fn target(&self, place: Place) -> anyhow::Result<Target> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if !place.prod && (variable("DB_SECRET_ID").is_some() || variable("DB_AUTH").is_some()) {
            return Target::of_function(&self.aws().await?, variable).await;
        }
        if !place.prod {
            return Target::development(variable).await;
        }
        match variable("PROD_CONNECTION_URL") {
            Some(url) => Target::production_url(&url, variable).await,
            None => Target::production(&self.aws().await?, &self.declaration()?, variable).await,
        }
    }
}

impl Cli {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let surroundings = &self.surroundings;
        match self.command {
            Command::Instance(command) => return command.run(surroundings).await,
            Command::Access(command) => command.run(surroundings).await?,
            Command::Db { place, command } => return command.run(surroundings, place).await,
            Command::Activity { place, command } => command.run(surroundings, place).await?,
            Command::Users { place, command: UsersCommand::List } => {
                surroundings.output.show(&users_list::list(&surroundings.target(place).await?).await?)?;
            }
        }
        Ok(Outcome::Done)
    }
}
