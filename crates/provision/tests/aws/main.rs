//! The commands that work on AWS, run as an operator runs them, against AWS's APIs on this machine.

mod access;
mod account;
mod golden;
mod iam;
mod instance;
mod plan;
mod rds;
mod restore;
mod settings;
mod states;
