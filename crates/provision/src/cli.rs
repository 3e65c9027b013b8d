//! The command line and the environment.

#![expect(clippy::doc_markdown, reason = "clap shows these comments to people, as `--help`")]

mod activity;
mod database;

use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, io};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use secrecy::SecretString;

use self::activity::ActivityCommand;
use self::database::DbCommand;
use crate::access::{Admission, Revocation, Source};
use crate::aws::Aws;
use crate::database::Target;
use crate::declaration::Declaration;
use crate::output::Format;
use crate::{access, instance, users_list};

/// Looks after the database behind the PostConfirmation function.
///
/// `db`, `activity` and `users` work on the database that CONNECTION_URL names (postgres://user:password@host:port/dbname),
/// or the function's DB_SECRET_ID or DB_AUTH lead to, else on the local one of `make db-up`; with --prod on the one that PROD_CONNECTION_URL names, else on that of the DB
/// instance, with its master user. Every connection is TLS, verified against the roots in PGSSLROOTCERT or those of
/// Amazon RDS in AWS_REGION, but for a server on this machine whose URL says sslmode=disable. PGHOSTADDR and PGPORT lead
/// through a tunnel. `instance` and `access` work on the DB instance that infra/rds.toml declares.
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
enum InstanceCommand {
    /// Show what differs from the declaration; exit status 3 if anything does
    Plan,
    /// Create the DB instance, or bring it into line with the declaration
    Apply {
        /// Do at once what would wait for the maintenance window, with its interruption
        #[arg(long)]
        now: bool,
        /// The file with the master password, where the declaration says "given"; `-` is standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        #[command(flatten)]
        patience: Patience,
    },
    /// Show how the DB instance is
    Status,
    /// Wait until the DB instance is available
    Wait,
    /// Start the stopped DB instance
    Start {
        #[command(flatten)]
        patience: Patience,
    },
    /// Stop the DB instance; AWS starts it again after 7 days
    Stop {
        #[command(flatten)]
        patience: Patience,
    },
    /// Make a snapshot
    Snapshot {
        /// Its name, in place of a dated one
        #[arg(long)]
        name: Option<String>,
    },
    /// Delete the DB instance, after a final snapshot
    Delete {
        /// Keep no snapshot: all data is lost
        #[arg(long)]
        skip_snapshot: bool,
        /// Turn deletion protection off first
        #[arg(long)]
        unprotect: bool,
        #[command(flatten)]
        patience: Patience,
    },
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    /// Let this machine's address in, another one, or a security group
    Allow {
        /// The addresses to let in, in place of our own
        #[arg(long, value_name = "CIDR", value_parser = parse_range)]
        cidr: Option<IpNet>,
        /// The security group to let in, such as the function's
        #[arg(long, value_name = "SG-ID", conflicts_with = "cidr")]
        from_group: Option<String>,
        /// Rewrite this rule, in place of our own
        #[arg(long, value_name = "SGR-ID")]
        rule_id: Option<String>,
        /// How long, such as 8h; `access revoke --expired` ends it
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
        /// Really let the whole internet in
        #[arg(long)]
        anyone: bool,
        #[command(flatten)]
        user: User,
        /// The service that tells our address
        #[arg(
            long,
            value_name = "URL",
            env = "PROVISION_ADDRESS_URL",
            default_value = "https://checkip.amazonaws.com"
        )]
        address_url: String,
    },
    /// Remove our own rules, or others
    Revoke {
        /// Remove the rules with these ids
        #[arg(long, value_name = "SGR-ID", conflicts_with = "expired")]
        rule_id: Vec<String>,
        /// Remove all whose time is over
        #[arg(long)]
        expired: bool,
        #[command(flatten)]
        user: User,
    },
    /// Show who may reach the DB instance
    List,
}

#[derive(Clone, Debug, Args)]
struct User {
    /// Whose rule it is, as its description tells
    #[arg(long, env = "USER", default_value = "operator")]
    user: String,
}

#[derive(Clone, Copy, Debug, Args)]
struct Patience {
    /// Return as soon as AWS has taken the request
    #[arg(long)]
    no_wait: bool,
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
        let Surroundings { output, yes, .. } = self.surroundings;
        match self.command {
            Command::Instance(command) => {
                let declaration = self.surroundings.declaration()?;
                return command.run(&self.surroundings.aws().await?, &declaration, output, yes).await;
            }
            Command::Access(command) => {
                let declaration = self.surroundings.declaration()?;
                command.run(&self.surroundings.aws().await?, &declaration, output).await?;
            }
            Command::Db { place, command } => return command.run(&self.surroundings, place).await,
            Command::Activity { place, command } => command.run(&self.surroundings, place).await?,
            Command::Users { place, command: UsersCommand::List } => {
                let session = self.surroundings.target(place).await?.connect().await?;
                output.show(&users_list::run(&session).await?)?;
                session.close().await;
            }
        }
        Ok(Outcome::Done)
    }
}

impl InstanceCommand {
    async fn run(self, aws: &Aws, declaration: &Declaration, output: Format, agreed: bool) -> anyhow::Result<Outcome> {
        let identifier = &declaration.identifier;
        match self {
            Self::Plan => {
                let plan = instance::plan(aws, declaration).await?;
                output.show(&plan)?;
                return Ok(if plan.is_empty() { Outcome::Done } else { Outcome::Differences });
            }
            Self::Apply { now, password_file, patience } => {
                let password = password_file.as_deref().map(read_password).transpose()?;
                let applied = instance::apply(aws, declaration, password, now, !patience.no_wait, agreed).await?;
                output.show(&applied)?;
            }
            Self::Status => output.show(&instance::status(aws, identifier).await?)?,
            Self::Wait => {
                instance::wait(aws, identifier, "available").await?;
                output.show(&instance::status(aws, identifier).await?)?;
            }
            Self::Start { patience } => output.show(&instance::start(aws, identifier, !patience.no_wait).await?)?,
            Self::Stop { patience } => output.show(&instance::stop(aws, identifier, !patience.no_wait).await?)?,
            Self::Snapshot { name } => output.show(&instance::snapshot(aws, identifier, name).await?)?,
            Self::Delete { skip_snapshot, unprotect, patience } => {
                let deletion = instance::Deletion { skip_snapshot, unprotect, patient: !patience.no_wait, agreed };
                output.show(&instance::delete(aws, identifier, deletion).await?)?;
            }
        }
        Ok(Outcome::Done)
    }
}

impl AccessCommand {
    async fn run(self, aws: &Aws, declaration: &Declaration, output: Format) -> anyhow::Result<()> {
        match self {
            Self::Allow { cidr, from_group, rule_id, expires, anyone, user, address_url } => {
                let source = match (from_group, cidr) {
                    (Some(group), _) => Source::Group(group),
                    (None, Some(range)) => Source::Range(range),
                    (None, None) => Source::Range(access::own_address(&address_url)?),
                };
                let admission = Admission { source, user: user.user, rule_id, expires, anyone };
                output.show(&access::allow(aws, declaration, admission).await?)
            }
            Self::Revoke { rule_id, expired, user } => {
                let which = match (expired, rule_id.is_empty()) {
                    (true, _) => Revocation::Expired,
                    (false, false) => Revocation::Ids(rule_id),
                    (false, true) => Revocation::Of(user.user),
                };
                output.show(&access::revoke(aws, declaration, which).await?)
            }
            Self::List => output.show(&access::list(aws, declaration).await?),
        }
    }
}

/// An address stands for itself alone.
fn parse_range(text: &str) -> Result<IpNet, String> {
    let range = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    range
        .map(|range| range.trunc())
        .map_err(|_| "write an address such as 192.0.2.1, or a range such as 192.0.2.0/24".to_owned())
}

fn read_password(file: &Path) -> anyhow::Result<SecretString> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.with_context(|| format!("cannot read the password from {}", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).into())
}
