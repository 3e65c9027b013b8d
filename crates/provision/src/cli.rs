//! The command line and the environment. No other file reads the environment.

#![expect(clippy::doc_markdown, reason = "clap shows these comments to people, as `--help`")]

mod operator;
mod usage;

use std::cell::OnceCell as Cell;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use serde::Serialize;
use tokio::sync::OnceCell;

use crate::aws::function::FunctionName;
use crate::aws::{Aws, check_empty};
use crate::commands::Command;
use crate::declaration::Declaration;
use crate::in_vpc::{self, Invocation};
use crate::output::{self, Format, Outcome};
use crate::prompt::{self, Consent};
use crate::target::Target;
use crate::terminal::harmless;

/// The declaration that is read where --config names no other.
const DEFAULT_CONFIG: &str = "infra/rds.toml";

/// Creates and operates the database behind the PostConfirmation function.
///
/// `instance` and `access` work on the DB instance that --config declares, `trigger` on a user pool of Amazon Cognito,
/// and `queue` on the queue of Amazon SQS in which events wait for the database.
///
/// `db`, `activity` and `users` work on a database. With --prod it is the one in PROD_CONNECTION_URL, else the one of
/// the declared DB instance, as its master user. Without --prod it is the function's, if DB_SECRET_ID or DB_AUTH is set;
/// else the one in CONNECTION_URL (postgres://user:password@host:port/dbname); else the one that PGHOST (default:
/// PGHOSTADDR or localhost), PGHOSTADDR, PGPORT, PGDATABASE, PGUSER or PGSERVICE name; else, if none of them is set, the local one
/// that `make db-up` starts.
///
/// What a URL leaves out comes from the service in PGSERVICE, then from PG… variables such as PGPASSWORD, and a password
/// at last from ~/.pgpass or PGPASSFILE, as for psql.
///
/// Connections use TLS, verified against the roots in PGSSLROOTCERT or the Amazon RDS roots of AWS_REGION. Only for a
/// server on this machine may sslmode be `disable`. Through a tunnel, set PGHOSTADDR, and PGPORT if the URL has no
/// port.
///
/// With --in-vpc they and `doctor` run in the operator's function, on the database that it reaches.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 differences found.
#[derive(Debug, Parser)]
#[command(name = "provision", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: GlobalArgs,

    #[command(subcommand)]
    command: Command,

    /// The command's words, such as `db load`.
    #[arg(skip)]
    name: String,
}

/// The options of every command.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Format of standard output
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Format,

    /// File that declares the DB instance
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,

    /// AWS profile; without it, that of AWS_DEFAULT_PROFILE, AWS_PROFILE or the default one
    #[arg(long, global = true, value_parser = NonEmptyStringValueParser::new())]
    profile: Option<String>,

    /// AWS region; without it, the one in AWS_REGION or of the profile
    #[arg(long, global = true)]
    region: Option<String>,

    /// Confirm every question beforehand, except the one before a production database is dropped
    #[arg(long, global = true)]
    yes: bool,

    /// Run the command in the operator's function, inside the VPC, on the database there; --prod is implied
    #[arg(long, global = true)]
    in_vpc: bool,

    /// Name of the operator's function, NAME:ALIAS, or the ARN of either; without it, OPERATOR_FUNCTION or
    /// post-confirmation-operator
    #[arg(long, global = true, value_name = "NAME")]
    operator: Option<FunctionName>,
}

/// The database that a group of commands works on.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct TargetArgs {
    /// Work on production: PROD_CONNECTION_URL, else the declared DB instance
    #[arg(long, global = true, display_order = 900)]
    pub(crate) prod: bool,
}

/// What every command needs: the options, the declaration, AWS and the database, each loaded when it is first needed.
#[derive(Debug)]
pub(crate) struct Context {
    global: GlobalArgs,
    prod: bool,
    /// The invocation of the operator's function that this process runs in.
    invocation: Option<Invocation>,
    declaration: Cell<Declaration>,
    aws: OnceCell<Aws>,
    target: OnceCell<Target>,
}

impl Cli {
    /// Reads the command line. Where it is wrong, or asks for help, clap says so, and the exit status is returned.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        Self::parse_from_words(std::env::args_os()).map_err(|error| {
            // clap repeats the arguments. These are as wrong as the ones that they stand for.
            let shown = std::env::args_os().map(|argument| harmless(argument.to_string_lossy()));
            let error = usage::shown(&error, Self::parse_from_words(shown).err());
            // A closed standard error has no reader.
            let _ = error.print();
            u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        })
    }

    fn parse_from_words(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> clap::error::Result<Self> {
        let matches = Self::command().try_get_matches_from(words)?;
        let names = std::iter::successors(matches.subcommand(), |(_, matches)| matches.subcommand());
        let name = names.map(|(name, _)| name).collect::<Vec<_>>().join(" ");
        let cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut Self::command()))?;
        Ok(Self { name, ..cli })
    }

    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let Self { global, command, name } = self;
        let mut context = Context::new(global, command.is_for_production());
        context.invocation = context.variable(in_vpc::VARIABLE)?.as_deref().map(Invocation::parse).transpose()?;
        if context.global.in_vpc || context.invocation.is_some() {
            in_vpc::ensure_allowed(&name)?;
        }
        if context.global.in_vpc && context.invocation.is_none() {
            return Box::pin(in_vpc::call(&context, &name)).await;
        }
        Box::pin(command.run(&context)).await
    }
}

/// Whether Lambda has started this process.
pub(crate) fn is_function() -> bool {
    variable("AWS_LAMBDA_RUNTIME_API").is_some()
}

impl Context {
    fn new(global: GlobalArgs, prod: bool) -> Self {
        let (aws, target) = (OnceCell::new(), OnceCell::new());
        Self { global, prod, invocation: None, declaration: Cell::new(), aws, target }
    }

    /// Writes a command's result to standard output. Its text is one line.
    pub(crate) fn show(&self, result: &(impl Display + Serialize)) -> anyhow::Result<Outcome> {
        self.global.output.write(result)?;
        Ok(Outcome::Done)
    }

    /// The same for a result whose text has several lines, see [`Format::write_lines`].
    pub(crate) fn show_lines(&self, result: &(impl Display + Serialize)) -> anyhow::Result<Outcome> {
        self.global.output.write_lines(result)?;
        Ok(Outcome::Done)
    }

    /// Writes a script as it is, whatever the output format.
    #[expect(clippy::unused_self, reason = "as the others")]
    pub(crate) fn show_script(&self, script: &str) -> anyhow::Result<Outcome> {
        output::write_script(script)?;
        Ok(Outcome::Done)
    }

    /// Writes the result of a check, in several lines; `differs` makes the exit status 3.
    pub(crate) fn show_check(&self, result: &(impl Display + Serialize), differs: bool) -> anyhow::Result<Outcome> {
        self.global.output.write_lines(result)?;
        Ok(if differs { Outcome::Differences } else { Outcome::Done })
    }

    /// Asks the operator to type the `expected` word, unless --yes was given.
    pub(crate) fn confirm(&self, question: &str, expected: &str) -> anyhow::Result<Consent> {
        match &self.invocation {
            Some(invocation) if !self.global.yes => invocation.confirm(question, expected),
            _ => prompt::confirm(question, expected, self.global.yes),
        }
    }

    /// The same for a step that needs a confirmation only under a condition.
    pub(crate) fn confirm_if(&self, needs: bool, question: &str, expected: &str) -> anyhow::Result<Consent> {
        if needs { self.confirm(question, expected) } else { Ok(prompt::not_needed()) }
    }

    /// Whether --prod was given, or the command is for production alone.
    pub(crate) fn is_for_production(&self) -> bool {
        self.prod
    }

    /// Whether --yes was given.
    pub(crate) fn yes(&self) -> bool {
        self.global.yes
    }

    /// The words of this command line, without the program.
    #[expect(clippy::unused_self, reason = "code without a context must not read the environment")]
    pub(crate) fn words(&self) -> anyhow::Result<Vec<String>> {
        let word = |word: OsString| Ok(db::utf8("the command line", word)?);
        std::env::args_os().skip(1).map(word).collect()
    }

    /// The AWS profile that --profile names.
    pub(crate) fn profile(&self) -> Option<&str> {
        self.global.profile.as_deref()
    }

    /// This command line with another command, such as `instance restore`, and the same deployment.
    pub(crate) fn command_line(&self, command: &str) -> String {
        let GlobalArgs { config, profile, region, operator, .. } = &self.global;
        let config = Some(config.to_string_lossy()).filter(|config| config != DEFAULT_CONFIG);
        let operator = operator.as_ref().map(ToString::to_string);
        let in_vpc = if self.invocation.is_some() && in_vpc::is_allowed(command) { "--in-vpc " } else { "" };
        let options = [
            ("operator", operator.as_deref().filter(|_| !in_vpc.is_empty())),
            ("config", config.as_deref()),
            ("profile", profile.as_deref()),
            ("region", region.as_deref()),
        ];
        let options = options.into_iter().filter_map(|(name, value)| Some(format!(" --{name} {}", quoted(value?))));
        format!("provision {in_vpc}{command}{}", options.collect::<String>())
    }

    /// A variable of the environment. One that is empty or white space counts as unset, but PGPASSWORD may be white space.
    /// Fails for one that is not UTF-8.
    #[expect(clippy::unused_self, reason = "code without a context must not read the environment")]
    pub(crate) fn variable(&self, name: &str) -> anyhow::Result<Option<String>> {
        Ok(variable(name).map(|value| db::utf8(name, value)).transpose()?)
    }

    /// The names of the variables that are set and begin like this.
    #[expect(clippy::unused_self, reason = "code without a context must not read the environment")]
    pub(crate) fn variables_like(&self, beginning: &str) -> Vec<OsString> {
        let names = std::env::vars_os().map(|(name, _)| name);
        names.filter(|name| name.as_encoded_bytes().starts_with(beginning.as_bytes())).collect()
    }

    pub(crate) fn declaration(&self) -> anyhow::Result<&Declaration> {
        if let Some(declaration) = self.declaration.get() {
            return Ok(declaration);
        }
        let declaration = match &self.invocation {
            Some(invocation) => Declaration::of_text(invocation.config(), &self.global.config)?,
            None => Declaration::read(&self.global.config)?,
        };
        Ok(self.declaration.get_or_init(|| declaration))
    }

    pub(crate) async fn aws(&self) -> anyhow::Result<&Aws> {
        // The SDK would take one that is not UTF-8 for unset, and use another account or region.
        for name in self.variables_like("AWS_").iter().filter_map(|name| name.to_str()) {
            if self.variable(name)?.is_none() {
                check_empty(name)?;
            }
        }
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        // In the operator's function they are the caller's, and the function has a role and a region of its own.
        let is_in_vpc = self.invocation.is_some();
        let of_caller = |value: &Option<String>| value.clone().filter(|_| !is_in_vpc);
        let (profile, region) = (of_caller(&self.global.profile), of_caller(&self.global.region));
        self.aws.get_or_try_init(|| Box::pin(Aws::load(profile, region, is_in_vpc, text))).await
    }

    pub(crate) async fn target(&self) -> anyhow::Result<&Target> {
        self.target.get_or_try_init(|| Box::pin(self.find_target())).await
    }

    /// Decides which database is meant. docs/operations.md and the help have the same rules.
    async fn find_target(&self) -> anyhow::Result<Target> {
        if let Some(invocation) = &self.invocation {
            let declaration = invocation.config().map(|_| self.declaration()).transpose()?;
            return Target::of_operator(self.aws().await?, declaration, variable).await;
        }
        if self.prod {
            return match self.variable("PROD_CONNECTION_URL")? {
                Some(url) => Target::production_url(&url, variable).await,
                None => Target::production(self.aws().await?, self.declaration()?, variable).await,
            };
        }
        if self.variable("DB_SECRET_ID")?.is_some() || self.variable("DB_AUTH")?.is_some() {
            return Target::of_function(self.aws().await?, variable).await;
        }
        Target::development(variable).await
    }
}

/// The value as one word for a shell.
pub(crate) fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if value.chars().all(is_plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

fn variable(name: &str) -> Option<OsString> {
    let is_blank = |value: &OsString| value.to_str().is_some_and(|value| value.trim().is_empty());
    // White space may be a password, and is nothing else.
    std::env::var_os(name).filter(|value| if name == "PGPASSWORD" { !value.is_empty() } else { !is_blank(value) })
}

#[cfg(test)]
impl Cli {
    /// Runs a command line on the test's AWS.
    pub(crate) async fn run_on(self, aws: Aws) -> anyhow::Result<Outcome> {
        let context = Context { aws: OnceCell::new_with(Some(aws)), ..Context::new(self.global, false) };
        self.command.run(&context).await
    }
}

#[cfg(test)]
impl Context {
    /// A context that has confirmed everything, with this declaration and the test's AWS.
    pub(crate) fn of_operation(declaration: Declaration, aws: Aws) -> Self {
        let config = PathBuf::from("infra/rds.toml");
        let global = GlobalArgs { output: Format::Json, yes: true, config, ..GlobalArgs::default() };
        let (declaration, aws) = (Cell::from(declaration), OnceCell::new_with(Some(aws)));
        Self { declaration, aws, ..Self::new(global, false) }
    }

    /// A context whose database is this one in production, and whose AWS is the test's.
    pub(crate) fn of_test(target: Target, aws: Aws) -> Self {
        let (aws, target) = (OnceCell::new_with(Some(aws)), OnceCell::new_with(Some(target)));
        Self { aws, target, ..Self::new(GlobalArgs::default(), true) }
    }
}
