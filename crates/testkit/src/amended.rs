//! A server before another one, whose answers a test amends: what moto loses, refuses or cannot know.
//!
//! It answers `SimulatePrincipalPolicy` by itself, from the policies that the role has at moto. It speaks the protocol in
//! which the SDK asks Amazon CloudWatch, which moto does not know, and asks moto in another one.
//!
//! ```ignore
//! let aws = Amended::before(rds.port())?;
//! aws.refuse("lambda", "GetPolicy", "AccessDeniedException");
//! aws.set_function("post-confirmation", &json!({"State": "Inactive", "StateReasonCode": "Idle"}));
//! aws.amend("cognito-idp", "DescribeUserPool", |answer| answer["UserPool"]["Status"] = json!("Disabled"));
//! ```

mod binary;
mod operation;
mod server;
mod simulation;

use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use self::operation::Operation;
pub(crate) use self::operation::operation_of_lambda;
use crate::policy::Call;
use crate::server::environment;
use crate::{rds, recording};

/// The server. Clones share their state; it ends with the process.
#[derive(Clone, Debug)]
pub struct Amended {
    state: Arc<Mutex<State>>,
    port: u16,
}

#[derive(Debug, Default)]
struct State {
    amendments: Vec<(Operation, Amendment)>,
    refusals: Vec<(Operation, Refusal)>,
    operations: Vec<Operation>,
    /// What no other server has seen.
    own: Vec<rds::Request>,
    seconds_ahead: i64,
}

/// A code, and a message where the usual one is not enough.
#[derive(Clone, Debug)]
struct Refusal {
    code: String,
    message: Option<String>,
}

/// What becomes of an answer.
#[derive(Clone)]
enum Amendment {
    /// The other server is not asked.
    Replaced(Value),
    /// Its answer is changed, if it is no error.
    Changed(Arc<dyn Fn(&mut Value) + Send + Sync>),
}

impl Debug for Amendment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Replaced(_)) { "Replaced" } else { "Changed" })
    }
}

impl Amended {
    /// A server before the one at this port of 127.0.0.1, such as moto.
    pub fn before(port: u16) -> anyhow::Result<Self> {
        let state = Arc::default();
        let port = server::start(Arc::clone(&state), port)?;
        Ok(Self { state, port })
    }

    /// The variables that lead an AWS SDK to the server.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        environment(self.port)
    }

    /// Changes each answer to an operation from now on, such as `DescribeUserPool` of `cognito-idp`. The answer must be
    /// JSON, as those of all services are but EC2, IAM, RDS and STS. An error stays as it is.
    ///
    /// The service is the one that requests are signed for. An operation of AWS Lambda that
    /// has no name here is called by method and path, such as `GET /2015-03-31/layers`.
    pub fn amend(&self, service: &str, operation: &str, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        let amendment = Amendment::Changed(Arc::new(change));
        self.state().amendments.push((Operation::new(service, operation), amendment));
    }

    /// Answers an operation in this way from now on, without asking the other server.
    pub fn answer(&self, service: &str, operation: &str, answer: Value) {
        let amendment = Amendment::Replaced(answer);
        self.state().amendments.push((Operation::new(service, operation), amendment));
    }

    /// Reports these settings of a function in place of its own, such as `LoggingConfig`, which moto loses, and `State`.
    pub fn set_function(&self, function: &str, settings: &Value) {
        for operation in ["GetFunctionConfiguration", "GetFunction"] {
            let (function, settings) = (function.to_owned(), settings.clone());
            self.amend("lambda", operation, move |answer| {
                let is_nested = answer["Configuration"].is_object();
                let configuration = if is_nested { &mut answer["Configuration"] } else { answer };
                if configuration["FunctionName"] == *function {
                    for (name, value) in settings.as_object().into_iter().flatten() {
                        configuration[name] = value.clone();
                    }
                }
            });
        }
    }

    /// Refuses an operation from now on with this code, such as `AccessDeniedException`; of EC2 it is
    /// `UnauthorizedOperation`, of IAM, RDS and STS `AccessDenied`.
    pub fn refuse(&self, service: &str, operation: &str, code: &str) {
        self.state()
            .refusals
            .push((Operation::new(service, operation), Refusal { code: code.to_owned(), message: None }));
    }

    /// The same with this message, for one that says what is refused.
    pub fn refuse_because(&self, service: &str, operation: &str, code: &str, message: &str) {
        let refusal = Refusal { code: code.to_owned(), message: Some(message.to_owned()) };
        self.state().refusals.push((Operation::new(service, operation), refusal));
    }

    /// Lets the clock of AWS, in the header `Date` of each answer, be so many seconds ahead of this machine's.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.state().seconds_ahead = seconds;
    }

    /// The requests so far, as service and operation, whoever answered them.
    pub fn operations(&self) -> Vec<(String, String)> {
        self.state().operations.iter().map(|it| (it.service.clone(), it.name.clone())).collect()
    }

    /// What AWS would check of each request so far that no other server has seen: `SimulatePrincipalPolicy`, and those in
    /// JSON with an answer of the test's.
    pub fn calls(&self) -> anyhow::Result<Vec<Call>> {
        let own = self.state().own.clone();
        own.into_iter().map(recording::call).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// What refuses the operation, if anything does. The last word of a test counts.
    fn refusal(&self, operation: &Operation) -> Option<Refusal> {
        let mut refusals = self.refusals.iter().rev().filter(|(refused, _)| refused == operation);
        refusals.next().map(|(_, refusal)| refusal.clone())
    }

    /// What becomes of the operation's answer, in this order.
    fn amendments(&self, operation: &Operation) -> Vec<Amendment> {
        let of_operation = self.amendments.iter().filter(|(amended, _)| amended == operation);
        of_operation.map(|(_, amendment)| amendment.clone()).collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no panic while it is locked")
}

#[cfg(test)]
mod tests;
