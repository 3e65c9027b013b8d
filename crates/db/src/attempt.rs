//! The attempts of [`Database::run`] and [`Database::run_briefly`]: on the kept session, and on new ones.
//!
//! A session that does not answer may be slow or dead, and no time limit tells which. So after a while a new session is
//! asked as well, and the first answer counts. What is given up, the server gives up too.

use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::RwLockWriteGuard;
use tokio::time::{Instant, timeout};

use crate::budget::Step;
use crate::statement::answer;
use crate::{Budget, Database, Error, Kind, Session};

/// How long a session at least has to answer before a new one is asked as well. A statement takes some
/// milliseconds; a longer one may be on a connection that died while the process was frozen.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(700);

/// The shortest time that is worth another attempt.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(250);

/// The shortest time that is worth a second connection beside one that is being opened.
const SHORTEST_SECOND: Duration = Duration::from_millis(500);

/// First and longest pause between two attempts: long enough that many functions do not retry at once, short beside the
/// time that a user waits.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));

/// Attempts with refused credentials, which are read or made again for each: two to three seconds. A rotation changes
/// them within a second or two, and so does the right to log in with a token.
const CREDENTIAL_ATTEMPTS: u32 = 10;

/// How long a session has to answer before a new one is asked as well: twice the time of the last answer.
///
/// While the server is slow, a second session would only add to its load.
#[derive(Debug)]
pub(crate) struct Patience(Mutex<Duration>);

impl Default for Patience {
    fn default() -> Self {
        Self(Mutex::new(SHORTEST_PATIENCE))
    }
}

impl Patience {
    /// No more than half of the budget, so that there is time for a new session.
    fn within(&self, budget: &Budget) -> Duration {
        (*self.0.lock().expect("no panic while it is locked")).min(budget.remaining() / 2)
    }

    /// The server took this long to answer, or has not answered in this time.
    fn learn(&self, time: Duration) {
        *self.0.lock().expect("no panic while it is locked") = (2 * time).max(SHORTEST_PATIENCE);
    }
}

impl Database {
    /// Runs `operation` on the kept session, or on a new one that is then kept.
    ///
    /// An error that may pass is retried on a new connection for as long as the budget lasts: a dead or stalled
    /// connection, a failover, a restart, a rotation of the password, too many connections. A session that is slow to
    /// answer is still waited for while a new one is asked as well. So `operation` must be idempotent, and may run
    /// twice at once.
    ///
    /// When it ends, no statement goes on at the server: what is given up is cancelled there, within the last 250 ms of
    /// the budget, as long as the server can be reached.
    pub async fn run<T>(
        &self,
        budget: &Budget,
        operation: impl AsyncFn(&Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Some(kept) = self.take_kept()
            && !Box::pin(self.credentials.have_moved_from(kept.login(), budget)).await
        {
            budget.begin_attempt();
            match self.ask_and_another(kept, budget, &operation).await {
                Err(failed) if failed.may_succeed_on_new() && budget.remaining() >= SHORTEST_ATTEMPT => {}
                answer => return answer.map_err(|failed| failed.error),
            }
        }
        // Boxed, here and below: it is large, and rarely run.
        Box::pin(self.run_on_new(budget, Another::IfSlow, &operation)).await
    }

    /// Runs `operation` in a time that is too short for [`Self::run`], and gives it up where that is not enough.
    ///
    /// With a budget of less than a second it opens no connection beside another; and one only if no session is kept, or if
    /// the kept one is closed or the secret names another server: a server that is slow or stalled gets no other work of it.
    /// How long [`Self::run`] waits for a session stays as it is.
    pub async fn run_briefly<T>(
        &self,
        budget: &Budget,
        operation: impl AsyncFn(&Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Some(kept) = self.take_kept()
            && !Box::pin(self.credentials.have_moved_from(kept.login(), budget)).await
        {
            budget.begin_attempt();
            match self.ask(kept, budget, &operation).await {
                Err(Failed { error, .. }) if matches!(error, Error::ConnectionLost { .. }) || error.is_fatal() => {}
                answer => return answer.map_err(|failed| failed.error),
            }
        }
        let session = Box::pin(self.session(budget)).await?;
        self.ask(session, budget, &operation).await.map_err(|failed| failed.error)
    }

    /// Runs it on this session, and on a new one as well where this one does not answer soon.
    async fn ask_and_another<T>(
        &self,
        session: Session,
        budget: &Budget,
        operation: &impl AsyncFn(&Session) -> Result<T, Error>,
    ) -> Result<T, Failed> {
        let begun = Instant::now();
        let (first_budget, stop_first) = budget.stoppable();
        let mut on_first = pin!(self.ask(session, &first_budget, operation));
        if let Ok(answer) = timeout(self.patience.within(budget), &mut on_first).await {
            if !answer.as_ref().is_err_and(Failed::may_succeed_on_new) {
                self.patience.learn(begun.elapsed());
            }
            return answer;
        }

        let (new_budget, stop_new) = budget.stoppable();
        let mut on_new = Box::pin(self.run_on_new(&new_budget, Another::Never, operation));
        let (answer, is_slow) = tokio::select! {
            answer = &mut on_first => match answer {
                Err(failed) if failed.may_succeed_on_new() => (on_new.await.map_err(Failed::from), false),
                answer => {
                    drop(stop_new);
                    // It ends as soon as its statement is cancelled, and its answer does not count any more.
                    let _ = on_new.await;
                    (answer, true)
                }
            },
            answer = &mut on_new => match answer {
                Ok(value) => {
                    drop(stop_first);
                    let _ = on_first.await;
                    (Ok(value), false)
                }
                // That a new session cannot be had says nothing about the first one.
                Err(error) => (on_first.await.or(Err(error.into())), false),
            },
        };
        // A new session that was opened, and waits as long, is not the remedy either.
        let waits = |failed: &Failed| matches!(failed.error, Error::BudgetExceeded { step: Step::Query });
        let is_slow = is_slow || answer.as_ref().is_err_and(waits);
        self.patience.learn(if is_slow { begun.elapsed() } else { Duration::ZERO });
        answer
    }

    /// Runs it on a new session, and on another where that fails in a way that may pass.
    async fn run_on_new<T>(
        &self,
        budget: &Budget,
        another: Another,
        operation: &impl AsyncFn(&Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut refusals = 0;
        let mut is_followed = false;
        let mut cause = None;
        let (mut pause, longest_pause) = PAUSES;
        loop {
            let answer = match (self.session(budget).await, another) {
                (Ok(session), Another::IfSlow) => self.ask_and_another(session, budget, operation).await,
                (Ok(session), Another::Never) => self.ask(session, budget, operation).await,
                (Err(error), _) => Err(error.into()),
            };
            let Failed { error, is_outdated } = match answer {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            // Once: a secret that changes again and again leads nowhere.
            if is_outdated && !std::mem::replace(&mut is_followed, true) {
                continue;
            }
            let may_pass = if error.kind() == Kind::CredentialsRejected {
                refusals += 1;
                self.credentials.may_change() && refusals < CREDENTIAL_ATTEMPTS
            } else {
                error.is_transient()
            };
            if !may_pass {
                return Err(error);
            }
            // That the last attempt was short of time says less than the error before it.
            cause = match error {
                Error::BudgetExceeded { .. } => cause.or(Some(error)),
                error => Some(error),
            };
            let jittered = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            if let Some(cause) = cause.take_if(|_| budget.remaining() < jittered + SHORTEST_ATTEMPT) {
                return Err(cause);
            }
            budget.pause(jittered).await;
            pause = (pause * 2).min(longest_pause);
        }
    }

    /// Opens a session, or takes one that another use gives back meanwhile.
    ///
    /// A connection that takes half of the time may be slow or dead as well, so a second one is opened beside it, and
    /// the first that stands is taken. No third one: they would only add to the load of a server that is slow.
    pub(crate) async fn session(&self, budget: &Budget) -> Result<Session, Error> {
        budget.begin_attempt();
        let mut connecting = Box::pin(async {
            tokio::select! {
                biased;
                session = self.given_back(budget) => Ok(session),
                session = self.log_in(budget, true) => session,
            }
        });
        let half = (budget.remaining() / 2).max(SHORTEST_ATTEMPT);
        if let Ok(session) = timeout(half, &mut connecting).await {
            return session;
        }
        // The secret may name another server by now.
        self.credentials.doubt();
        if budget.remaining() < SHORTEST_SECOND {
            return connecting.await;
        }
        budget.begin_attempt();
        let mut another = Box::pin(self.connect(budget));
        tokio::select! {
            // At the end of the budget, this one knows better which step it was: the first may only have waited.
            biased;
            session = &mut another => match session {
                Ok(session) => Ok(session),
                Err(error) => connecting.await.or(Err(error)),
            },
            session = &mut connecting => match session {
                Ok(session) => Ok(session),
                Err(error) => another.await.or(Err(error)),
            },
        }
    }

    /// Waits for the use that opens a connection, if there is one: it may give it back soon. Those that have waited for
    /// it do not wait for each other.
    pub(crate) async fn turn(&self, budget: &Budget) -> Result<Option<RwLockWriteGuard<'_, ()>>, Error> {
        if let Ok(turn) = self.opening.try_write() {
            return Ok(Some(turn));
        }
        let free = async {
            drop(self.opening.read().await);
            if budget.remaining() < SHORTEST_ATTEMPT {
                std::future::pending::<()>().await;
            }
        };
        budget.spend(Step::Connect, free).await?;
        Ok(None)
    }

    /// Runs it on this session, which is kept afterwards if another statement can follow.
    async fn ask<T>(
        &self,
        session: Session,
        budget: &Budget,
        operation: &impl AsyncFn(&Session) -> Result<T, Error>,
    ) -> Result<T, Failed> {
        let (answer, is_free) = answer(&session, budget, operation).await;
        let failed = match answer {
            Ok(value) => {
                if is_free {
                    self.keep(session);
                }
                return Ok(value);
            }
            Err(error) if error.is_about_the_data() => error.into(),
            Err(error) => {
                // Another server, or another login, may explain it.
                self.credentials.doubt();
                let is_final = !error.is_transient() && !error.is_fatal();
                let is_outdated = is_final && Box::pin(self.credentials.differ_from(session.login(), budget)).await;
                Failed { error, is_outdated }
            }
        };
        if !is_free {
            return Err(failed);
        }
        // A session that answers to a request to cancel is slow, not dead.
        let is_slow = matches!(failed.error, Error::BudgetExceeded { step: Step::Query });
        if failed.may_succeed_on_new() && !is_slow {
            tokio::spawn(session.close());
        } else {
            self.keep(session);
        }
        Err(failed)
    }
}

/// Whether a new session is asked beside one that does not answer soon: one is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Another {
    IfSlow,
    Never,
}

/// The error of an operation on one session.
struct Failed {
    error: Error,
    /// True if the secret names another server, database or user than the session's by now.
    is_outdated: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, is_outdated: false }
    }
}

impl Failed {
    /// Returns whether a new session may do better than this one: its connection may be the reason, its server, its login,
    /// or its role, which another one by the same name has replaced. The data's own fault is on every session the same.
    fn may_succeed_on_new(&self) -> bool {
        !self.error.is_about_the_data()
    }
}
