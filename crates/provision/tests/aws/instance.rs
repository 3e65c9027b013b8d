//! `provision instance`

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use testkit::{Fault, Moto, Proxy};

use crate::account::{Account, boto3, text};

#[track_caller]
fn describe(identifier: &str) -> Value {
    boto3(&format!("rds.describe_db_instances(DBInstanceIdentifier='{identifier}')['DBInstances'][0]"))
}

#[test]
fn a_declaration_is_planned_and_applied() {
    let account = Account::new("whole", "availability_zone = \"eu-central-1b\"\n[tags]\nproject = \"users\"\n");
    let plan = account.json(&["instance", "plan"], 3);
    assert_eq!(
        plan["changes"][0],
        json!({
            "subject": "security_group",
            "attribute": null,
            "from": null,
            "to": "whole",
            "when": "at-once",
            "note": null
        })
    );

    let applied = account.apply();
    let instance = describe("whole");
    assert_eq!(applied["host"], instance["Endpoint"]["Address"]);
    assert_eq!(applied["environment"]["DB_SECRET_ID"], instance["MasterUserSecret"]["SecretArn"]);
    assert_eq!(applied["environment"]["PGDATABASE"], "app");
    for (name, expected) in [
        ("Engine", json!("postgres")),
        ("EngineVersion", json!("17")),
        ("DBInstanceClass", json!("db.t4g.micro")),
        ("DBName", json!("app")),
        ("DbInstancePort", json!(5432)),
        ("PubliclyAccessible", json!(false)),
        ("MultiAZ", json!(false)),
        ("AvailabilityZone", json!("eu-central-1b")),
        ("DeletionProtection", json!(true)),
        ("IAMDatabaseAuthenticationEnabled", json!(true)),
        ("CACertificateIdentifier", json!("rds-ca-rsa2048-g1")),
        ("PreferredMaintenanceWindow", json!("sun:04:30-sun:05:30")),
        ("MasterUsername", json!("postgres")),
        ("StorageType", json!("gp3")),
        ("AllocatedStorage", json!(20)),
        ("MaxAllocatedStorage", json!(100)),
        ("BackupRetentionPeriod", json!(7)),
        ("PreferredBackupWindow", json!("03:00-04:00")),
        ("StorageEncrypted", json!(true)),
        ("MonitoringInterval", json!(0)),
        ("CopyTagsToSnapshot", json!(true)),
        ("TagList", json!([{"Key": "project", "Value": "users"}])),
    ] {
        assert_eq!(instance[name], expected, "{name}");
    }
    assert_eq!(instance["DBParameterGroups"][0]["DBParameterGroupName"], "whole");
    let parameters = boto3("rds.describe_db_parameters(DBParameterGroupName='whole', Source='user')['Parameters']");
    assert_eq!(
        (&parameters[0]["ParameterName"], &parameters[0]["ParameterValue"]),
        (&json!("rds.force_ssl"), &json!("1"))
    );
    let group = &instance["VpcSecurityGroups"][0]["VpcSecurityGroupId"];
    let group = boto3(&format!("ec2.describe_security_groups(GroupIds=[{group}])['SecurityGroups'][0]"));
    assert_eq!((&group["GroupName"], &group["IpPermissions"]), (&json!("whole"), &json!([])));

    assert_eq!(account.json(&["instance", "plan"], 0)["changes"], json!([]));
}

#[test]
fn a_change_by_hand_is_shown_and_undone() {
    let account = Account::new("drift", "");
    account.apply();
    boto3(
        "rds.modify_db_instance(DBInstanceIdentifier='drift', DeletionProtection=False, BackupRetentionPeriod=1, \
           DBInstanceClass='db.m5.large', ApplyImmediately=True)",
    );
    boto3(
        "rds.modify_db_parameter_group(DBParameterGroupName='drift', Parameters=[{'ParameterName': 'rds.force_ssl', \
           'ParameterValue': '0', 'ApplyMethod': 'immediate'}])",
    );
    let output = account.run(&["instance", "plan"]);
    assert_eq!(output.status.code(), Some(3));
    let expected = [
        "drift:",
        "  ~ parameter group rds.force_ssl: 0 → 1 (needs a reboot: `provision instance reboot`)",
        "  ~ instance class: db.m5.large → db.t4g.micro (in the maintenance window)",
        "  ~ instance deletion_protection: false → true (at once)",
        "  ~ instance backups.days: 1 → 7 (at once)",
        "",
    ];
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected.join("\n"));
    account.apply();
    assert_eq!(account.differences(), []);
}

#[test]
fn a_changed_declaration_is_applied() {
    let account = Account::new("changed", "");
    account.apply();
    account.declare(
        "ca = \"rds-ca-ecc384-g1\"\niam_authentication = false\n[storage]\nsize = 30\n[backups]\n\
         days = 14\nwindow = \"01:00-02:00\"\n[tags]\nproject = \"users\"",
    );
    account.apply();
    let instance = describe("changed");
    for (name, expected) in [
        ("CACertificateIdentifier", json!("rds-ca-ecc384-g1")),
        ("IAMDatabaseAuthenticationEnabled", json!(false)),
        ("AllocatedStorage", json!(30)),
        ("BackupRetentionPeriod", json!(14)),
        ("PreferredBackupWindow", json!("01:00-02:00")),
        ("TagList", json!([{"Key": "project", "Value": "users"}])),
    ] {
        assert_eq!(instance[name], expected, "{name}");
    }
    assert_eq!(account.differences(), []);
}

#[test]
fn declared_resources_that_exist_are_used() {
    let group = boto3(
        "ec2.create_security_group(GroupName='mine', Description='x', \
         VpcId=ec2.describe_vpcs()['Vpcs'][0]['VpcId'])['GroupId']",
    );
    boto3(
        "rds.create_db_subnet_group(DBSubnetGroupName='private', DBSubnetGroupDescription='x', \
         SubnetIds=[s['SubnetId'] for s in ec2.describe_subnets()['Subnets']])['DBSubnetGroup']",
    );
    let key = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-4333-8444-555555555555";
    let lines =
        format!("[network]\nsecurity_group = {group}\nsubnet_group = \"private\"\n[encryption]\nkms_key = \"{key}\"\n");
    let account = Account::new("existing", &lines);
    account.apply();
    let instance = describe("existing");
    assert_eq!(instance["VpcSecurityGroups"][0]["VpcSecurityGroupId"], group);
    assert_eq!(instance["DBSubnetGroup"]["DBSubnetGroupName"], "private");
    assert_eq!(instance["KmsKeyId"], key);
    assert_eq!(account.differences(), []);
    let made = boto3(
        "len(ec2.describe_security_groups(Filters=[{'Name': 'group-name', 'Values': ['existing']}])['SecurityGroups'])",
    );
    assert_eq!(made, 0, "no security group is made where one is declared");
}

#[test]
fn a_change_that_needs_a_new_instance_is_refused() {
    let account = Account::new("replaced", "");
    account.apply();
    account.declare("database = \"other\"\n[encryption]\nenabled = false\n");
    account.assert_refused(&["instance", "apply", "--yes"], "~ instance database: app → other (cannot be changed)");
    assert_eq!(describe("replaced")["DBName"], "app");
}

#[test]
fn two_applies_at_once_make_one_deployment() {
    let account = Account::new("twice", "");
    let start =
        || account.command(&["instance", "apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let runs = [start().expect("provision starts"), start().expect("provision starts")];
    for run in runs {
        let output = run.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(account.differences(), []);
}

#[test]
fn an_apply_that_was_interrupted_is_finished_by_the_next() {
    let account = Account::new("adopted", "");
    // What an interrupted run leaves behind: the first steps, without the last.
    boto3(
        "ec2.create_security_group(GroupName='adopted', Description='Who may reach the DB instance adopted', \
           VpcId=ec2.describe_vpcs()['Vpcs'][0]['VpcId'])",
    );
    boto3(
        "rds.create_db_parameter_group(DBParameterGroupName='adopted', DBParameterGroupFamily='postgres17', \
           Description='Of adopted')",
    );
    assert!(account.differences().contains(&("rds.force_ssl".to_owned(), "1".to_owned())));
    account.apply();
    assert_eq!(account.differences(), []);
}

/// The server gets the request and the operator never hears of it: that is where a killed run leaves things.
#[tokio::test(flavor = "multi_thread")]
async fn an_apply_killed_at_any_step_is_finished_by_the_next() {
    let mut step = 0;
    loop {
        let identifier = Box::leak(format!("killed-{step}").into_boxed_str());
        let account = Account::new(identifier, "[tags]\nproject = \"users\"\n");
        let proxy = Proxy::start(Moto::shared().port()).await.expect("a proxy");
        proxy.fail_next(std::iter::repeat_n(Fault::Pass, step).chain([Fault::Stall]));
        let mut command = account.command(&["instance", "apply", "--yes"]);
        command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", proxy.port()));
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("provision starts");
        while proxy.is_about_to_fail() && run.try_wait().expect("it runs or has ended").is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let is_complete = proxy.is_about_to_fail();
        // Until the server has done what it was asked for.
        tokio::time::sleep(Duration::from_millis(50)).await;
        run.kill().expect("it can be killed");
        run.wait().expect("it has ended");
        account.apply();
        assert_eq!(account.differences(), [], "killed at step {step}");
        assert_eq!(describe(identifier)["TagList"], json!([{"Key": "project", "Value": "users"}]));
        if is_complete {
            break;
        }
        step += 1;
    }
    assert!(step >= 6, "an apply makes at least six requests, not {step}");
}

#[test]
fn nothing_is_changed_without_confirmation() {
    let account = Account::new("asked", "");
    account.assert_refused(&["instance", "apply"], "hint: add --yes to confirm");
    assert!(
        boto3("[i['DBInstanceIdentifier'] for i in rds.describe_db_instances()['DBInstances']]")
            .as_array()
            .is_some_and(|instances| !instances.contains(&json!("asked")))
    );
}

#[test]
fn a_given_password_comes_from_a_file_and_is_never_shown() {
    let account = Account::new("given", "[master]\npassword = \"given\"\n");
    account.assert_refused(&["instance", "apply", "--yes"], "hint: name its file with --password-file");
    let password = NamedTempFile::new().expect("a file");
    std::fs::write(password.path(), "hunter2hunter2\n").expect("the file is writable");
    let output = account.run(&["instance", "apply", "--yes", "--password-file", &password.path().to_string_lossy()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!format!("{output:?}").contains("hunter2"), "the password is shown");
    assert_eq!(describe("given")["MasterUserSecret"], json!(null));
    assert_eq!(account.differences(), []);
}

#[test]
fn an_instance_is_stopped_and_started() {
    let account = Account::new("power", "");
    account.apply();
    let stopped = account.json(&["instance", "stop", "--yes"], 0);
    assert_eq!(stopped["status"], "stopped");
    assert!(stopped["starts_again_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{stopped}");
    assert_eq!(account.json(&["instance", "status"], 0)["status"], "stopped");
    account.assert_refused(&["instance", "wait"], "provision instance start");
    assert_eq!(account.json(&["instance", "start"], 0)["status"], "available");
    assert_eq!(account.json(&["instance", "start"], 0)["status"], "available", "a second time does no harm");
    assert_eq!(account.json(&["instance", "wait"], 0)["identifier"], "power");
}

#[test]
fn a_snapshot_has_a_dated_name_or_the_one_it_is_given() {
    let account = Account::new("snap", "");
    account.apply();
    let dated = text(&account.json(&["instance", "snapshot"], 0)["snapshot"]);
    let named = text(&account.json(&["instance", "snapshot", "--name", "before-release"], 0)["snapshot"]);
    let kept = boto3(
        "[s['DBSnapshotIdentifier'] for s in rds.describe_db_snapshots(SnapshotType='manual', \
                       DBInstanceIdentifier='snap')['DBSnapshots']]",
    );
    assert_eq!(kept, json!([dated, named]));
    assert!(dated.starts_with("snap-20"), "{dated}");
}

#[test]
fn deletion_respects_protection_and_keeps_a_final_snapshot() {
    let account = Account::new("doomed", "");
    account.apply();
    account.assert_refused(&["instance", "delete", "--yes"], "add --unprotect");
    account.assert_refused(&["instance", "delete", "--unprotect"], "kept in the snapshot doomed-20");
    let deleted = account.json(&["instance", "delete", "--unprotect", "--yes"], 0);
    let snapshots = boto3(
        "[s['DBSnapshotIdentifier'] for s in rds.describe_db_snapshots(SnapshotType='manual', \
                           DBInstanceIdentifier='doomed')['DBSnapshots']]",
    );
    assert_eq!(snapshots, json!([deleted["final_snapshot"]]));
    account.assert_refused(&["instance", "status"], "there is no DB instance doomed in this region and account");
}

#[test]
fn a_wrong_or_missing_declaration_is_reported() {
    let account = Account::new("wrong", "clas = \"db.t4g.micro\"");
    account.assert_refused(&["instance", "plan"], "is invalid: line 2: unknown field `clas`");
    let output = Command::new(env!("CARGO_BIN_EXE_provision"))
        .env_clear()
        .args(["--config", "/nowhere.toml", "instance", "plan"])
        .output()
        .expect("provision starts");
    assert!(String::from_utf8_lossy(&output.stderr).contains(
        "cannot read /nowhere.toml: No such file or directory (os error 2)\nhint: name the file with --config"
    ));
}

#[test]
fn missing_credentials_and_a_missing_region_are_reported() {
    let account = Account::new("nobody", "");
    let mut command = account.command(&["instance", "plan"]);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let output = command.output().expect("provision starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.contains("hint: log in (`aws sso login`)"), "{stderr}");

    let mut command = account.command(&["instance", "plan"]);
    command.env_remove("AWS_REGION").env("AWS_EC2_METADATA_DISABLED", "true");
    let output = command.output().expect("provision starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("no AWS region is set\nhint: use --region"), "{stderr}");
}
