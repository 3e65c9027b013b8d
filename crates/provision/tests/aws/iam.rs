//! The policies in `infra/iam` allow exactly the actions that the commands request.
//!
//! moto records the requests. Each group of commands signs with an access key of its own, so that only its requests
//! count, and not those of a test's preparations.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use testkit::{Moto, Postgres, TestDatabase, policy_differences};

use crate::account::Account;

/// What AWS checks of an operator on its own account: encryption, the managed secret, and tags on creation.
const ON_THE_WAY: &str = "WhatRdsAndEc2AskForOnTheWay";

/// Signs whatever must exist before the commands run.
const PREPARATION: &str = "preparation";

static MOTO: LazyLock<Moto> = LazyLock::new(|| Moto::recording().expect("moto starts"));

#[track_caller]
fn assert_allows_exactly(policy: &str, beside: &[&str], access_key_id: &str) {
    let requested = MOTO.actions(access_key_id).expect("the recording is readable");
    let differences = policy_differences(policy, beside, &requested).expect("the policy is readable");
    assert!(
        differences.is_empty(),
        "expected the policy to allow what the commands request:\n{}",
        differences.join("\n")
    );
}

/// Runs each command to its end, differences found included.
#[track_caller]
fn run(account: &Account, commands: &[&[&str]]) {
    for command in commands {
        let output = account.run(command);
        let is_done = matches!(output.status.code(), Some(0 | 3));
        assert!(is_done, "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Fails if the group has a command that was not run: its requests would be unknown.
#[track_caller]
fn assert_complete<'a>(group: &str, run: impl Iterator<Item = &'a str>) {
    let command = provision::command();
    let group = command.find_subcommand(group).expect("a group of commands");
    let expected: BTreeSet<&str> = group.get_subcommands().map(clap::Command::get_name).collect();
    assert_eq!(run.collect::<BTreeSet<_>>(), expected, "what was run on the left, the group's commands on the right");
}

#[test]
fn the_policy_for_instances_allows_exactly_what_the_commands_request() {
    let account = Account::at(&MOTO, "instance", "policy-instance", "");
    let creation: [&[&str]; 2] = [&["instance", "plan"], &["instance", "apply", "--yes"]];
    run(&account, &creation);
    account.declare("[backups]\ndays = 14\n[tags]\nproject = \"users\"\n");
    let rest: [&[&str]; 7] = [
        &["instance", "apply", "--yes"],
        &["instance", "status"],
        &["instance", "stop"],
        &["instance", "start"],
        &["instance", "wait"],
        &["instance", "snapshot", "--name", "before-deletion"],
        &["instance", "delete", "--unprotect", "--yes"],
    ];
    run(&account, &rest);
    assert_complete("instance", creation.iter().chain(&rest).map(|command| command[1]));
    assert_allows_exactly("instance.json", &[ON_THE_WAY], "instance");
}

#[test]
fn the_policy_for_access_allows_exactly_what_the_commands_request() {
    run(&Account::at(&MOTO, PREPARATION, "policy-access", ""), &[&["instance", "apply", "--yes"]]);
    let account = Account::at(&MOTO, "access", "policy-access", "");
    let commands: [&[&str]; 4] = [
        &["access", "allow", "--user", "ada", "--cidr", "192.0.2.7"],
        // Moves the rule.
        &["access", "allow", "--user", "ada", "--cidr", "192.0.2.8"],
        &["access", "list"],
        &["access", "revoke", "--user", "ada"],
    ];
    run(&account, &commands);
    assert_complete("access", commands.iter().map(|command| command[1]));
    assert_allows_exactly("access.json", &[], "access");
}

/// moto says this of the master secret of every DB instance.
const MASTER: (&str, &str) = ("admin", "P@55w0rd!");

/// `db setup` is refused in production, and `db connect` needs psql; both find production as `db url` does.
const NOT_RUN: [&str; 2] = ["setup", "connect"];

#[tokio::test]
async fn the_policy_for_databases_allows_exactly_what_the_commands_request() {
    run(&Account::at(&MOTO, PREPARATION, "policy-database", ""), &[&["instance", "apply", "--yes"]]);
    let postgres = Postgres::start().expect("a server");
    let database = TestDatabase { name: "postgres".to_owned(), ..postgres.database().await.expect("a database") };
    let client = database.connect().await.expect("the server is up");
    let (user, password) = MASTER;
    let master = format!("create role {user} login createdb createrole password '{password}'");
    client.batch_execute(&master).await.expect("a role");

    // The secret of one role exists already, without a value.
    MOTO.declare_secret("declared").await.expect("a secret");
    let account = Account::at(&MOTO, "database", "policy-database", "");
    let commands: [&[&str]; 10] = [
        &["create"],
        &["load"],
        &["wait"],
        &["grant"],
        &["grant", "--rotate"],
        &["grant", "--role", "declared", "--secret", "declared"],
        &["sessions"],
        &["url"],
        &["seed", "--yes"],
        &["drop", "--confirm", "policy-database"],
    ];
    for command in commands {
        let mut run = account.command(&[&["db"], command, &["--prod"]].concat());
        // As through a tunnel to the declared instance.
        run.env("PGHOSTADDR", "127.0.0.1").env("PGPORT", database.port.to_string());
        run.env("PGSSLROOTCERT", &database.root_certificate);
        let output = run.output().expect("provision starts");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_complete("db", commands.iter().map(|command| command[0]).chain(NOT_RUN));
    assert_allows_exactly("database.json", &[], "database");
}
