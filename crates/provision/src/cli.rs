//! The command line and the environment. No other file reads the environment.

#![expect(clippy::doc_markdown, reason = "clap shows these comments to people, as `--help`")]

use std::cell::OnceCell as Cell;
use std::fmt::Display;
use std::path::PathBuf;

use clap::{Args, Parser};
use serde::Serialize;
use tokio::sync::OnceCell;

use crate::aws::Aws;
use crate::commands::Command;
use crate::declaration::Declaration;
use crate::output::{Format, Outcome};
use crate::prompt::{self, Consent};
use crate::target::Target;

/// The declaration that is read where --config names no other.
const DEFAULT_CONFIG: &str = "infra/rds.toml";

/// Creates and operates the database behind the PostConfirmation function.
///
/// `instance` and `access` work on the DB instance that --config declares.
///
/// `db`, `activity` and `users` work on a database. With --prod it is the one in PROD_CONNECTION_URL, else the one of
/// the declared DB instance, as its master user. Without --prod it is the one in CONNECTION_URL
/// (postgres://user:password@host:port/dbname); else the function's, if DB_SECRET_ID or DB_AUTH is set; else the local
/// one that `make db-up` starts.
///
/// Connections use TLS, verified against the roots in PGSSLROOTCERT or the Amazon RDS roots of AWS_REGION. Only a URL to
/// a server on this machine may contain sslmode=disable. Through a tunnel, set PGHOSTADDR, and PGPORT if the URL has no
/// port.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 differences found.
#[derive(Debug, Parser)]
#[command(name = "provision", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: GlobalArgs,

    #[command(subcommand)]
    command: Command,
}

/// The options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Format of standard output
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Format,

    /// File that declares the DB instance
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,

    /// AWS profile; without it, the one in AWS_PROFILE or the default one
    #[arg(long, global = true)]
    profile: Option<String>,

    /// AWS region; without it, the one in AWS_REGION or of the profile
    #[arg(long, global = true)]
    region: Option<String>,

    /// Confirm every question beforehand, except the one before a production database is dropped
    #[arg(long, global = true)]
    yes: bool,
}

/// The database that a group of commands works on.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct TargetArgs {
    /// Work on production: PROD_CONNECTION_URL, else the declared DB instance
    #[arg(long, global = true, display_order = 900)]
    pub(crate) prod: bool,
}

/// What every command needs: the output format, whether the operator has confirmed beforehand, the declaration, AWS and
/// the database. Each of the last three is loaded once, when it is first needed.
#[derive(Debug)]
pub(crate) struct Context {
    output: Format,
    yes: bool,
    prod: bool,
    config: PathBuf,
    profile: Option<String>,
    region: Option<String>,
    declaration: Cell<Declaration>,
    aws: OnceCell<Aws>,
    target: OnceCell<Target>,
}

impl Cli {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let GlobalArgs { output, config, profile, region, yes } = self.global;
        let prod = self.command.is_for_production();
        let context = Context {
            output,
            yes,
            prod,
            config,
            profile,
            region,
            declaration: Cell::new(),
            aws: OnceCell::new(),
            target: OnceCell::new(),
        };
        self.command.run(&context).await
    }
}

impl Context {
    /// Writes a command's result to standard output.
    pub(crate) fn show(&self, result: &(impl Display + Serialize)) -> anyhow::Result<Outcome> {
        self.output.write(result)?;
        Ok(Outcome::Done)
    }

    /// Writes the result of a check; `differs` makes the exit status 3.
    pub(crate) fn show_check(&self, result: &(impl Display + Serialize), differs: bool) -> anyhow::Result<Outcome> {
        self.output.write(result)?;
        Ok(if differs { Outcome::Differences } else { Outcome::Done })
    }

    /// Asks the operator to type the `expected` word, unless --yes was given.
    pub(crate) fn confirm(&self, question: &str, expected: &str) -> anyhow::Result<Consent> {
        prompt::confirm(question, expected, self.yes)
    }

    /// The same for a step that needs a confirmation only under a condition.
    pub(crate) fn confirm_if(&self, needs: bool, question: &str, expected: &str) -> anyhow::Result<Consent> {
        prompt::confirm_if(needs, question, expected, self.yes)
    }

    /// Whether --yes was given.
    pub(crate) fn yes(&self) -> bool {
        self.yes
    }

    /// This command line with another command, such as `instance restore`, and the same deployment.
    pub(crate) fn command_line(&self, command: &str) -> String {
        let config = Some(self.config.to_string_lossy()).filter(|config| config != DEFAULT_CONFIG);
        let options =
            [("config", config.as_deref()), ("profile", self.profile.as_deref()), ("region", self.region.as_deref())];
        let options = options.into_iter().filter_map(|(name, value)| Some(format!(" --{name} {}", quoted(value?))));
        format!("provision {command}{}", options.collect::<String>())
    }

    /// A variable of the environment. An empty one counts as unset.
    #[expect(clippy::unused_self, reason = "code without a context must not read the environment")]
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        variable(name)
    }

    pub(crate) fn declaration(&self) -> anyhow::Result<&Declaration> {
        if let Some(declaration) = self.declaration.get() {
            return Ok(declaration);
        }
        let declaration = Declaration::read(&self.config)?;
        Ok(self.declaration.get_or_init(|| declaration))
    }

    pub(crate) async fn aws(&self) -> anyhow::Result<&Aws> {
        self.aws.get_or_try_init(|| Box::pin(Aws::load(self.profile.clone(), self.region.clone()))).await
    }

    pub(crate) async fn target(&self) -> anyhow::Result<&Target> {
        self.target.get_or_try_init(|| Box::pin(self.find_target())).await
    }

    async fn find_target(&self) -> anyhow::Result<Target> {
        if self.prod {
            return match variable("PROD_CONNECTION_URL") {
                Some(url) => Target::production_url(&url, variable).await,
                None => Target::production(self.aws().await?, self.declaration()?, variable).await,
            };
        }
        if variable("DB_SECRET_ID").is_some() || variable("DB_AUTH").is_some() {
            return Target::of_function(self.aws().await?, variable).await;
        }
        Target::development(variable).await
    }
}

/// The value as one word for a shell.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if value.chars().all(is_plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
impl Context {
    /// A context that has confirmed everything, with this declaration and the test's AWS.
    pub(crate) fn of_operation(declaration: Declaration, aws: Aws) -> Self {
        Self {
            output: Format::Json,
            yes: true,
            prod: false,
            config: PathBuf::from("infra/rds.toml"),
            profile: None,
            region: None,
            declaration: Cell::from(declaration),
            aws: OnceCell::new_with(Some(aws)),
            target: OnceCell::new(),
        }
    }

    /// A context whose database is this one in production, and whose AWS is the test's.
    pub(crate) fn of_test(target: Target, aws: Aws) -> Self {
        Self {
            output: Format::Text,
            yes: false,
            prod: true,
            config: PathBuf::new(),
            profile: None,
            region: None,
            declaration: Cell::new(),
            aws: OnceCell::new_with(Some(aws)),
            target: OnceCell::new_with(Some(target)),
        }
    }
}
