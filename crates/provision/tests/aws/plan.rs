//! What `provision instance plan`, `apply` and `upgrade` do on an Amazon RDS that answers as AWS does.

use std::process::Output;

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use testkit::rds::{Instance, ParameterGroup, Request};

use crate::account::{Account, boto3, text};

/// The lines of standard output.
fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim().to_owned()).collect()
}

/// The plan's lines after the first, and the exit status.
#[track_caller]
fn plan(account: &Account) -> (Vec<String>, Option<i32>) {
    let output = account.run(&["instance", "plan"]);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (lines(&output).split_off(1), output.status.code())
}

#[track_caller]
fn assert_planned(account: &Account, expected: &[&str], status: i32) {
    assert_eq!(plan(account), (expected.iter().map(|line| (*line).to_owned()).collect(), Some(status)));
}

#[track_caller]
fn assert_settled(account: &Account) {
    assert_planned(account, &[], 0);
}

/// The changing requests since there were so many, each with what it modifies.
fn requests_since(account: &Account, count: usize) -> Vec<Request> {
    account.rds().changing_requests().split_off(count)
}

fn count(account: &Account) -> usize {
    account.rds().changing_requests().len()
}

#[track_caller]
fn change(account: &Account, change: impl FnOnce(&mut Instance)) {
    let name = account.identifier();
    account.rds().change(|aws| change(aws.instance_mut(name)));
}

/// Applies without waiting. The stand-in goes from one status to the next with each look at the instance.
#[track_caller]
fn apply(account: &Account) -> Value {
    let applied = account.json(&["instance", "apply", "--yes", "--no-wait"], 0);
    while account.rds().instance(account.identifier()).is_busy() {
        account.run(&["instance", "status"]);
    }
    applied
}

#[test]
fn the_default_declaration_comes_to_no_difference_and_nothing_is_sent_again() {
    let account = Account::on_rds("c01", "");
    apply(&account);
    assert_settled(&account);
    let before = count(&account);
    apply(&account);
    assert_eq!(requests_since(&account, before), []);
}

#[test]
fn storage_that_has_grown_is_no_difference_and_holds_up_no_other_change() {
    let account = Account::on_rds("c02", "");
    apply(&account);
    change(&account, |instance| instance.set("AllocatedStorage", 25));
    assert_planned(&account, &["note: storage.size is 25 GiB, more than 20 GiB, as growth_limit lets it"], 0);
    account.declare("deletion_protection = false\n");
    apply(&account);
    let instance = account.rds().instance("c02");
    assert_eq!((instance.get("DeletionProtection"), instance.get("AllocatedStorage")), ("false", "25"));
}

#[test]
fn a_minor_version_that_rds_has_installed_is_no_difference_and_a_downgrade_is_refused_unsent() {
    let account = Account::on_rds("c03", "engine_version = \"17.4\"\n");
    apply(&account);
    account.rds().begin_maintenance_window("c03");
    let (lines, status) = plan(&account);
    assert!(lines.iter().any(|line| line.contains("upgraded engine_version 17.4 to 17.")), "{lines:?}");
    assert_eq!(status, Some(0));
    for downgrade in ["engine_version = \"17.4\"\nauto_minor_version_upgrade = false\n", "engine_version = \"16\"\n"] {
        account.declare(downgrade);
        let before = count(&account);
        account.assert_refused(&["instance", "apply", "--yes"], "RDS cannot go back to an older version");
        assert_eq!(requests_since(&account, before), []);
    }
}

#[test]
fn a_queued_change_is_shown_until_it_is_made_and_a_harmless_one_does_not_set_it_off() {
    let account = Account::on_rds("c06", "");
    apply(&account);
    account.declare("class = \"db.m6g.large\"\n");
    let applied = apply(&account);
    assert_eq!(applied["to_come"][0]["when"], "queued", "{applied}");
    assert_planned(&account, &["~ instance class: db.t4g.micro → db.m6g.large (queued for the maintenance window)"], 0);

    let lines = "class = \"db.m6g.large\"\ndeletion_protection = false\n[storage]\nsize = 40\n";
    account.declare(lines);
    let before = count(&account);
    apply(&account);
    assert!(requests_since(&account, before).iter().all(|request| request.get("ApplyImmediately") == Some("false")));
    let instance = account.rds().instance("c06");
    assert_eq!((instance.get("DBInstanceClass"), instance.get("DeletionProtection")), ("db.t4g.micro", "false"));
    assert_eq!(instance.get("AllocatedStorage"), "20");

    account.json(&["instance", "apply", "--now", "--yes", "--no-wait"], 0);
    let instance = account.rds().instance("c06");
    assert_eq!((instance.get("DBInstanceClass"), instance.get("AllocatedStorage")), ("db.m6g.large", "40"));
    assert_settled(&account);
}

#[test]
fn the_maintenance_window_makes_what_was_planned_for_it() {
    let account = Account::on_rds("window", "");
    apply(&account);
    account.declare("multi_az = true\nca = \"rds-ca-ecc384-g1\"\n[backups]\ndays = 0\n");
    apply(&account);
    account.rds().begin_maintenance_window("window");
    account.run(&["instance", "status"]);
    assert_settled(&account);
    assert_eq!(account.rds().instance("window").get("BackupRetentionPeriod"), "0");
}

#[test]
fn a_change_that_is_queued_and_no_longer_declared_is_withdrawn() {
    let account = Account::on_rds("back", "class = \"db.m6g.large\"\n");
    apply(&account);
    account.declare("class = \"db.m6g.xlarge\"\n");
    apply(&account);
    account.declare("class = \"db.m6g.large\"\n");
    apply(&account);
    assert_settled(&account);
    assert!(account.rds().instance("back").pending.is_empty());
}

#[test]
fn storage_is_raised_at_once_beside_a_class_that_waits() {
    let account = Account::on_rds("beside", "");
    apply(&account);
    account.declare("class = \"db.m6g.large\"\n[storage]\nsize = 40\n");
    apply(&account);
    let instance = account.rds().instance("beside");
    assert_eq!((instance.get("AllocatedStorage"), instance.get("DBInstanceClass")), ("40", "db.t4g.micro"));
    assert_eq!(instance.pending["DBInstanceClass"], "db.m6g.large");
}

#[test]
fn a_full_storage_is_raised() {
    let account = Account::on_rds("c09", "");
    apply(&account);
    change(&account, |instance| instance.status = "storage-full".to_owned());
    account.declare("deletion_protection = false\n[storage]\nsize = 40\n");
    apply(&account);
    let instance = account.rds().instance("c09");
    assert_eq!((instance.get("AllocatedStorage"), instance.get("DeletionProtection")), ("40", "false"));
    assert_settled(&account);
}

#[test]
fn incompatible_parameters_are_corrected_and_a_reboot_is_asked_for() {
    let account = Account::on_rds("c10", "[parameters]\nmax_connections = 200\n");
    apply(&account);
    change(&account, |instance| instance.status = "incompatible-parameters".to_owned());
    account.declare("[parameters]\nmax_connections = 100\n");
    let applied = apply(&account);
    assert_eq!(
        (&applied["status"], &applied["to_come"][0]["when"]),
        (&json!("incompatible-parameters"), &json!("reboot"))
    );
    let set = || account.rds().change(|aws| aws.parameter_groups["c10"].set["max_connections"].clone());
    assert_eq!(set(), "100");
    // What needs a running server waits, and the parameters do not.
    account.declare("deletion_protection = false\n[parameters]\nmax_connections = 90\n");
    account.assert_refused(&["instance", "apply", "--yes"], "provision instance reboot");
    assert_eq!(set(), "90");
}

#[test]
fn a_static_parameter_is_shown_until_a_reboot_and_a_dynamic_one_is_in_force_at_once() {
    let account = Account::on_rds("c43", "");
    apply(&account);
    account.declare("[parameters]\nlog_statement = \"ddl\"\nmax_connections = 200\n");
    let applied = apply(&account);
    assert_eq!(applied["to_come"][0]["when"], "reboot", "{applied}");
    let due = "~ instance parameters: pending-reboot → in-sync (needs a reboot: `provision instance reboot`)";
    assert_planned(&account, &[due], 0);
    let methods: Vec<(String, String)> = account
        .rds()
        .changing_requests()
        .iter()
        .filter(|request| request.action == "ModifyDBParameterGroup")
        .flat_map(|request| {
            let field = |index: usize, name: &str| {
                request.get(&format!("Parameters.Parameter.{index}.{name}")).map(str::to_owned)
            };
            (1..=2)
                .filter_map(move |index| Some((field(index, "ParameterName")?, field(index, "ApplyMethod")?)))
                .collect::<Vec<_>>()
        })
        .collect();
    let expected = [("log_statement", "immediate"), ("max_connections", "pending-reboot")];
    assert_eq!(methods, expected.map(|(name, method)| (name.to_owned(), method.to_owned())));
}

#[test]
fn parameters_and_tags_that_are_no_longer_declared_are_removed_and_aws_own_tags_stay() {
    let account =
        Account::on_rds("c18", "[parameters]\nlog_statement = \"all\"\n[tags]\nproject = \"users\"\nold = \"1\"\n");
    apply(&account);
    change(&account, |instance| {
        instance.tags.insert("aws:backup".to_owned(), "x".to_owned());
    });
    account.declare("[tags]\nproject = \"users\"\n");
    let (lines, status) = plan(&account);
    let expected = [
        "- security group tags.old: 1 (at once)",
        "- parameter group tags.old: 1 (at once)",
        "- parameter group log_statement: all (at once)",
        "- instance tags.old: 1 (at once)",
    ];
    assert_eq!((lines.as_slice(), status), (expected.map(str::to_owned).as_slice(), Some(3)));
    apply(&account);
    assert_settled(&account);
    let tags = account.rds().instance("c18").tags;
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["aws:backup", "project"]);
    account.declare("");
    assert_settled(&account);
}

#[test]
fn a_name_tag_is_the_declared_one() {
    let account = Account::on_rds("c60", "[tags]\nName = \"users database\"\n");
    apply(&account);
    let names = boto3(
        "[t['Value'] for g in ec2.describe_security_groups(Filters=[{'Name': 'group-name', 'Values': ['c60']}])\
           ['SecurityGroups'] for t in g['Tags'] if t['Key'] == 'Name']",
    );
    assert_eq!(names, json!(["users database"]));
    assert_settled(&account);
}

#[test]
fn a_security_group_that_is_attached_stays_and_the_plan_shows_all_of_them() {
    let group = text(&boto3(
        "ec2.create_security_group(GroupName='app-to-db2', Description='x', \
         VpcId=ec2.describe_vpcs()['Vpcs'][0]['VpcId'])['GroupId']",
    ));
    let account = Account::on_rds("c23b", &format!("[network]\nsecurity_groups = [\"{group}\"]\n"));
    apply(&account);
    account.declare("");
    let expected = [
        "+ security group c23b".to_owned(),
        format!("~ instance network.security_groups: {group} → c23b (new) {group} (at once)"),
        format!("note: {group} stays attached; to detach it, declare the whole list in network.security_groups"),
    ];
    assert_eq!(plan(&account), (expected.to_vec(), Some(3)));
    apply(&account);
    let attached = account.rds().instance("c23b").security_groups;
    assert!(attached.len() == 2 && attached.contains(&group), "{attached:?}");
    let (lines, status) = plan(&account);
    assert_eq!((lines.len(), status), (1, Some(0)), "{lines:?}");

    account.declare(&format!("[network]\nsecurity_groups = {:?}\n", [&attached[1], &attached[0]]));
    assert_settled(&account);
    account.declare(&format!("[network]\nsecurity_group = {group:?}\n"));
    apply(&account);
    assert_eq!(account.rds().instance("c23b").security_groups, [group]);
}

#[test]
fn a_security_group_of_another_program_is_refused_with_its_rules() {
    let group = text(&boto3(
        "(lambda g: (ec2.authorize_security_group_ingress(GroupId=g, IpPermissions=[{'IpProtocol': 'tcp', 'FromPort': 5432, \
         'ToPort': 5432, 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}]), g)[1])(ec2.create_security_group(GroupName='c61', \
         Description='of somebody', VpcId=ec2.describe_vpcs()['Vpcs'][0]['VpcId'])['GroupId'])",
    ));
    let account = Account::on_rds("c61", "");
    for command in [&["instance", "plan"][..], &["instance", "apply", "--yes"]] {
        account.assert_refused(command, &format!("the security group {group} (c61) exists, and another program made it; it \
                                                  lets in 0.0.0.0/0 tcp 5432\nhint: set network.security_groups = [\"{group}\"]"));
    }
    account.declare(&format!("[network]\nsecurity_groups = [\"{group}\"]\n"));
    apply(&account);
    assert_settled(&account);
}

#[test]
fn the_vpcs_default_group_and_one_that_does_not_exist_are_refused() {
    let account = Account::on_rds("default", "");
    account.assert_refused(&["instance", "apply", "--yes"], "(default) exists, and another program made it");
    let account = Account::on_rds("c62", "[network]\nsecurity_groups = [\"sg-0123456789abcdef0\"]\n");
    account.assert_refused(&["instance", "apply", "--yes"], "there is no security group sg-0123456789abcdef0");
    assert_eq!(count(&account), 0);
}

#[test]
fn an_identifier_that_begins_like_a_security_group_is_possible() {
    let account = Account::on_rds("sg-users", "");
    apply(&account);
    assert_settled(&account);
}

/// What somebody has done to an instance.
type Play = fn(&mut Instance);

#[test]
fn another_engine_a_member_of_a_cluster_and_a_replica_are_refused() {
    let account = Account::on_rds("c17", "");
    apply(&account);
    let refused: [(Play, &str); 3] = [
        (|instance| instance.engine = "mysql".to_owned(), "runs mysql, not postgres"),
        (|instance| instance.set("DBClusterIdentifier", "aurora"), "belongs to the cluster aurora"),
        (|instance| instance.set("ReadReplicaSourceDBInstanceIdentifier", "main"), "is a read replica of main"),
    ];
    for (play, expected) in refused {
        let mut before = None;
        change(&account, |instance| before = Some(instance.clone()));
        change(&account, play);
        for command in [
            &["instance", "plan"][..],
            &["instance", "apply", "--yes"],
            &["instance", "rotate-password", "--yes", "--no-wait"],
        ] {
            account.assert_refused(command, expected);
        }
        change(&account, |instance| *instance = before.expect("it was there"));
    }
    assert_settled(&account);
}

#[test]
fn a_parameter_group_of_another_program_is_refused_and_used_unchanged_where_it_is_declared() {
    let account = Account::on_rds("c19", "");
    let group = |family: &str| ParameterGroup {
        family: family.to_owned(),
        description: "mine".to_owned(),
        set: [].into(),
        tags: [].into(),
    };
    account.rds().change(|aws| aws.parameter_groups.insert("c19".to_owned(), group("postgres17")));
    account.assert_refused(&["instance", "apply", "--yes"], "hint: set parameter_group = \"c19\"");
    account.declare("parameter_group = \"c19\"\n");
    apply(&account);
    assert_eq!(account.rds().instance("c19").parameter_group, "c19");
    assert!(account.rds().change(|aws| aws.parameter_groups["c19"].set.is_empty()));
    assert_settled(&account);
    account.declare("parameter_group = \"nowhere\"\n");
    account.assert_refused(&["instance", "plan"], "there is no parameter group nowhere");
}

#[test]
fn a_group_of_another_family_is_left_alone() {
    let account = Account::on_rds("c39", "engine_version = \"16\"\ndeletion_protection = false\n");
    apply(&account);
    account.json(&["instance", "delete", "--skip-snapshot", "--yes", "--no-wait"], 0);
    account.run(&["instance", "status"]);
    account.declare("engine_version = \"17\"\n");
    apply(&account);
    assert_eq!(account.rds().instance("c39").parameter_group, "c39-postgres17");
    assert_settled(&account);
}

#[test]
fn a_wrong_parameter_is_refused_before_anything_is_created() {
    let account =
        Account::on_rds("wrong-parameter", "[parameters]\nrds.force_sll = 1\nlog_statement = \"everything\"\n");
    account.assert_refused(&["instance", "apply", "--yes"], "rds.force_sll does not exist in postgres17");
    account.declare("[parameters]\nssl = 0\n");
    account.assert_refused(&["instance", "apply", "--yes"], "ssl cannot be changed on RDS");
    assert_eq!(count(&account), 0);
}

#[test]
fn a_subnet_group_is_found_in_any_case_and_brings_its_vpc() {
    let account = Account::on_rds("c12", "[network]\nsubnet_group = \"Private-Subnets\"\n");
    let vpc = text(&boto3("ec2.create_vpc(CidrBlock='10.9.0.0/16')['Vpc']['VpcId']"));
    account.rds().change(|aws| {
        let group = testkit::rds::SubnetGroup { vpc: vpc.clone() };
        aws.subnet_groups.insert("private-subnets".to_owned(), group);
    });
    apply(&account);
    assert_settled(&account);
    let made = boto3(
        "ec2.describe_security_groups(Filters=[{'Name': 'group-name', 'Values': ['c12']}])['SecurityGroups'][0]['VpcId']",
    );
    assert_eq!(made, json!(vpc));

    let other = Account::on_rds("c24", "[network]\nsubnet_group = \"nowhere\"\n");
    other.assert_refused(&["instance", "apply", "--yes"], "there is no subnet group nowhere");
    other.declare("[network]\nsubnet_group = \"default\"\nvpc = \"vpc-1\"\n");
    other.assert_refused(&["instance", "apply", "--yes"], "and network.vpc is another VPC");
    assert_eq!(count(&other), 0);
    account.declare("[network]\nvpc = \"vpc-1\"\nsubnet_group = \"Private-Subnets\"\n");
    account.assert_refused(&["instance", "plan"], "and network.vpc is another VPC");
}

#[test]
fn provisioned_storage_is_created_and_large_storage_grows() {
    let account = Account::on_rds("c13", "[storage]\ntype = \"io2\"\nsize = 100\ngrowth_limit = 0\niops = 3000\n");
    apply(&account);
    assert_settled(&account);
    account.declare("[storage]\ntype = \"io2\"\nsize = 200\ngrowth_limit = 0\niops = 3000\n");
    apply(&account);
    assert_settled(&account);
    let account = Account::on_rds("c14", "[storage]\nsize = 500\ngrowth_limit = 0\n");
    apply(&account);
    account.declare("[storage]\nsize = 600\ngrowth_limit = 0\n");
    apply(&account);
    assert_settled(&account);
    let instance = account.rds().instance("c14");
    assert_eq!((instance.get("AllocatedStorage"), instance.get("Iops")), ("600", "12000"));
}

#[test]
fn storage_that_grew_during_the_wait_is_not_shrunk() {
    let account = Account::on_rds("c64", "");
    apply(&account);
    change(&account, |instance| instance.set("AllocatedStorage", 60));
    account.declare("[storage]\nsize = 40\n");
    apply(&account);
    assert_eq!(account.rds().instance("c64").get("AllocatedStorage"), "60");
}

#[test]
fn every_setting_can_be_changed_and_changed_back() {
    let role = "arn:aws:iam::123456789012:role/rds-monitoring";
    let changed = format!(
        "auto_minor_version_upgrade = false\nextended_support = true\nport = 5433\niam_authentication = false\n\
         publicly_accessible = true\nlogs = [\"postgresql\", \"iam-db-auth-error\"]\nmaintenance_window = \"Mon:01:00-Mon:02:00\"\n\
         [backups]\ndays = 14\nwindow = \"05:00-06:00\"\ncopy_tags = false\n\
         [performance_insights]\ndays = 465\nmode = \"advanced\"\n[monitoring]\ninterval = 60\nrole = \"{role}\"\n\
         [storage]\nsize = 40\ngrowth_limit = 0\n"
    );
    let account = Account::on_rds("every", "");
    apply(&account);
    account.declare(&changed);
    apply(&account);
    assert_settled(&account);
    account.declare("[storage]\nsize = 40\n[performance_insights]\nenabled = false\n");
    apply(&account);
    assert_settled(&account);
    assert_eq!(account.rds().instance("every").get("MonitoringRoleArn"), "");
}

#[test]
fn a_role_is_kept_while_metrics_are_off_and_another_role_is_a_difference() {
    let role = |name: &str| format!("role = \"arn:aws:iam::123456789012:role/{name}\"\n");
    let account = Account::on_rds("c15", &format!("[monitoring]\n{}", role("a")));
    apply(&account);
    assert_settled(&account);
    account.declare(&format!("[monitoring]\ninterval = 60\n{}", role("a")));
    apply(&account);
    account.declare(&format!("[monitoring]\ninterval = 60\n{}", role("b")));
    assert_eq!(plan(&account).1, Some(3));
    apply(&account);
    assert_settled(&account);
    account.declare(&format!("[monitoring]\n{}", role("b")));
    apply(&account);
    assert_settled(&account);
}

#[test]
fn a_major_upgrade_is_checked_and_made_with_a_group_of_its_own_family() {
    let account = Account::on_rds("c04", "engine_version = \"16\"\n[parameters]\nlog_statement = \"ddl\"\n");
    apply(&account);
    account.declare("engine_version = \"17\"\n[parameters]\nlog_statement = \"ddl\"\n");
    let applied = apply(&account);
    assert_eq!(applied["to_come"][0]["when"], "major-upgrade", "{applied}");
    assert_eq!(plan(&account).1, Some(3));
    let before = count(&account);
    let check = account.json(&["instance", "upgrade", "--check"], 0);
    assert_eq!((&check["obstacles"], count(&account)), (&json!([]), before));
    assert_eq!(check["to"], "17.7", "the whole version of those that RDS lists");
    account.json(&["instance", "upgrade", "--now", "--yes", "--no-wait"], 0);
    let instance = account.rds().instance("c04");
    assert_eq!(instance.get("EngineVersion"), "17.7");
    let requests = account.rds().changing_requests();
    let sent = requests.iter().rev().find_map(|request| request.get("EngineVersion"));
    assert_eq!(sent, Some("17.7"));
    assert_eq!(instance.parameter_group, "c04-postgres17");
    assert_eq!(account.rds().change(|aws| aws.parameter_groups["c04-postgres17"].set["log_statement"].clone()), "ddl");
    assert_settled(&account);
    account.assert_refused(&["instance", "upgrade", "--yes"], "already");
}

#[test]
fn a_major_upgrade_waits_for_the_window_unless_it_is_wanted_now() {
    let account = Account::on_rds("c05d", "engine_version = \"16\"\n");
    apply(&account);
    account.declare("engine_version = \"17\"\n");
    account.json(&["instance", "upgrade", "--yes", "--no-wait"], 0);
    let (lines, status) = plan(&account);
    assert!(lines.len() == 1 && lines[0].contains("queued for the maintenance window"), "{lines:?}");
    assert_eq!(status, Some(0));
    account.rds().begin_maintenance_window("c05d");
    account.run(&["instance", "status"]);
    assert_settled(&account);
}

#[test]
fn a_major_upgrade_that_is_queued_is_withdrawn_with_its_parameter_group() {
    let account = Account::on_rds("regretted", "engine_version = \"16\"\n");
    apply(&account);
    let before = account.rds().instance("regretted");
    account.declare("engine_version = \"17\"\n");
    account.json(&["instance", "upgrade", "--yes", "--no-wait"], 0);
    account.declare("engine_version = \"16\"\n");
    let (lines, status) = plan(&account);
    assert!(lines.len() == 1 && lines[0].contains("withdraws what is queued"), "{lines:?}");
    assert_eq!(status, Some(3));
    apply(&account);
    assert_settled(&account);
    assert!(account.rds().instance("regretted").pending.is_empty());
    account.rds().begin_maintenance_window("regretted");
    let after = account.rds().instance("regretted");
    assert_eq!(after.get("EngineVersion"), before.get("EngineVersion"));
    assert_eq!(after.parameter_group, before.parameter_group);
}

#[test]
fn an_upgrade_that_rds_does_not_have_is_refused_unsent() {
    let account = Account::on_rds("too-far", "engine_version = \"13\"\nextended_support = true\n");
    apply(&account);
    account.declare("engine_version = \"99\"\nextended_support = true\n");
    let before = count(&account);
    let check = account.json(&["instance", "upgrade", "--check"], 3);
    assert!(text(&check["obstacles"][0]).contains("RDS upgrades 13."), "{check}");
    account.assert_refused(&["instance", "upgrade", "--yes"], "cannot be upgraded to 99");
    assert_eq!(count(&account), before);
}

#[test]
fn parameters_that_are_declared_while_an_upgrade_is_queued_are_those_of_its_group() {
    let account = Account::on_rds("later", "engine_version = \"16\"\n");
    apply(&account);
    account.declare("engine_version = \"17\"\n");
    account.json(&["instance", "upgrade", "--yes", "--no-wait"], 0);
    account.declare("engine_version = \"17\"\n[parameters]\nlog_statement = \"ddl\"\n");
    let (lines, status) = plan(&account);
    assert!(lines.iter().any(|line| line.contains("those of postgres17, in force after the upgrade")), "{lines:?}");
    assert_eq!(status, Some(3));
    apply(&account);
    account.rds().begin_maintenance_window("later");
    account.run(&["instance", "status"]);
    assert_settled(&account);
}

#[test]
fn extended_support_is_given_up_only_once_a_supported_version_runs() {
    let account = Account::on_rds("supported", "engine_version = \"13\"\nextended_support = true\n");
    apply(&account);
    account.declare("engine_version = \"13\"\n");
    let note =
        "note: extended_support stays on until a newer version runs: the standard support of PostgreSQL 13 is over";
    assert_planned(&account, &[note], 0);
    account.declare("engine_version = \"17\"\n");
    let before = count(&account);
    account.json(&["instance", "upgrade", "--yes", "--no-wait"], 0);
    let requests = requests_since(&account, before);
    assert!(requests.iter().all(|request| request.get("EngineLifecycleSupport").is_none()), "{requests:?}");
    account.rds().begin_maintenance_window("supported");
    account.run(&["instance", "status"]);
    apply(&account);
    let support = account.rds().instance("supported").get("EngineLifecycleSupport").to_owned();
    assert_eq!(support, "open-source-rds-extended-support-disabled");
    assert_settled(&account);
}

#[test]
fn a_withdrawn_upgrade_and_another_group_are_one_apply() {
    let account = Account::on_rds("withdrawn", "engine_version = \"16\"\n");
    apply(&account);
    account.declare("engine_version = \"17\"\n");
    account.json(&["instance", "upgrade", "--yes", "--no-wait"], 0);
    account.rds().change(|aws| {
        let group = aws.parameter_groups["withdrawn"].clone();
        aws.parameter_groups.insert("other16".to_owned(), group)
    });
    account.declare("engine_version = \"16\"\nparameter_group = \"other16\"\n");
    apply(&account);
    let instance = account.rds().instance("withdrawn");
    assert_eq!((&*instance.parameter_group, instance.pending.len()), ("other16", 0));
    assert_eq!(plan(&account).1, Some(0));
}

#[test]
fn provisioned_storage_becomes_general_with_what_that_can_have() {
    let fixed = "size = 500\ngrowth_limit = 0\n";
    let account = Account::on_rds("general", &format!("[storage]\ntype = \"io2\"\niops = 100000\n{fixed}"));
    apply(&account);
    account.declare(&format!("[storage]\n{fixed}"));
    account.json(&["instance", "apply", "--yes", "--no-wait", "--now"], 0);
    let instance = account.rds().instance("general");
    assert_eq!((instance.get("StorageType"), instance.get("Iops")), ("gp3", "64000"));
}

fn password_file(password: &str) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), password).expect("the file is writable");
    file
}

#[track_caller]
fn with_file(account: &Account, command: &[&str], file: &NamedTempFile, status: i32) -> Value {
    let path = file.path().to_string_lossy().into_owned();
    account.json(&[command, &["--password-file", &path]].concat(), status)
}

#[test]
fn the_password_is_managed_given_replaced_and_managed_again() {
    let account = Account::on_rds("c05", "");
    apply(&account);
    let (first, second) = (password_file("hunter2hunter2\n"), password_file("correct-horse\n"));
    let path = first.path().to_string_lossy().into_owned();
    let command = ["instance", "apply", "--yes", "--no-wait"];
    account.assert_refused(&[&command[..], &["--password-file", &path]].concat(), "hint: leave --password-file out");
    account.declare("[master]\npassword = \"given\"\n");
    account.assert_refused(&command, "hint: name its file with --password-file");
    let rotation = ["instance", "rotate-password", "--yes", "--no-wait", "--password-file", &path];
    account.assert_refused(&rotation, "hint: make it the given one with `provision instance apply --password-file`");
    with_file(&account, &command, &first, 0);
    let instance = account.rds().instance("c05");
    assert_eq!((instance.secret, instance.password.as_deref()), (None, Some("hunter2hunter2")));
    assert_settled(&account);

    with_file(&account, &command, &second, 0);
    assert_eq!(account.rds().instance("c05").password.as_deref(), Some("correct-horse"));
    account.assert_refused(
        &["instance", "rotate-password", "--yes", "--no-wait"],
        "hint: name the file with the new one with --password-file",
    );
    with_file(&account, &["instance", "rotate-password", "--yes", "--no-wait"], &first, 0);
    assert_eq!(account.rds().instance("c05").password.as_deref(), Some("hunter2hunter2"));

    account.declare("");
    apply(&account);
    assert!(account.rds().instance("c05").secret.is_some());
    let rotated = account.json(&["instance", "rotate-password", "--yes", "--no-wait"], 0);
    assert_eq!(rotated["user"], "postgres");
    assert!(
        account.rds().changing_requests().iter().any(|request| request.get("RotateMasterUserPassword") == Some("true"))
    );
    assert_settled(&account);
}

#[test]
fn a_password_that_rds_refuses_is_refused_before_anything_is_created_and_never_shown() {
    let account = Account::on_rds("c05e", "[master]\npassword = \"given\"\n");
    for password in ["", "short", "with/slash-in-it"] {
        let file = password_file(password);
        let path = file.path().to_string_lossy().into_owned();
        let output = account.run(&["instance", "apply", "--yes", "--password-file", &path]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && stderr.contains("hint: write one of 8 to 128"), "{stderr}");
        assert!(password.is_empty() || !stderr.contains(password), "{stderr}");
    }
    assert_eq!(count(&account), 0);
}

#[test]
fn a_rotation_says_what_rds_makes_with_it() {
    let account = Account::on_rds("rotated", "");
    apply(&account);
    account.declare("class = \"db.m6g.large\"\n");
    apply(&account);
    account.assert_refused(
        &["instance", "rotate-password"],
        "RDS makes what is queued at the same time: class → db.m6g.large",
    );
}

#[test]
fn a_network_type_that_may_be_queued_unseen_is_set_off_only_after_a_question() {
    let account = Account::on_rds("dual", "");
    apply(&account);
    account.declare("[network]\ntype = \"DUAL\"\n");
    apply(&account);
    account.assert_refused(&["instance", "rotate-password"], "network.type → DUAL, if it is queued");
    account.declare("[network]\ntype = \"DUAL\"\n[storage]\nsize = 40\n");
    apply(&account);
    let instance = account.rds().instance("dual");
    assert_eq!((instance.get("NetworkType"), instance.get("AllocatedStorage")), ("IPV4", "20"));
    account.rds().begin_maintenance_window("dual");
    account.run(&["instance", "status"]);
    assert_settled(&account);
}
