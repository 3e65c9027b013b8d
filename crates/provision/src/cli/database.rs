//! `provision db`

use std::ffi::OsString;

use clap::Subcommand;

use super::{Outcome, Place, Surroundings};
use crate::database::{self, Dropping, Grant, Kill, PasswordSecret};

#[derive(Debug, Subcommand)]
pub(super) enum DbCommand {
    /// Create the database, or open one that lets nobody in
    Create,
    /// Drop the database with all that is in it
    ///
    /// Asks for the database's name first. In production it asks for the DB instance's name, or the host's where there
    /// is none, lets nobody in any more, and makes a snapshot. What is on RDS is production, with or without --prod.
    Drop {
        /// End the sessions that are open
        #[arg(long)]
        force: bool,
        /// The name that production's question asks for; --yes is not enough there
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
        /// Make no snapshot of production first: all data is lost
        #[arg(long)]
        skip_snapshot: bool,
    },
    /// Load the schema: apply the migrations that the database does not have yet
    Load {
        /// Only show what would be applied
        #[arg(long)]
        dry_run: bool,
        /// Only show what would be applied; exit status 3 if anything would be
        #[arg(long, conflicts_with = "dry_run")]
        check: bool,
    },
    /// Write the sample users andrewbrown and bayko, and a first activity
    ///
    /// Running it again adds nothing. In production only with --yes.
    Seed,
    /// Make the database anew: drop, create, load, seed. Never in production
    Setup {
        /// End the sessions that are open
        #[arg(long)]
        force: bool,
    },
    /// Show who is connected, and end sessions
    Sessions {
        /// End sessions: one by its pid, `idle` ones, or `all-others`; in production it asks first
        ///
        /// Those that are idle in a transaction are idle as well, and lose what they have not committed.
        #[arg(long, value_name = "PID|idle|all-others")]
        kill: Option<Kill>,
    },
    /// Open psql on the database, with verified TLS
    Connect {
        /// Passed on to psql, as in `connect -- -c 'select 1'`
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Show the database's URL, with stars in place of its password
    Url {
        /// Show the password
        #[arg(long)]
        show_password: bool,
    },
    /// Make the function's role, which may write users' rows and do nothing else
    ///
    /// Its password goes straight into a secret of its own in AWS Secrets Manager, for a local database as well, unless
    /// it is to log in with IAM tokens. Running it again changes nothing, and finishes a rotation that was interrupted. It
    /// asks before it takes anything from a role that is there already.
    Grant {
        /// The role's name
        #[arg(long, default_value = db::role::NAME)]
        role: String,
        /// How many connections it may have; at least the function's concurrency
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..))]
        connection_limit: i32,
        /// Log in with IAM tokens, in place of a password
        #[arg(long, conflicts_with_all = ["rotate", "secret"])]
        iam: bool,
        /// Make a new password; the function gets in all the while
        #[arg(long)]
        rotate: bool,
        /// The secret's name; without it INSTANCE/ROLE, or HOST/ROLE where there is no DB instance
        #[arg(long, value_name = "NAME")]
        secret: Option<String>,
        /// Where the function finds the server, such as an RDS Proxy; without it, where this command does
        #[arg(long)]
        host: Option<String>,
        /// The port there
        #[arg(long)]
        port: Option<u16>,
    },
}

impl DbCommand {
    pub(super) async fn run(self, surroundings: &Surroundings, place: Place) -> anyhow::Result<Outcome> {
        let (output, agreed) = (surroundings.output, surroundings.yes);
        let target = surroundings.target(place).await?;
        match self {
            Self::Create => output.show(&database::create(&target).await?)?,
            Self::Drop { force, confirm, skip_snapshot } => {
                let aws = if target.is_production && !skip_snapshot { Some(surroundings.aws().await?) } else { None };
                let how = Dropping { force, agreed, named: confirm.as_deref(), snapshot: aws.as_ref() };
                output.show(&database::drop(&target, how).await?)?;
            }
            Self::Load { dry_run: false, check: false } => output.show(&database::load(&target).await?)?,
            Self::Load { check, .. } => {
                let pending = database::pending(&target).await?;
                output.show(&pending)?;
                return Ok(if check && !pending.is_empty() { Outcome::Differences } else { Outcome::Done });
            }
            Self::Seed => output.show(&database::seed(&target, agreed).await?)?,
            Self::Setup { force } => output.show(&database::setup(&target, force, agreed).await?)?,
            Self::Sessions { kill: None } => output.show(&database::sessions(&target).await?)?,
            Self::Sessions { kill: Some(which) } => output.show(&database::kill(&target, which, agreed).await?)?,
            Self::Connect { arguments } => match database::connect(&target, &arguments).await? {},
            Self::Url { show_password } => output.show(&database::show_url(&target, show_password))?,
            Self::Grant { role, connection_limit, iam, rotate, secret, host, port } => {
                let aws = if iam { None } else { Some(surroundings.aws().await?) };
                let owner = target.instance.as_deref().unwrap_or(&target.login.host);
                let name = secret.unwrap_or_else(|| format!("{owner}/{role}"));
                let password = aws.as_ref().map(|aws| PasswordSecret { aws, name, rotate });
                let grant = Grant { role, connection_limit, host, port, password, agreed };
                output.show(&database::grant(&target, grant).await?)?;
            }
        }
        Ok(Outcome::Done)
    }
}
