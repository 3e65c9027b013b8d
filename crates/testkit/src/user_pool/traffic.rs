//! Requests: how many, how fast, and those that fail because a test wants it.

use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;

use super::State;
use super::answer::Refusal;

/// How a request fails because a test wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Too many requests.
    Throttled,
    /// Status 500.
    Internal,
    /// The operator's credentials have expired.
    ExpiredCredentials,
    /// The connection is closed without an answer.
    Closed,
    /// No answer ever comes.
    Stalled,
}

/// Whether a request is answered.
#[derive(Debug)]
pub(super) enum Verdict {
    Pass,
    Refuse(Refusal),
    Close,
    Stall,
}

#[derive(Debug, Default)]
pub(super) struct Traffic {
    counts: BTreeMap<(String, String), u64>,
    list_requests: u64,
    failures: VecDeque<(String, Failure)>,
    buckets: BTreeMap<&'static str, Bucket>,
}

impl Traffic {
    pub(super) fn counts(&self) -> &BTreeMap<(String, String), u64> {
        &self.counts
    }

    /// `ListUsers` requests so far, with those that failed.
    pub(super) fn list_requests(&self) -> u64 {
        self.list_requests
    }

    pub(super) fn count(&mut self, action: &str, end: &str) {
        *self.counts.entry((action.to_owned(), end.to_owned())).or_default() += 1;
    }

    pub(super) fn fail_next(&mut self, action: &str, failure: Failure, times: usize) {
        self.failures.extend(std::iter::repeat_n((action.to_owned(), failure), times));
    }

    pub(super) fn fail_no_more(&mut self) {
        self.failures.clear();
    }
}

impl State {
    /// Decides before a request is read.
    pub(super) fn admit(&mut self, action: &str) -> Verdict {
        if action == "ListUsers" {
            self.traffic.list_requests += 1;
        }
        let failures = &mut self.traffic.failures;
        let position = failures.iter().position(|(of, _)| of == "*" || of == action);
        if let Some((_, failure)) = position.and_then(|position| failures.remove(position)) {
            return failure.verdict();
        }
        let (bucket, rate) = match action {
            "ListUsers" => ("UserList", self.rules.list_users_rate),
            "AdminGetUser" => ("UserRead", self.rules.admin_get_user_rate),
            _ => return Verdict::Pass,
        };
        let (rate, now) = (rate * self.rules.speed, Instant::now());
        let bucket = self.traffic.buckets.entry(bucket).or_insert(Bucket { tokens: rate, at: now });
        if bucket.take(rate, now) { Verdict::Pass } else { Failure::Throttled.verdict() }
    }
}

impl Failure {
    /// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/CommonErrors.html>, and the action's
    /// own errors.
    fn verdict(self) -> Verdict {
        let refuse = |code, message| Verdict::Refuse(Refusal::new(code, message));
        match self {
            Self::Throttled => refuse("TooManyRequestsException", "Rate exceeded"),
            Self::Internal => Verdict::Refuse(Refusal::internal()),
            Self::ExpiredCredentials => {
                refuse("ExpiredTokenException", "The security token included in the request is expired")
            }
            Self::Closed => Verdict::Close,
            Self::Stalled => Verdict::Stall,
        }
    }
}

/// A token bucket that holds the requests of one second, full at first.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn take(&mut self, rate: f64, now: Instant) -> bool {
        let new = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        self.tokens = (self.tokens + new).min(rate);
        self.at = now;
        let passes = self.tokens >= 1.0;
        if passes {
            self.tokens -= 1.0;
        }
        passes
    }
}
