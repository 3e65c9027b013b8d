//! `provision users why`

mod evidence;
mod note;
mod report;
mod search;
mod story;
mod table;
mod verdict;
mod who;
mod wording;

use std::time::{Duration, UNIX_EPOCH};

use clap::Args;

use self::evidence::{read_log, read_queue};
use self::note::Notes;
use self::report::Report;
use self::search::{Found, find};
use self::story::{Deployment, LogState};
use self::who::Who;
use self::wording::Wording;
use crate::aws::function::FunctionName;
use crate::aws::pool_users::Pool;
use crate::cli::Context;
use crate::output::Outcome;
use crate::pool::PoolArgs;
use crate::queue::QueueArgs;

/// Tell why a user has a row or none, and what to do
///
/// Shows what the user pool, the table, the function's log, the queue and its dead letters know of one user, by time; then
/// the cause in a sentence, and the one next command. Changes nothing. An address or a handle may belong to several users:
/// each is told of.
///
/// What cannot be read is noted, and the story goes on without it. Events that wait in the queue are only counted, because
/// each receive counts; dead letters are read, and given back.
///
/// Exit status 3 if something is to be done.
#[derive(Debug, Args)]
pub(super) struct Why {
    /// E-mail address, handle, user name, or id (sub)
    #[arg(value_name = "WHO", value_parser = Who::parse)]
    who: Who,

    #[command(flatten)]
    pool: PoolArgs,

    /// Name of the function, NAME:ALIAS, or the ARN of either; without it, the one that the pool calls
    #[arg(long, value_name = "NAME")]
    function: Option<FunctionName>,

    #[command(flatten)]
    queue: QueueArgs,

    /// How far back to read the function's log, such as 36h; the more, the longer it takes
    #[arg(long, value_name = "TIME", default_value = "14d", value_parser = humantime::parse_duration)]
    since: Duration,

    /// How long a sign-up may take until its row is there, such as 20s
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = humantime::parse_duration)]
    settle: Duration,

    /// Leave out everything personal: no address, handle, name or id, also in the next command
    #[arg(long)]
    redact: bool,
}

impl Why {
    pub(super) async fn run(self, context: &Context, is_production: bool) -> anyhow::Result<Outcome> {
        let id = self.pool.id(context)?;
        // Where the database cannot be used, that is the first thing to know.
        let target = context.target().await?;
        let answer = table::look(target, &self.who.question()).await?;
        let aws = context.aws().await?;
        let pool = Pool::new(aws, &id);
        let mut notes = Notes::default();
        let admission = match notes.unless("user pool", pool.admission().await.map_err(Into::into))? {
            Some(None) => return Err(pool.missing().into()),
            admission => admission.flatten(),
        };
        let Found { mut stories, is_pool_readable, answer } =
            find(&pool, target, &self.who, answer, &mut notes).await?;
        let called = || admission.as_ref()?.post_confirmation.as_ref()?.parse().ok();
        let function = self.function.clone().or_else(called);
        let log = if let Some(function) = &function {
            let since = answer.now.checked_sub(self.since).unwrap_or(UNIX_EPOCH);
            read_log(aws, function, since, &mut stories, &mut notes).await?
        } else {
            notes.add("log", "the pool calls no function that is known here", "name the function with --function");
            LogState::Unread
        };
        let queue = if self.queue.is_named(context)? {
            read_queue(context, &self.queue, &mut stories, &mut notes).await?
        } else {
            None
        };
        let (queue, options) = queue.unzip();
        let is_missing = stories.iter().any(|story| story.user.is_some() && story.row.is_none());
        let deployment = Deployment {
            now: answer.now,
            settle: self.settle,
            first_as_of: if is_missing { table::first_as_of(target).await? } else { None },
            admission,
            is_pool_readable,
            function,
            log,
            queue,
        };
        let name = deployment.function.as_ref().map(ToString::to_string);
        let command_line = |command: &str| context.command_line(command);
        let wording = Wording {
            command_line: &command_line,
            who: &self.who,
            pool: &id,
            function: name.as_deref(),
            queue: options.as_deref(),
            is_production,
            is_redacted: self.redact,
        };
        let report = Report::of(stories, &deployment, &wording, target, notes.0);
        context.show_check(&report, report.differs())
    }
}
