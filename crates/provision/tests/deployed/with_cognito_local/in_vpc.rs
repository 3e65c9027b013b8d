//! `provision --in-vpc`, by the operator's function of the template, with a database that the caller cannot reach.

use std::process::Command;

use serde_json::Value;
use testkit::UserPool;

use crate::stack::{Stack, succeed};

/// Users of the pool, of whom not all are confirmed. Each confirmed one has no row, and is asked for once more before.
const USERS: usize = 5_000;

/// The time limit of the operator's function: so short that they take some three invocations, of which half is left for the
/// end.
const SHORT: &str = "16";

#[tokio::test]
async fn a_database_out_of_reach_is_loaded_granted_and_reconciled_slice_by_slice() {
    let pool = UserPool::new(1);
    pool.fill(USERS);
    let [(_, users), ..] = pool.serve().expect("a server");
    let stack = Stack::before_deployment(pool.id(), Some(users)).await;
    succeed(&mut stack.sam());
    let in_vpc = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        // Nothing here names the database, and no way leads to it.
        command.env_clear().envs(stack.environment()).current_dir(stack.template().with_file_name(""));
        command.args(["--in-vpc"]).args(arguments);
        command
    };
    let out_of_reach = in_vpc(&["db", "load", "--check"]).output().expect("it starts");
    assert_eq!(out_of_reach.status.code(), Some(3), "an empty database: {out_of_reach:?}");
    succeed(&mut in_vpc(&["db", "load"]));
    succeed(&mut in_vpc(&["db", "load", "--check"]));
    let port = stack.database.port.to_string();
    succeed(&mut in_vpc(&["db", "grant", "--port", &port]));
    succeed(&mut in_vpc(&["db", "grant", "--port", &port, "--check"]));

    stack.python(&format!(
        "boto3.client('lambda').update_function_configuration(FunctionName='post-confirmation-operator', Timeout={SHORT})"
    ));
    let arguments = ["users", "reconcile", "--pool", pool.id(), "--settle", "0s", "--rps", "60", "--output", "json"];
    let output = in_vpc(&arguments).output().expect("it starts");
    let shown = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let slices = 1 + shown.matches("going on in the next one").count();
    assert!(slices >= 3, "expected three invocations or more, and {slices} were enough:\n{shown}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!(report["missing"]["repaired"], report["counted"], "each confirmed user has a row now");
    stack.until_rows(report["counted"].as_i64().expect("a number")).await;
}
