//! `provision doctor`

#![expect(clippy::doc_markdown, reason = "clap shows these comments to people, as `--help`")]

mod account;
mod capacity;
mod database;
mod deployment;
mod environment;
mod finding;
mod function;
mod instance;
mod log;
mod network;
mod queue;
mod report;
mod role;
mod route;
mod secret;
mod trigger;
mod users;

use std::pin::Pin;
use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use self::deployment::Deployment;
use self::finding::{Finding, Seen};
use self::report::Report;
use crate::aws::function::FunctionName;
use crate::aws::queue::QueueName;
use crate::cli::Context;
use crate::output::Outcome;
use crate::pool::PoolArgs;
use crate::prompt::progress;

/// From then on it is said what takes so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Find why sign-ups do not arrive
///
/// Looks at the whole deployment, from the AWS credentials to the users without a row: the declared DB instance, the
/// function and its way to the database, its role and its secret, the schema, the trigger, the queue, the log. Each check
/// says what it looked at, what it found and what to do; one that cannot be made is no pass. Nothing is changed.
///
/// The database is that of --prod elsewhere: the one in PROD_CONNECTION_URL, else that of the declared DB instance.
///
/// Exit status 3 if something is wrong, or could not be looked at.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pool: PoolArgs,
    /// Name of the function, NAME:ALIAS, or the ARN of either
    #[arg(long, value_name = "NAME")]
    function: FunctionName,
    /// Name, URL or ARN of the spill queue; without it, the one in the function's SPILL_QUEUE_URL
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,
    /// Compare every user of the pool, not only the first 3,000
    #[arg(long)]
    full: bool,
    /// How long ago a user must have been changed to count as one without a row: calls and replays may be under way
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = humantime::parse_duration)]
    settle: Duration,
}

/// One thing that is looked at.
struct Check {
    name: &'static str,
    /// What it looks at.
    subject: &'static str,
    look: for<'a> fn(&'a Deployment<'a>) -> Look<'a>,
}

/// Fails if the check cannot be made.
type Look<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Seen>> + 'a>>;

/// The checks in the order in which a fault is best looked for: what comes first is the cause of what comes later.
macro_rules! checks {
    ($($name:literal, $subject:literal, $look:path;)+) => {
        const CHECKS: &[Check] = &[$(Check {
            name: $name,
            subject: $subject,
            look: |deployment| Box::pin($look(deployment)),
        },)+];
    };
}

checks! {
    "credentials", "the AWS credentials, their account and region", account::credentials;
    "clock", "this machine's clock beside that of AWS", account::clock;
    "instance", "the declared DB instance", instance::status;
    "certificate", "the certificate of the DB instance and its CA", instance::certificate;
    "support", "the support of the DB instance's PostgreSQL", instance::support;
    "pending", "changes and maintenance that wait", instance::pending;
    "port", "the database's port, from here", database::port;
    "function", "the function's state, architecture and runtime", function::state;
    "limits", "the function's time limit, memory and log format", function::limits;
    "vpc", "the VPC and the subnets of the function", network::vpc;
    "access", "the security groups between the function and the DB instance", network::access;
    "environment", "the function's variables beside the declaration", environment::variables;
    "route", "the way from the function's subnets to Secrets Manager and Amazon SQS", route::ways;
    "secret", "the function's secret and its content", secret::content;
    "rotation", "the rotation of the function's secret", secret::rotation;
    "role", "what the function's execution role may do", role::permissions;
    "login", "the function's login at the database", database::login;
    "schema", "the migrations and the contract's functions", database::schema;
    "rights", "the rights of the function's database role", database::rights;
    "trigger", "the user pool's Post confirmation trigger", trigger::attachment;
    "permission", "Cognito's permission to invoke the function", trigger::permission;
    "healing", "the trigger that heals at sign-ins", trigger::healing;
    "concurrency", "the function's concurrency beside the connections of its role", capacity::concurrency;
    "throttles", "the function's throttled calls of the last day", capacity::throttles;
    "queue", "the spill queue, its settings and its oldest event", queue::events;
    "replay", "the function that replays the queue", queue::replay;
    "dead-letters", "the dead letters", queue::dead_letters;
    "version", "the version of the function that runs", log::version;
    "failures", "the function's log of the last day", log::failures;
    "users", "confirmed users without a row", users::missing;
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let pool = self.pool.id(context)?;
        let deployment = Deployment::new(context, pool, self);
        let mut findings = Vec::new();
        for Check { name, subject, look } in CHECKS {
            let mut look = look(&deployment);
            let seen = if let Ok(seen) = timeout(PATIENCE, &mut look).await {
                seen
            } else {
                progress(&format!("looking at {subject}"));
                look.await
            };
            findings.push(Finding::new(name, subject, seen));
        }
        let report = Report::new(&deployment, findings);
        let is_wrong = report.is_wrong();
        context.show_check(&report, is_wrong)
    }
}
