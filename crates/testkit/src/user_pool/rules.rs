//! What a test can set.

use std::time::Duration;

use tokio::time::Instant;

/// How the pool answers. The default keeps AWS's rates, has no lag, and tokens that do not expire.
#[derive(Clone, Debug)]
pub struct Rules {
    /// When `ListUsers` sees a change. `AdminGetUser` sees it at once.
    pub lag: Lag,
    /// How long a page token is valid. AWS documents no time.
    pub token_lifetime: Lifetime,
    /// One page in so many is short, and every third of these empty, although more follow; 0 is none.
    pub short_pages: u64,
    /// `ListUsers` requests a second, for all callers. AWS: 30, category `UserList`.
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html>
    pub list_users_rate: f64,
    /// `AdminGetUser` requests a second, for all callers. AWS: 120, category `UserRead`.
    pub admin_get_user_rate: f64,
    /// Multiplies both rates, for a test that shall end sooner.
    pub speed: f64,
    /// The attributes that are names as well, such as `email` and `preferred_username` (`AliasAttributes`).
    pub aliases: &'static [&'static str],
    /// Whether `AdminGetUser` finds every local user by `sub`, or only those whose username it is. AWS's words allow
    /// both: "If username isn't an alias attribute in your user pool, this value must be the sub of a local user".
    /// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminGetUser.html>
    pub sub_finds_local_users: bool,
    /// The version of the pre token generation event: 1, 2 or 3.
    pub token_event_version: u8,
    /// The ARN of the function that the trigger of every sign-up calls, as `DescribeUserPool` reports it.
    pub post_confirmation: Option<&'static str>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            lag: Lag::None,
            token_lifetime: Lifetime::Unlimited,
            short_pages: 8,
            list_users_rate: 30.0,
            admin_get_user_rate: 120.0,
            speed: 1.0,
            aliases: &[],
            sub_finds_local_users: false,
            token_event_version: 1,
            post_confirmation: None,
        }
    }
}

/// How long `ListUsers` does not see a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// Not at all.
    None,
    /// So long, by tokio's clock.
    Time(Duration),
    /// So many `ListUsers` requests.
    Requests(u64),
}

/// How long a page token is valid after it was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Always.
    Unlimited,
    /// So long, by tokio's clock, in whole milliseconds.
    Time(Duration),
    /// So many further `ListUsers` requests.
    Requests(u64),
}

/// A moment, in both ways to measure it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    /// `ListUsers` requests so far.
    pub(super) requests: u64,
}

/// The moment when a change can be listed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    At(Instant),
    AfterRequests(u64),
}

impl Lag {
    /// None if a change is listed at once.
    pub(super) fn due(self, now: Moment) -> Option<Due> {
        match self {
            Self::None => None,
            Self::Time(time) => Some(Due::At(now.instant + time)),
            Self::Requests(requests) => Some(Due::AfterRequests(now.requests + requests)),
        }
    }
}

impl Due {
    pub(super) fn is_past(self, now: Moment) -> bool {
        match self {
            Self::At(instant) => now.instant >= instant,
            Self::AfterRequests(requests) => now.requests > requests,
        }
    }
}
