//! Budget: one limit for all that an invocation does, and the account of how that time was spent.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::Error;

/// The time that everything together may take, retries included. Keeps an account of it, which its clones and parts
/// share.
#[derive(Clone, Debug)]
pub struct Budget {
    deadline: Instant,
    /// Ends the budget early, once its [`Stop`] is dropped.
    stop: Option<watch::Receiver<()>>,
    account: Arc<Account>,
}

/// Ends a budget when it is dropped, so that the work under it is given up in order, see [`Budget::stoppable`].
#[derive(Debug)]
pub(crate) struct Stop {
    _sender: watch::Sender<()>,
}

/// A part of the work; [`Error::BudgetExceeded`] names the one that was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reading the secret from Secrets Manager, or making an IAM token.
    ReadSecret,
    /// Reading the file of root certificates.
    ReadRoots,
    /// Asking DNS for the server's address.
    ResolveHost,
    /// Waiting for the server to accept the TCP connection.
    Connect,
    /// TLS and the server's check of user and password.
    Authenticate,
    /// Waiting for the answer to a statement.
    Query,
    /// Having the server give up a statement whose answer is no longer waited for.
    Cancel,
}

/// The account of a [`Budget`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// The number of attempts, retries included; 0 if the database was not needed.
    pub attempts: u32,
    /// The time of each step, in the order of [`Step::ALL`].
    pub steps: [Duration; Step::ALL.len()],
}

#[derive(Debug, Default)]
struct Account {
    attempts: AtomicU32,
    /// Microseconds.
    steps: [AtomicU64; Step::ALL.len()],
}

impl Budget {
    /// Makes a budget that ends this long from now.
    pub fn new(limit: Duration) -> Self {
        Self { deadline: Instant::now() + limit, stop: None, account: Arc::default() }
    }

    /// The time that is left.
    pub fn remaining(&self) -> Duration {
        if self.is_stopped() { Duration::ZERO } else { self.deadline.saturating_duration_since(Instant::now()) }
    }

    /// Returns whether the [`Stop`] was dropped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.has_changed().is_err())
    }

    /// Returns the account so far.
    pub fn spent(&self) -> Spent {
        let micros = |step: &AtomicU64| Duration::from_micros(step.load(Ordering::Relaxed));
        Spent {
            attempts: self.account.attempts.load(Ordering::Relaxed),
            steps: self.account.steps.each_ref().map(micros),
        }
    }

    /// A part of this budget: at most `limit` long, on the same account.
    pub(crate) fn at_most(&self, limit: Duration) -> Self {
        Self { deadline: self.deadline.min(Instant::now() + limit), ..self.clone() }
    }

    /// All of this budget but the last `reserve`.
    pub(crate) fn without(&self, reserve: Duration) -> Self {
        let deadline = self.deadline.checked_sub(reserve).unwrap_or(self.deadline);
        Self { deadline, ..self.clone() }
    }

    /// All of this budget, unless the [`Stop`] is dropped first.
    pub(crate) fn stoppable(&self) -> (Self, Stop) {
        let (sender, stop) = watch::channel(());
        (Self { stop: Some(stop), ..self.clone() }, Stop { _sender: sender })
    }

    /// This budget's last `limit`, whether it was stopped or not: for what must still be done then.
    pub(crate) fn last(&self, limit: Duration) -> Self {
        Self { stop: None, ..self.at_most(limit) }
    }

    /// Waits for `future` and no longer. Fails with [`Error::BudgetExceeded`] naming `step`.
    pub(crate) async fn spend<T>(&self, step: Step, future: impl Future<Output = T>) -> Result<T, Error> {
        let begun = Instant::now();
        let done = tokio::select! {
            biased;
            done = future => Ok(done),
            () = self.over() => Err(Error::BudgetExceeded { step }),
        };
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.account.steps[step as usize].fetch_add(micros, Ordering::Relaxed);
        done
    }

    /// Waits this long, or until the budget is over.
    pub(crate) async fn pause(&self, time: Duration) {
        tokio::select! {
            () = sleep(time) => {}
            () = self.over() => {}
        }
    }

    async fn over(&self) {
        let stopped = async {
            match self.stop.clone() {
                // Nothing is ever sent: the only news is that the sender is gone.
                Some(mut stop) => drop(stop.changed().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep_until(self.deadline) => {}
            () = stopped => {}
        }
    }

    /// Enters another attempt in the account.
    pub(crate) fn begin_attempt(&self) {
        self.account.attempts.fetch_add(1, Ordering::Relaxed);
    }
}

impl Spent {
    /// The time of each step that took any.
    pub fn by_step(&self) -> impl Iterator<Item = (Step, Duration)> {
        Step::ALL.into_iter().zip(self.steps).filter(|(_, time)| !time.is_zero())
    }
}

impl Step {
    /// Every step, in the order of a first connection.
    pub const ALL: [Self; 7] = [
        Self::ReadSecret,
        Self::ReadRoots,
        Self::ResolveHost,
        Self::Connect,
        Self::Authenticate,
        Self::Query,
        Self::Cancel,
    ];

    /// The name for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadSecret => "readSecret",
            Self::ReadRoots => "readRoots",
            Self::ResolveHost => "resolveHost",
            Self::Connect => "connect",
            Self::Authenticate => "authenticate",
            Self::Query => "query",
            Self::Cancel => "cancel",
        }
    }

    /// The way out when the time ran out in this step.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::ReadSecret => {
                "check the way to Secrets Manager: a function inside a VPC needs an interface endpoint or a NAT gateway"
            }
            Self::ReadRoots => "check that PGSSLROOTCERT names a regular file, and that its file system answers",
            Self::ResolveHost => "check the host name and the VPC's DNS",
            Self::Connect => "check that the security groups and routes let this network reach the database",
            Self::Authenticate => "check that the server, or the proxy before it, is healthy and not overloaded",
            Self::Query | Self::Cancel => "look for sessions that hold locks on `users`, and at the server's load",
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadSecret => "reading the secret or making an IAM token",
            Self::ReadRoots => "reading the root certificates",
            Self::ResolveHost => "resolving the database's host name",
            Self::Connect => "connecting to the database server",
            Self::Authenticate => "waiting for TLS and the server's check of the password",
            Self::Query => "waiting for the answer to the statement",
            Self::Cancel => "cancelling the statement",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_step_that_takes_longer_than_the_budget_ends_with_its_name() {
        let budget = Budget::new(Duration::from_secs(4));
        let error = budget.spend(Step::Query, std::future::pending::<()>()).await.expect_err("it never ends");
        assert!(matches!(error, Error::BudgetExceeded { step: Step::Query }), "{error}");
        assert_eq!(budget.remaining(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_of_a_budget_never_outlasts_it() {
        let budget = Budget::new(Duration::from_secs(4));
        assert_eq!(budget.at_most(Duration::from_secs(9)).remaining(), Duration::from_secs(4));
        assert_eq!(budget.at_most(Duration::from_secs(1)).remaining(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_ends_when_it_is_stopped_and_what_is_left_of_it_can_still_be_spent() {
        let (budget, stop) = Budget::new(Duration::from_secs(4)).stoppable();
        let part = budget.at_most(Duration::from_secs(3));
        let stopped = async {
            sleep(Duration::from_secs(1)).await;
            drop(stop);
        };
        let (spent, ()) = tokio::join!(part.spend(Step::Query, std::future::pending::<()>()), stopped);
        spent.expect_err("it is stopped");
        assert_eq!((budget.remaining(), part.remaining()), (Duration::ZERO, Duration::ZERO));
        let last = budget.last(Duration::from_secs(9));
        assert_eq!(last.remaining(), Duration::from_secs(3));
        last.spend(Step::Cancel, sleep(Duration::from_secs(2))).await.expect("there is time");
    }

    #[tokio::test(start_paused = true)]
    async fn the_account_adds_up_all_parts_by_step() {
        let budget = Budget::new(Duration::from_secs(4));
        assert_eq!(budget.spent(), Spent::default());
        let seconds = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
        for _ in 0..2 {
            budget.begin_attempt();
            budget.at_most(Duration::from_secs(1)).spend(Step::Connect, seconds(9)).await.expect_err("it takes longer");
        }
        budget.spend(Step::Query, seconds(1)).await.expect("there is time");
        let spent = budget.spent();
        assert_eq!(spent.attempts, 2);
        let steps: Vec<_> = spent.by_step().map(|(step, time)| (step, time.as_secs())).collect();
        assert_eq!(steps, [(Step::Connect, 2), (Step::Query, 1)]);
    }

    #[test]
    fn every_step_has_its_place_in_the_account() {
        for (place, step) in Step::ALL.into_iter().enumerate() {
            assert_eq!(step as usize, place, "{step:?}");
        }
    }
}
