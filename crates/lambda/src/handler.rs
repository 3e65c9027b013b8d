//! One invocation, from the event to the answer: parse, ensure or heal, report, answer.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lambda_events::sqs::SqsEvent;
use cognito::{Event, Occasion, UserEvent};
use db::users::{self, Ensured};
use db::{Aws, Budget, Database, Session, Settings, Spent};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde_json::value::RawValue;
use tokio::sync::OnceCell;
use tracing::warn;

use crate::diagnostics::chain;
use crate::failure::{self, Failure};
use crate::heal::{Advice, Heals};
use crate::outcome::{Failed, Outcome};
use crate::queue::Queue;
use crate::replay::{self, Queues};
use crate::report::Report;
use crate::spill;
use crate::start::Start;
use crate::time_limit::{self, is_short, replay_time_limit, sign_in_time_limit, time_limit};

/// The URL of the queue that takes what the database cannot, if there is one; of the replay, the one it reads.
const SPILL_QUEUE: &str = "SPILL_QUEUE_URL";

/// The URL of the queue for what no database could ensure; only the replay sends there.
const DEAD_LETTERS: &str = "DEAD_LETTER_QUEUE_URL";

/// The function, for as long as its process lives.
pub(crate) struct PostConfirmation<V> {
    variable: V,
    start: Start,
    is_first: AtomicBool,
    aws: OnceLock<Aws>,
    database: OnceCell<Database>,
    spill_queue: OnceCell<Option<Queue>>,
    dead_letters: OnceCell<Option<Queue>>,
    heals: Heals,
    /// The account of connecting ahead.
    ahead: OnceLock<Spent>,
}

impl<V: Fn(&str) -> Option<OsString>> PostConfirmation<V> {
    /// Makes a function that reads its settings from `variable` when it needs them.
    pub(crate) fn new(variable: V, start: Start) -> Self {
        let is_first = AtomicBool::new(true);
        let (aws, database, ahead) = (OnceLock::new(), OnceCell::new(), OnceLock::new());
        let (spill_queue, dead_letters) = (OnceCell::new(), OnceCell::new());
        Self { variable, start, is_first, aws, database, spill_queue, dead_letters, heals: Heals::default(), ahead }
    }

    /// Connects ahead of the first invocation, unless a snapshot is taken then. A failure is only logged: the first
    /// invocation tries again.
    pub(crate) async fn connect_ahead(&self) {
        if !self.start.is_for_snapshot() {
            tokio::join!(self.connect_to_database_ahead(), self.connect_to_queue_ahead());
        }
    }

    async fn connect_to_database_ahead(&self) {
        let budget = Budget::new(time_limit::LIMIT);
        let connected = async { self.database().await?.connect_ahead(&budget).await }.await;
        self.ahead.get_or_init(|| budget.spent());
        if let Err(error) = connected {
            warn!(
                errorType = error.kind().as_str(),
                error = chain(&error),
                remedy = failure::remedy(&error),
                "not connected yet; the first invocation tries again"
            );
        }
    }

    async fn connect_to_queue_ahead(&self) {
        let Some(queue) = self.spill_queue().await else { return };
        if let Err(error) = queue.check(time_limit::LIMIT).await {
            warn!(
                error = chain(&error),
                remedy = error.remedy(),
                "the queue of {SPILL_QUEUE} cannot be used; without it, a sign-up fails while the database is away"
            );
        }
    }

    /// Notes that the function asks for its first event now.
    pub(crate) fn ready(&self) {
        self.start.ready();
    }

    /// Closes the connection, so that the server need not detect its end.
    pub(crate) async fn close(&self) {
        if let Some(database) = self.database.get() {
            database.close().await;
        }
    }

    /// Ensures the row of the event's user and answers with the event, exactly as it came.
    pub(crate) async fn handle(&self, invocation: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
        let (begun, arrived) = (Instant::now(), SystemTime::now());
        let LambdaEvent { payload, context } = invocation;
        let is_first = self.is_first.swap(false, Ordering::Relaxed);
        let event = Event::parse(&payload);
        if event.is_err()
            && let Some(batch) = replay::batch(&payload)
        {
            return self.replay(batch, &context, begun, is_first).await;
        }
        let occasion = event.as_ref().map_or_else(|_| Event::likely_occasion(&payload), Event::occasion);
        let limit = self.time_limit(&context, is_first, occasion);
        let queue = if occasion == Occasion::Confirmation { self.spill_queue().await } else { None };
        let budget = Budget::new(limit.saturating_sub(queue.map_or(Duration::ZERO, |_| spill::share(limit))));

        let result = match (&event, occasion) {
            (Err(error), _) => Err(Failure::from(*error)),
            (Ok(event), Occasion::Confirmation) => self.ensure(event, arrived, &budget).await,
            (Ok(event), Occasion::SignIn) => self.heal(event, &budget).await,
            (Ok(_), Occasion::Machine) => Ok(Outcome::Machine),
            (Ok(_), Occasion::Other) => Ok(Outcome::Ignored),
        };
        let event = event.as_ref().ok();
        let result = match (result, event, queue) {
            (Err(failure), Some(event), Some(queue)) if spill::is_worth_keeping(&failure) => {
                let message = spill::message(&payload, event, &failure, arrived, &context.request_id);
                let is_kept = spill::keep(&message, queue, limit.saturating_sub(begun.elapsed())).await;
                Err((failure, if is_kept { Failed::Spilled } else { Failed::of(Some(event), occasion) }))
            }
            (result, ..) => result.map_err(|failure| (failure, Failed::of(event, occasion))),
        };
        let report = Report {
            context: &context,
            message_id: None,
            event,
            result: &result,
            time: begun.elapsed(),
            spent: budget.spent(),
            ahead: self.ahead.get().filter(|_| is_first),
            is_cold: is_first && self.start.is_cold(),
        };
        report.write();
        match result {
            Err((failure, Failed::Closed)) => Err(failure.answer(&context.request_id)),
            _ => Ok(payload),
        }
    }

    /// Ensures the row of a user who has confirmed.
    async fn ensure(&self, event: &Event, as_of: SystemTime, budget: &Budget) -> Result<Outcome, Failure> {
        if !event.is_known_confirmation() {
            warn!(
                triggerSource = event.trigger_source,
                "this trigger source is new to this version; its users get their rows all the same"
            );
        }
        let user_event = UserEvent::new(event, as_of)?;
        let database = self.database().await?;
        let ensured = database.run(budget, async |session: &Session| users::ensure(session, &user_event).await).await;
        // Whatever the outcome: the row may be another one than at the last sign-in.
        self.heals.forget(event);
        Ok(Outcome::Ensured(ensured?))
    }

    /// Ensures the row of a user who signs in, as far as the short time allows.
    async fn heal(&self, event: &Event, budget: &Budget) -> Result<Outcome, Failure> {
        let now = SystemTime::now();
        let user_event = UserEvent::new(event, now)?;
        match self.heals.advise(event, now) {
            Advice::Known => return Ok(Outcome::Known),
            Advice::Skip => return Ok(Outcome::Skipped),
            // A statement that ends as soon as it begins would only cost the session.
            Advice::Ask if budget.remaining() < time_limit::SHORTEST_SIGN_IN => return Ok(Outcome::Skipped),
            Advice::Ask => {}
        }
        let ensured = async {
            let database = self.database().await?;
            database.run_briefly(budget, async |session: &Session| users::ensure(session, &user_event).await).await
        };
        match ensured.await {
            Ok(ensured) => {
                self.heals.was_right(event, SystemTime::now());
                Ok(if ensured == Ensured::Created { Outcome::Healed } else { Outcome::Ensured(ensured) })
            }
            Err(error) => {
                // This user's data says nothing about the others.
                if error.is_about_the_data() {
                    self.heals.answered();
                } else {
                    self.heals.failed(SystemTime::now());
                }
                Err(error.into())
            }
        }
    }

    /// Ensures the rows of a batch of messages of the spill queue, and reports each.
    async fn replay(
        &self,
        batch: SqsEvent,
        context: &Context,
        begun: Instant,
        is_first: bool,
    ) -> Result<Box<RawValue>, Diagnostic> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let budget = Budget::new(replay_time_limit(Duration::from_millis(context.deadline), now));
        let queues = Queues { spill: self.spill_queue().await, dead_letters: self.dead_letters().await };
        let replayed = replay::replay(batch, self.database().await, queues, &budget, &context.request_id).await;
        for replayed in &replayed {
            let report = Report {
                context,
                message_id: replayed.message_id(),
                event: replayed.event.as_ref(),
                result: &replayed.result,
                time: begun.elapsed(),
                spent: budget.spent(),
                ahead: self.ahead.get().filter(|_| is_first),
                is_cold: is_first && self.start.is_cold(),
            };
            report.write();
        }
        let answer = replay::answer(&replayed)?;
        Ok(serde_json::value::to_raw_value(&answer).expect("texts are JSON"))
    }

    async fn spill_queue(&self) -> Option<&Queue> {
        self.spill_queue.get_or_init(|| self.open_queue(SPILL_QUEUE)).await.as_ref()
    }

    /// None if it is the spill queue itself, where a dead letter would be received again and again, as a new message.
    async fn dead_letters(&self) -> Option<&Queue> {
        let open = async || {
            let dead_letters = self.open_queue(DEAD_LETTERS).await?;
            if self.spill_queue().await.is_some_and(|spill| spill.is_same(&dead_letters)) {
                warn!(
                    remedy = "set it to the URL of another queue, the one that the spill queue's redrive policy names",
                    "{DEAD_LETTERS} names the spill queue itself and is ignored"
                );
                return None;
            }
            Some(dead_letters)
        };
        self.dead_letters.get_or_init(open).await.as_ref()
    }

    /// The queue that the variable names.
    async fn open_queue(&self, variable: &'static str) -> Option<Queue> {
        let url = (self.variable)(variable)?;
        let url = url.to_string_lossy();
        let url = Some(url.trim()).filter(|url| !url.is_empty())?;
        let opened = Queue::open(url, self.aws()).await;
        opened.inspect_err(|error| warn!(error = chain(error), remedy = error.remedy(), "{variable} is unusable")).ok()
    }

    async fn database(&self) -> Result<&Database, db::Error> {
        let open = async || {
            let settings = Settings::from_variables(&self.variable)?.with_aws(self.aws().clone());
            Ok(Database::new(settings, env!("CARGO_PKG_NAME")))
        };
        self.database.get_or_try_init(open).await
    }

    /// What the database's login and the queues share.
    fn aws(&self) -> &Aws {
        self.aws.get_or_init(|| Aws::from_variables(&self.variable))
    }

    /// The time that this invocation may take.
    fn time_limit(&self, context: &Context, is_first: bool, occasion: Occasion) -> Duration {
        let waited = if is_first { self.start.waited() } else { Duration::ZERO };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline = Duration::from_millis(context.deadline);
        if is_first && is_short(deadline, now) {
            warn!("the function's timeout in Lambda is shorter than Cognito waits; set it to 6 s or more");
        }
        match occasion {
            Occasion::SignIn => sign_in_time_limit(waited, deadline, now),
            _ => time_limit(waited, deadline, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::Ipv4Addr;

    use tempfile::NamedTempFile;
    use testkit::Authority;
    use tokio::net::TcpListener;

    use super::*;

    /// Time is paused: tokio jumps to the next timer when there is nothing else to do.
    #[tokio::test(start_paused = true)]
    async fn a_sign_in_has_its_event_back_within_300_ms_and_at_once_after_three_failures() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = server.local_addr().expect("its address").port();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok(connection) = server.accept().await {
                open.push(connection);
            }
        });
        let mut root = NamedTempFile::new().expect("a file");
        let authority = Authority::new("a test's").expect("an authority");
        root.write_all(authority.root_certificate().as_bytes()).expect("the file is writable");
        let root = root.path().to_owned();
        let variable = move |name: &str| match name {
            "CONNECTION_URL" => Some(format!("postgres://user:password@127.0.0.1:{port}/app").into()),
            "PGSSLROOTCERT" => Some(root.clone().into_os_string()),
            _ => None,
        };
        let function = PostConfirmation::new(variable, Start::new(Some("provisioned-concurrency")));
        for number in 0..6 {
            let event = format!(
                r#"{{"triggerSource": "TokenGeneration_RefreshTokens", "request": {{"userAttributes": {{"sub": "{number}"}}}}}}"#
            );
            let payload = RawValue::from_string(event.clone()).expect("it is JSON");
            let begun = tokio::time::Instant::now();
            let answer = function.handle(LambdaEvent::new(payload, Context::default())).await.expect("no error");
            let elapsed = begun.elapsed();
            assert_eq!(answer.get(), event);
            let limit = if number < 3 { Duration::from_millis(300) } else { Duration::ZERO };
            assert!(elapsed <= limit, "sign-in {number}: {elapsed:?}");
        }
    }
}
