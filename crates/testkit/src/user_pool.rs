//! A stand-in for an Amazon Cognito user pool that keeps AWS's rules where moto does not: pages that are short or
//! empty, tokens that expire, changes that `ListUsers` sees later, rates, and which change fires which Lambda trigger.
//!
//! [`UserPool`] is the model. Its verbs are what people and administrators do; a verb that fires the PostConfirmation
//! trigger returns the event, and the test decides whether to deliver, lose, double or delay it.
//!
//! ```ignore
//! let pool = UserPool::new(1);
//! pool.sign_up("ada", &[("email", "ada@example.com")]);
//! let lost = pool.confirm("ada");
//! let healing = pool.token("ada", TokenSource::RefreshTokens);
//! pool.fill(1_000_000);
//! pool.change_rules(|rules| rules.lag = Lag::Requests(3));
//! let environment = pool.serve()?; // for a program in another process
//! ```
//!
//! For code in the test's own process [`UserPool::http_client`] is an HTTP client of the SDK, so that a test with tokio's
//! paused clock waits for no rate and no lag.
//!
//! A date is a float on the wire, so the SDK's value may be a microsecond less than [`User::modified_ms`].
//!
//! The same seed and the same verbs give the same users, order and pages. Dates follow the clock. Names are compared as
//! they are written, as in a pool with `CaseSensitive`. A signature is not checked.

mod answer;
mod clock;
mod connector;
mod describe;
mod directory;
mod filter;
mod generated;
mod key;
mod list;
mod page_token;
mod rules;
mod server;
mod traffic;
mod trigger;
mod user;
mod verbs;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::sync::Notify;

use self::clock::Clock;
pub use self::connector::Stage;
use self::directory::Directory;
pub use self::rules::{Lag, Lifetime, Rules};
pub use self::traffic::Failure;
use self::traffic::Traffic;
pub use self::trigger::TokenSource;
pub use self::user::{Status, User};

/// The region, as the other stand-ins have it.
const REGION: &str = "eu-central-1";

/// The stand-in. Clones share their state.
#[derive(Clone, Debug)]
pub struct UserPool {
    id: Arc<str>,
    state: Arc<Mutex<State>>,
    stalled: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    id: Arc<str>,
    seed: u64,
    rules: Rules,
    clock: Clock,
    directory: Directory,
    traffic: Traffic,
    /// Tokens of an older generation were ended by [`UserPool::expire_tokens`].
    token_generation: u64,
}

impl UserPool {
    /// An empty pool whose users choose a username.
    pub fn new(seed: u64) -> Self {
        Self::with_names(seed, false)
    }

    /// An empty pool whose users sign in with an e-mail address: Cognito makes the username, and it is the `sub`.
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html#user-pool-settings-aliases>
    pub fn with_email_sign_in(seed: u64) -> Self {
        Self::with_names(seed, true)
    }

    fn with_names(seed: u64, username_is_sub: bool) -> Self {
        let id: Arc<str> = format!("{REGION}_{:09}", generated::mix(seed, 0) % 1_000_000_000).into();
        let clock = Clock::new();
        let state = State {
            id: Arc::clone(&id),
            seed,
            rules: Rules::default(),
            clock,
            directory: Directory::new(seed, username_is_sub, clock.now_ms()),
            traffic: Traffic::default(),
            token_generation: 0,
        };
        Self { id, state: Arc::new(Mutex::new(state)), stalled: Arc::default() }
    }

    /// The pool's id, such as `eu-central-1_123456789`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Starts a server on 127.0.0.1 that ends with the process. Returns the variables that lead an AWS SDK to it, for
    /// Cognito only.
    pub fn serve(&self) -> anyhow::Result<[(&'static str, String); 4]> {
        let port = server::start(self.clone())?;
        Ok([
            ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", format!("http://127.0.0.1:{port}")),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
        ])
    }

    /// The HTTP client that leads an SDK here without a network, for `SdkConfig`.
    pub fn http_client(&self) -> SharedHttpClient {
        connector::client(self.clone())
    }

    /// The same, and `meanwhile` is done before and after each request, of which it gets the action: so the pool and the
    /// rows change while a program is at work.
    pub fn http_client_with<F: Future<Output = ()> + Send + 'static>(
        &self,
        meanwhile: impl Fn(Stage, &str) -> F + Send + Sync + 'static,
    ) -> SharedHttpClient {
        connector::client_with(self.clone(), meanwhile)
    }

    /// Changes how the pool answers from now on.
    pub fn change_rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.state().rules);
    }

    /// Ends every page token that was issued so far.
    pub fn expire_tokens(&self) {
        self.state().token_generation += 1;
    }

    /// Answers the next requests of this action, or of any if it is `*`, in this way.
    pub fn fail_next(&self, action: &str, failure: Failure, times: usize) {
        self.state().traffic.fail_next(action, failure, times);
    }

    /// Answers as usual again.
    pub fn fail_no_more(&self) {
        self.state().traffic.fail_no_more();
    }

    /// Waits for a request that gets no answer: see [`Failure::Stalled`].
    pub async fn until_stalled(&self) {
        self.stalled.notified().await;
    }

    /// How many requests there were, by action and by how they ended: `200`, AWS's error code, `closed` or `stalled`.
    pub fn requests(&self) -> BTreeMap<(String, String), u64> {
        self.state().traffic.counts().clone()
    }

    /// How many requests of this action ended so.
    pub fn request_count(&self, action: &str, end: &str) -> u64 {
        self.requests().get(&(action.to_owned(), end.to_owned())).copied().unwrap_or_default()
    }

    /// The user with this username, `sub`, or address, as it is now: no lag. None if there is none, or no more.
    pub fn user(&self, name: &str) -> Option<User> {
        let state = self.state();
        let (_, user) = state.directory.find_any(name)?;
        Some(User::clone(&user))
    }

    /// All users as they are now, in no order. A large pool is better read with [`each_user`](Self::each_user).
    pub fn users(&self) -> Vec<User> {
        let mut users = Vec::new();
        self.each_user(|user| users.push(user.clone()));
        users
    }

    /// Shows each user as it is now, one at a time. The pool is locked meanwhile.
    pub fn each_user(&self, mut visit: impl FnMut(&User)) {
        for user in self.state().directory.users() {
            visit(&user);
        }
    }

    /// How many users there are now.
    pub fn user_count(&self) -> usize {
        self.state().directory.count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A verb that panics on a test's mistake changed nothing before.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
