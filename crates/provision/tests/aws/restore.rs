//! `provision instance restore`, `snapshot`, `snapshots` and `delete`, on an Amazon RDS that keeps state as AWS does.

use std::process::Stdio;

use serde_json::json;

use crate::account::{Account, text};

/// What follows `provision` in a command line that the program has printed.
fn arguments(line: &str) -> Vec<&str> {
    line.split(' ').skip(1).collect()
}

#[test]
fn the_command_that_a_deletion_prints_brings_everything_back() {
    let account = Account::on_rds(
        "returned",
        "[network]\nsubnet_group = \"private\"\n[parameters]\n\"log_statement\" = \"ddl\"\n",
    );
    account.rds().change(|aws| {
        let vpc = aws.vpc.clone();
        aws.subnet_groups.insert("private".to_owned(), testkit::rds::SubnetGroup { vpc })
    });
    account.apply();
    let deleted = account.json(&["instance", "delete", "--unprotect", "--yes"], 0);
    assert_eq!(deleted["parameter_groups"], json!(["returned"]));
    assert_eq!(deleted["security_groups"].as_array().map(Vec::len), Some(1), "{deleted}");
    let line = text(&deleted["restore"]);
    let arguments = arguments(&line);
    assert!(arguments.contains(&"--config"), "the declaration that was named is named again: {line}");

    // As it is printed, but for the confirmation.
    let mut command = account.command(&arguments);
    let output = command.arg("--yes").stdout(Stdio::piped()).output().expect("provision starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let snapshot = text(&deleted["final_snapshot"]);
    assert!(stdout.starts_with(&format!("restored from the snapshot {snapshot}\nreturned is available\n")), "{stdout}");
    assert_eq!(account.rds().instance("returned").subnet_group, "private");
    assert_eq!(account.json(&["instance", "plan"], 0)["changes"], json!([]));
}

#[test]
fn a_restore_asks_and_names_what_it_is_made_from() {
    let account = Account::on_rds("questioned", "");
    account.apply();
    account.json(&["instance", "snapshot", "--name", "kept"], 0);
    account.json(&["instance", "delete", "--unprotect", "--yes", "--skip-snapshot"], 0);
    account.assert_refused(
        &["instance", "restore", "--snapshot", "kept"],
        "This creates questioned (account 123456789012, eu-central-1) from the snapshot kept",
    );
    let listed = account.json(&["instance", "snapshots"], 0);
    assert_eq!(listed["snapshots"][0]["snapshot"], "kept");
    assert_eq!((&listed["snapshots"][0]["type"], &listed["restorable_from"]), (&json!("manual"), &json!(null)));
}

#[test]
fn what_to_restore_must_be_named_once() {
    let account = Account::new("unnamed", "");
    for arguments in [
        &["instance", "restore"][..],
        &["instance", "restore", "--latest", "--snapshot", "kept"],
        &["instance", "restore", "--to", "yesterday"],
        &["instance", "restore", "--snapshot", "kept", "--source", "users-db"],
        &["instance", "snapshot", "--name", "x--y"],
    ] {
        assert_eq!(account.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_deletion_without_a_snapshot_says_what_is_lost() {
    let account = Account::on_rds("lost", "");
    account.apply();
    account.assert_refused(
        &["instance", "delete", "--unprotect", "--skip-snapshot"],
        "NOTHING of its data is kept; its automated backups are deleted",
    );
}
