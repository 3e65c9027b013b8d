//! The command line and the environment.

#![expect(clippy::doc_markdown, reason = "clap shows these comments to people, as `--help`")]

use std::time::Duration;

use clap::{Parser, Subcommand};
use db::{Budget, Database, Settings};

use crate::output::Format;
use crate::{db_load, users_list};

/// How long a server may take to let us in. An operator waits longer than a person who signs up.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// Looks after the database behind the PostConfirmation function.
///
/// The database is the one that CONNECTION_URL names (postgres://user:password@host:port/dbname), or the secret
/// DB_SECRET_ID in AWS Secrets Manager. Every connection is TLS, verified against the roots in PGSSLROOTCERT.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Cli {
    /// What to write to standard output
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Format,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Do the database's chores
    #[command(subcommand)]
    Db(DbCommand),
    /// Look at the users
    #[command(subcommand)]
    Users(UsersCommand),
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Load the schema: apply the migrations that the database does not have yet
    Load,
}

#[derive(Debug, Subcommand)]
enum UsersCommand {
    /// List all users, oldest first
    List,
}

impl Cli {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let settings = Settings::from_variables(|name| std::env::var(name).ok())?;
        let mut session = Database::new(settings, "provision").connect(Budget::new(CONNECT_LIMIT)).await?;
        match self.command {
            Command::Db(DbCommand::Load) => self.output.show(&db_load::run(&mut session).await?)?,
            Command::Users(UsersCommand::List) => self.output.show(&users_list::run(&session).await?)?,
        }
        session.close().await;
        Ok(())
    }
}
