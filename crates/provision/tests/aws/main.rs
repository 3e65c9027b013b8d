//! The commands that work on AWS, run as an operator runs them, against AWS's APIs on this machine.

mod absent;
mod access;
mod account;
mod answers;
#[path = "../../benches/busy_pool/mod.rs"]
mod busy_pool;
mod deploy;
mod doctor;
mod endpoint;
mod golden;
mod hostile;
mod iam;
mod in_vpc;
mod instance;
mod login;
mod plan;
mod profile;
mod queue;
mod race;
mod rds;
mod reconcile;
mod reconcile_busy;
mod restore;
#[path = "../house/runbook/rows.rs"]
mod runbook;
mod settings;
mod states;
mod template;
#[path = "../database/terminal.rs"]
mod terminal;
mod trigger;
mod tunnel;
mod why;
