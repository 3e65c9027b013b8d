//! `provision instance status`, `wait`, `start`, `stop` and `reboot`, on an Amazon RDS that keeps state as AWS does.

use serde_json::json;
use testkit::rds::Failure;

use crate::account::Account;

#[test]
fn a_question_names_instance_endpoint_account_and_region() {
    let account = Account::on_rds("named", "");
    account.apply();
    let named =
        "the DB instance named (named.c0ffee.eu-central-1.rds.amazonaws.com; account 123456789012, eu-central-1)";
    for command in [&["stop"][..], &["reboot"], &["delete", "--unprotect"]] {
        let arguments = [&["instance"], command].concat();
        account.assert_refused(&arguments, named);
        account.assert_refused(&arguments, "hint: add --yes to confirm");
    }
    assert!(
        account
            .rds()
            .changing_requests()
            .iter()
            .all(|request| !request.action.ends_with("DBInstance") || request.action == "CreateDBInstance")
    );
}

#[test]
fn a_status_shows_what_waits_and_what_to_do() {
    let account = Account::on_rds("shown", "[parameters]\n\"log_statement\" = \"ddl\"\n");
    account.apply();
    account.rds().change(|aws| {
        let instance = aws.instance_mut("shown");
        instance.pending.insert("DBInstanceClass".to_owned(), "db.m6g.large".to_owned());
        "pending-reboot".clone_into(&mut instance.parameter_status);
        "storage-full".clone_into(&mut instance.status);
        "2027-05-01T00:00:00Z".clone_into(&mut instance.certificate_until);
    });
    let status = account.json(&["instance", "status"], 0);
    assert_eq!(status["pending"], json!([{"attribute": "class", "to": "db.m6g.large"}]));
    assert_eq!(
        status["remedy"],
        "raise storage.size in the declaration to 22 or more, and growth_limit, unless it is 0, to 25 or more; then run \
         `provision instance apply`"
    );
    assert_eq!((&status["maintenance"], &status["unknown"]), (&json!([]), &json!([])));
    assert_eq!(status["certificate_until"], "2027-05-01T00:00:00Z");
    assert!(status["support"]["standard_until"].as_str().is_some_and(|time| time.ends_with('Z')), "{status}");
    let output = account.run(&["instance", "status"]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    for line in [
        "what to do        raise storage.size",
        "parameters        pending-reboot; run `provision instance reboot`",
        "pending changes   class → db.m6g.large",
        "maintenance       none",
    ] {
        assert!(stdout.contains(line), "expected {line:?} in {stdout}");
    }
}

#[test]
fn a_status_is_shown_without_the_permissions_for_more() {
    let account = Account::on_rds("partly", "");
    account.apply();
    for action in ["DescribePendingMaintenanceActions", "DescribeDBMajorEngineVersions", "DescribeEvents"] {
        account.rds().fail_next(action, Failure::Denied("User is not authorized".to_owned()));
    }
    let status = account.json(&["instance", "status"], 0);
    assert_eq!((&status["status"], &status["support"]), (&json!("available"), &json!(null)));
    let unknown = status["unknown"].to_string();
    assert!(unknown.contains("do not allow rds:DescribePendingMaintenanceActions"), "{unknown}");
}

#[test]
fn a_version_without_standard_support_needs_extended_support() {
    let account = Account::on_rds("old", "engine_version = \"13\"\n");
    let refused = "extended_support = true, which AWS charges for";
    account.assert_refused(&["instance", "apply", "--yes"], refused);
    assert!(account.rds().changing_requests().is_empty(), "nothing is created");
    account.declare("engine_version = \"13\"\nextended_support = true\n");
    account.apply();
    let output = account.run(&["instance", "status"]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("it is over, and RDS charges for Extended Support: raise engine_version"), "{stdout}");
    account.json(&["instance", "snapshot", "--name", "kept"], 0);
    account.json(&["instance", "delete", "--unprotect", "--skip-snapshot", "--yes"], 0);
    account.declare("engine_version = \"13\"\n");
    account.assert_refused(&["instance", "restore", "--snapshot", "kept", "--yes"], refused);
}

#[test]
fn a_refusal_by_rds_is_told_in_its_own_words() {
    let account = Account::on_rds("refused", "");
    account.apply();
    let sentence = "Cannot stop or start a read replica instance";
    let refusal = testkit::rds::Refusal::new("InvalidDBInstanceState", sentence);
    account.rds().fail_next("StopDBInstance", Failure::Refused(refusal));
    account.assert_refused(&["instance", "stop", "--yes"], sentence);
}
