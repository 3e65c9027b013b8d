//! Real servers for tests, benchmarks and the demo, none of them left behind: a throw-away PostgreSQL with TLS
//! ([`Postgres`]), AWS services ([`Moto`]), a Lambda Runtime API with a function's process on it ([`Function`]),
//! and the events in `events/` with the rows they must lead to ([`samples()`]).
//!
//! The programs they need stand in `.tools`, where `make tools` puts them. One that is missing is an error that
//! says so.

mod certificates;
mod function;
mod iam_gateway;
mod leash;
mod libtest;
mod moto;
mod pgbouncer;
mod port;
mod policy;
mod postgres;
mod proxy;
mod runtime_api;
mod samples;
mod tools;

pub use certificates::{Authority, Identity};
pub use function::Function;
pub use iam_gateway::IamGateway;
pub use leash::Leash;
pub use libtest::Request;
pub use moto::Moto;
pub use pgbouncer::PgBouncer;
pub use port::Port;
pub use policy::policy_differences;
pub use postgres::{LocalServer, Postgres, TestDatabase};
pub use proxy::{Fault, Proxy};
pub use runtime_api::{Answer, FunctionError, Invocation, RuntimeApi};
pub use samples::{Sample, SampleRow, samples};
pub use tools::tool;

/// The longest wait for anything that a test starts. No test measures time by it: it only ends one that hangs.
const HANG_LIMIT: std::time::Duration = std::time::Duration::from_mins(2);
