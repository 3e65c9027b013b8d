//! One limit for all that an invocation does.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::Error;

/// The time that everything together may take, retries included.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    deadline: Instant,
}

/// What was being done when the time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Waiting for the answer of Secrets Manager.
    ReadSecret,
    /// Asking DNS for the server's address.
    ResolveHost,
    /// Waiting for the server to accept the TCP connection.
    Connect,
    /// TLS and the server's check of user and password.
    Authenticate,
    /// Waiting for the answer to a statement.
    Query,
}

impl Budget {
    /// A budget that ends this long from now.
    pub fn new(limit: Duration) -> Self {
        Self { deadline: Instant::now() + limit }
    }

    /// What is left.
    pub fn remaining(self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// A budget of at most `limit` within this one.
    pub(crate) fn at_most(self, limit: Duration) -> Self {
        Self { deadline: self.deadline.min(Instant::now() + limit) }
    }

    /// Waits for `future` and no longer. Fails with [`Error::BudgetExceeded`] naming `step`.
    pub(crate) async fn spend<T>(self, step: Step, future: impl Future<Output = T>) -> Result<T, Error> {
        timeout_at(self.deadline, future).await.map_err(|_| Error::BudgetExceeded { step })
    }
}

impl Step {
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::ReadSecret => {
                "check the way to Secrets Manager: a function inside a VPC needs an interface endpoint or a NAT gateway"
            }
            Self::ResolveHost => "check the host name and the VPC's DNS",
            Self::Connect => "check that the security groups and routes let this network reach the database",
            Self::Authenticate => "check that the server, or the proxy before it, is healthy and not overloaded",
            Self::Query => "look for sessions that hold locks on `users`, and at the server's load",
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadSecret => "reading the secret",
            Self::ResolveHost => "resolving the database's host name",
            Self::Connect => "connecting to the database server",
            Self::Authenticate => "waiting for TLS and the server's check of the password",
            Self::Query => "waiting for the answer to the statement",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_longer_ends_with_the_name_of_its_step() {
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
}
