//! Real servers for tests, benchmarks and the demo, which all end with the process: a throw-away PostgreSQL with TLS
//! ([`Postgres`]), AWS services ([`Moto`], a [`Queue`] there, [`Rds`] before it, an [`Amended`] server before
//! both, and a Cognito [`UserPool`]), AWS Lambda itself ([`Ministack`]) and a user pool that calls it ([`CognitoLocal`]), a
//! Lambda Runtime API with a
//! function's process ([`Function`]), a proxy that disturbs connections ([`Proxy`]), and the events in `events/` with the
//! rows they must lead to ([`samples()`]).
//!
//! `make tools` installs the programs they need in `.tools`. One that is missing is reported with that command.
//!
//! Nothing here makes a test depend on the machine's speed: ports are reserved ([`Port`]), waits are for events, and the
//! one limit of time only ends a test that hangs.

mod amended;
mod certificates;
mod cognito_local;
mod function;
mod hostile;
mod iam_gateway;
mod invoker;
mod leash;
mod libtest;
mod ministack;
mod moto;
mod pgbouncer;
mod policy;
mod pool_settings;
mod port;
mod postgres;
mod proxy;
mod queue;
pub mod rds;
mod recording;
mod runtime_api;
mod samples;
mod schema;
mod server;
mod tools;
pub mod user_pool;

pub use amended::Amended;
pub use certificates::{Authority, Identity, Keys};
pub use cognito_local::CognitoLocal;
pub use function::Function;
pub use hostile::{assert_harmless, hostile_text, hostile_texts};
pub use iam_gateway::IamGateway;
pub use invoker::Invoker;
pub use leash::Leash;
pub use libtest::Request;
pub use ministack::Ministack;
pub use moto::Moto;
pub use pgbouncer::PgBouncer;
pub use policy::{Call, Check, Policy};
pub use pool_settings::{Extras, Incident, PoolSettings};
pub use port::Port;
pub use postgres::{LocalServer, Postgres, TestDatabase};
pub use proxy::{Break, Direction, Ending, Fault, Proxy};
pub use queue::{Letter, Queue};
pub use rds::Rds;
pub use runtime_api::{Answer, FunctionError, Invocation, Registration, RuntimeApi, Streamed};
pub use samples::{Sample, SampleRow, samples};
pub use schema::schema_problem;
pub use tools::tool;
pub use user_pool::UserPool;

/// The longest wait for anything that a test starts. No test measures time by it: it only ends one that hangs.
const HANG_LIMIT: std::time::Duration = std::time::Duration::from_mins(2);
