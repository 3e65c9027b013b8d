//! Requests to the pool: at a rate, and repeated while AWS throttles or fails.

use std::cell::Cell;
use std::time::Duration;

use db::{AwsCause, AwsError};
use tokio::time::sleep;

use super::pace::Pace;
use crate::aws::pool_users::{Named, Page, Pool, PoolUser};

/// AdminGetUser may be called four times as often as ListUsers: 120 and 30 times a second.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html#category_operations>
const LOOK_UPS: f64 = 4.0;

/// The first and the longest pause after AWS has throttled the SDK's own attempts as well.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The most attempts, each with the SDK's own, where AWS fails or is not reached.
const ATTEMPTS: u32 = 6;

/// Requests within a rate: one quota counts for all pools of the account and region, and the application needs a part of it.
pub(super) struct Requests<'a> {
    pub(super) pool: &'a Pool,
    lists: Pace,
    look_ups: Pace,
    progress: &'a dyn Fn(&str),
    is_throttled: Cell<bool>,
}

impl<'a> Requests<'a> {
    /// `rate` is of ListUsers, in requests a second.
    pub(super) fn new(pool: &'a Pool, rate: f64, progress: &'a dyn Fn(&str)) -> Self {
        Self {
            pool,
            lists: Pace::new(rate),
            look_ups: Pace::new(LOOK_UPS * rate),
            progress,
            is_throttled: Cell::new(false),
        }
    }

    /// See [`Pool::estimate`].
    pub(super) async fn estimate(&self) -> Result<Option<u64>, AwsError> {
        self.patiently(&self.lists, async || self.pool.estimate().await).await
    }

    /// See [`Pool::list_users`].
    pub(super) async fn list_users(&self, token: Option<&str>, status: Option<&str>) -> Result<Option<Page>, AwsError> {
        self.patiently(&self.lists, async || self.pool.list_users(token, status).await).await
    }

    /// The user of the list with this name and id, as the pool has it now: as the list has it, if the name cannot be asked
    /// for. Another user may have the name by now.
    pub(super) async fn find_user(&self, username: &str, sub: &str) -> Result<Option<PoolUser>, AwsError> {
        match self.find_named(username).await? {
            Named::User(user) => Ok(Some(*user)),
            Named::Nobody => Ok(None),
            Named::Refused => self.find_listed(sub).await,
        }
    }

    /// Whether the pool has a user with this id.
    pub(super) async fn has_sub(&self, sub: &str) -> Result<bool, AwsError> {
        if let Named::User(user) = self.find_named(sub).await?
            && user.sub() == Some(sub)
        {
            return Ok(true);
        }
        Ok(self.find_listed(sub).await?.is_some())
    }

    /// See [`Pool::find_user`].
    async fn find_named(&self, username: &str) -> Result<Named, AwsError> {
        self.patiently(&self.look_ups, async || self.pool.find_user(username).await).await
    }

    /// See [`Pool::find_listed`].
    async fn find_listed(&self, sub: &str) -> Result<Option<PoolUser>, AwsError> {
        self.patiently(&self.lists, async || self.pool.find_listed(sub).await).await
    }

    /// Outlasts throttling without an end, and other errors that pass for some minutes.
    async fn patiently<T>(&self, pace: &Pace, request: impl AsyncFn() -> Result<T, AwsError>) -> Result<T, AwsError> {
        let mut pause = PAUSES.0;
        let mut attempts = 1;
        loop {
            pace.turn().await;
            match request().await {
                Err(error) if error.cause() == AwsCause::Throttled => {
                    pace.slow_down();
                    if !self.is_throttled.replace(true) {
                        (self.progress)("Cognito throttles the requests: going on more slowly");
                    }
                }
                Err(error) if error.is_transient() && attempts < ATTEMPTS => attempts += 1,
                answer => {
                    if answer.is_ok() {
                        pace.speed_up();
                        self.is_throttled.set(false);
                    }
                    return answer;
                }
            }
            sleep(pause).await;
            pause = (2 * pause).min(PAUSES.1);
        }
    }
}
