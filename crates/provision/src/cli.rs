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
use crate::database::Target;
use crate::declaration::Declaration;
use crate::output::Format;
use crate::users_list;

/// Looks after the database behind the PostConfirmation function.
///
/// `db`, `activity` and `users` work on the database that CONNECTION_URL names (postgres://user:password@host:port/dbname)
/// or that the function's DB_SECRET_ID or DB_AUTH lead to, else on the local one of `make db-up`; with --prod on the one
/// that PROD_CONNECTION_URL names, else on that of the DB instance, with its master user. Every connection is TLS,
/// verified against the roots in PGSSLROOTCERT or those of Amazon RDS in AWS_REGION, but for a server on this machine
/// whose URL says sslmode=disable. PGHOSTADDR and PGPORT lead through a tunnel. `instance` and `access` work on the DB
/// instance that infra/rds.toml declares.
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

    /// Agree to every question beforehand
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
    #[arg(long, global = true)]
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
                let session = surroundings.target(place).await?.connect().await?;
                surroundings.output.show(&users_list::run(&session).await?)?;
                session.close().await;
            }
        }
        Ok(Outcome::Done)
    }
}
