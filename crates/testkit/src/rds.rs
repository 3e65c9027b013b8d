//! A stand-in for Amazon RDS that keeps state and answers as RDS does, where moto does not: changes that wait for the
//! maintenance window, the sources of parameters, statuses that last, what AWS changes by itself, and what it refuses.
//!
//! Each behaviour names its source. What the stand-in does not know it answers with an error that says so.
//!
//! For a program in another process it is a server before [`Moto`], which answers for EC2, STS and Secrets
//! Manager. In `crates/provision/tests/aws`:
//!
//! ```ignore
//! let account = Account::on_rds("grown", "deletion_protection = false\n");
//! account.apply();
//! account.rds().change(|aws| aws.instance_mut("grown").set("AllocatedStorage", 25));
//! assert_eq!(account.differences(), []);
//! ```
//!
//! For code in the test's own process it is an HTTP client of the SDK, without a network, so that a test with tokio's
//! paused clock goes through hours of statuses:
//!
//! ```ignore
//! let rds = Rds::in_process();
//! let config = SdkConfig::builder().http_client(rds.http_client()) /* and region, credentials */.build();
//! ```

mod account;
mod answer;
mod check;
mod clock;
mod connector;
mod create;
mod failure;
mod instance;
mod modify;
mod network;
mod parameters;
mod power;
mod request;
mod server;
mod settings;
mod snapshot;
mod versions;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::sync::Notify;

pub use self::account::Account;
pub use self::answer::Refusal;
pub(crate) use self::answer::{Xml, render};
pub use self::clock::Pace;
pub use self::failure::Failure;
pub use self::instance::Instance;
pub use self::network::{SecurityGroup, SubnetGroup};
pub use self::parameters::ParameterGroup;
pub use self::request::Request;
pub use self::snapshot::Snapshot;
pub use self::versions::newest as newest_minor_version;
use crate::policy::Call;
use crate::server::environment;
use crate::{Moto, recording};

/// The account, as moto numbers it.
const ACCOUNT: &str = "123456789012";

/// The stand-in. Clones share their state; the server ends with the process.
#[derive(Clone, Debug)]
pub struct Rds {
    state: Arc<State>,
    port: Option<u16>,
}

#[derive(Debug)]
struct State {
    account: Mutex<Account>,
    failures: Mutex<VecDeque<(String, Failure)>>,
    requests: Mutex<Vec<Request>>,
    stalled: Notify,
}

impl Rds {
    /// A server before moto: it answers what is signed for `rds`, and moto everything else. Each change is over with the
    /// next request; [`Account::pace`] changes that.
    pub fn before(moto: &Moto) -> anyhow::Result<Self> {
        let vpc = server::default_vpc(moto.port())?;
        let rds = Self::new(Account::new(&vpc, Pace::AtOnce, false));
        let port = server::start(rds.clone(), moto.port())?;
        Ok(Self { port: Some(port), ..rds })
    }

    /// Without a network, for [`http_client`](Self::http_client): with a VPC of its own, and changes that last as long as
    /// at AWS, by tokio's clock.
    pub fn in_process() -> Self {
        Self::new(Account::new("vpc-1", Pace::Clock, true))
    }

    fn new(account: Account) -> Self {
        let state = State {
            account: Mutex::new(account),
            failures: Mutex::default(),
            requests: Mutex::default(),
            stalled: Notify::new(),
        };
        Self { state: Arc::new(state), port: None }
    }

    /// Where the server listens.
    pub fn port(&self) -> u16 {
        self.port.expect("this stand-in is a server")
    }

    /// The HTTP client that leads an SDK here, for `SdkConfig`.
    pub fn http_client(&self) -> SharedHttpClient {
        connector::client(self.clone())
    }

    /// The variables that lead an AWS SDK to the server.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        environment(self.port())
    }

    /// Reads or changes the account: "somebody else did it", or "AWS did".
    pub fn change<T>(&self, change: impl FnOnce(&mut Account) -> T) -> T {
        let mut account = self.account();
        account.advance();
        change(&mut account)
    }

    /// The DB instance of this name, as it is now.
    #[track_caller]
    pub fn instance(&self, name: &str) -> Instance {
        self.change(|account| account.instance_mut(name).clone())
    }

    /// Begins the maintenance window: what waits is applied, and a newer minor version where that is automatic.
    #[track_caller]
    pub fn begin_maintenance_window(&self, name: &str) {
        self.change(|account| {
            let instance = account.instance_mut(name);
            let version = instance.get("EngineVersion").to_owned();
            let newest = newest_minor_version(versions::major(&version)).filter(|newest| *newest != version);
            let is_queued = instance.pending.contains_key("EngineVersion");
            if let Some(newest) = newest.filter(|_| instance.is_on("AutoMinorVersionUpgrade") && !is_queued) {
                instance.pending.insert("EngineVersion".to_owned(), newest.to_owned());
            }
            instance.apply_pending();
        });
    }

    /// Answers the next request of this action, or of any if it is `*`, in this way. Several of them are used up in turn.
    pub fn fail_next(&self, action: &str, failure: Failure) {
        lock(&self.state.failures).push_back((action.to_owned(), failure));
    }

    /// Answers as usual again.
    pub fn fail_no_more(&self) {
        lock(&self.state.failures).clear();
    }

    /// The requests so far, without those that moto answered.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state.requests).clone()
    }

    /// The requests so far that change something.
    pub fn changing_requests(&self) -> Vec<Request> {
        let reads = |action: &str| ["Describe", "List", "Get"].iter().any(|verb| action.starts_with(verb));
        self.requests().into_iter().filter(|request| !reads(&request.action)).collect()
    }

    /// What AWS would check of each request so far.
    pub fn calls(&self) -> anyhow::Result<Vec<Call>> {
        self.requests().into_iter().map(recording::call).collect()
    }

    /// Waits for a request that gets no answer: see [`Failure::Silent`] and [`Failure::DoneAndSilent`].
    pub async fn until_silent(&self) {
        self.state.stalled.notified().await;
    }

    /// The answer to a request: HTTP status and body, or none if there is none.
    fn answer(&self, request: &Request) -> Result<(u16, String), failure::NoAnswer> {
        lock(&self.state.requests).push(request.clone());
        let failure = {
            let mut failures = lock(&self.state.failures);
            let position = failures.iter().position(|(action, _)| action == "*" || *action == request.action);
            position.and_then(|position| failures.remove(position)).map(|(_, failure)| failure)
        };
        let answer = || {
            let mut account = self.account();
            account.advance();
            let answer = account.answer(request);
            answer::render(request, answer)
        };
        match failure {
            None => Ok(answer()),
            Some(failure) => {
                let right = failure.is_after_the_work().then(answer);
                failure.answer(request, right).inspect_err(|reason| {
                    if *reason == failure::NoAnswer::Silent {
                        self.state.stalled.notify_one();
                    }
                })
            }
        }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        lock(&self.state.account)
    }
}

impl Account {
    /// The DB instance of this name.
    #[track_caller]
    pub fn instance_mut(&mut self, name: &str) -> &mut Instance {
        self.instances.get_mut(name).unwrap_or_else(|| panic!("there is no DB instance {name}"))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic while it is locked")
}

#[cfg(test)]
mod tests;
