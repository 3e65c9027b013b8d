use std::time::Duration;

use super::*;

/// Sends a request as the CLI would write it: `Action Name=Value …`. Returns the body of a good answer.
fn send(rds: &Rds, line: &str) -> Result<String, String> {
    let mut words = line.split(' ');
    let action = words.next().unwrap_or_default();
    let form = std::iter::once(format!("Action={action}")).chain(words.map(|word| word.replace('+', "%20")));
    let form = form.collect::<Vec<_>>().join("&");
    let authorization = "AWS4-HMAC-SHA256 Credential=testing/20261125/eu-central-1/rds/aws4_request";
    let request = Request::parse(authorization, form.as_bytes()).expect("a request");
    let (status, body) = rds.answer(&request).expect("an answer");
    if status == 200 { Ok(body) } else { Err(body) }
}

#[track_caller]
fn done(rds: &Rds, line: &str) -> String {
    send(rds, line).unwrap_or_else(|body| panic!("{line}: {body}"))
}

#[track_caller]
fn refused(rds: &Rds, line: &str, expected: &str) {
    let body = send(rds, line).expect_err("it is refused");
    assert!(body.contains(expected), "expected {expected:?} in {body}");
}

const CREATE: &str = "CreateDBInstance DBInstanceIdentifier=Db Engine=postgres EngineVersion=17.4 AllocatedStorage=20 \
                      DBInstanceClass=db.t4g.micro ManageMasterUserPassword=true MasterUsername=postgres \
                      MaxAllocatedStorage=100";

/// An RDS with an instance `db`, on which nothing takes time.
fn rds() -> Rds {
    let rds = Rds::in_process();
    rds.change(|account| account.pace = Pace::AtOnce);
    done(&rds, CREATE);
    rds
}

fn modify(rds: &Rds, rest: &str) -> Result<String, String> {
    send(rds, &format!("ModifyDBInstance DBInstanceIdentifier=db {rest}"))
}

#[test]
fn a_change_waits_for_the_window_and_a_later_immediate_one_takes_it_along() {
    let rds = rds();
    modify(&rds, "DBInstanceClass=db.m6g.large MultiAZ=true").expect("it is queued");
    assert_eq!((rds.instance("db").get("DBInstanceClass"), rds.instance("db").pending.len()), ("db.t4g.micro", 2));
    // What needs no window changes alone.
    modify(&rds, "DeletionProtection=true").expect("it is changed");
    assert_eq!((rds.instance("db").get("DeletionProtection"), rds.instance("db").pending.len()), ("true", 2));
    modify(&rds, "DeletionProtection=false ApplyImmediately=true").expect("it is changed");
    let instance = rds.instance("db");
    assert_eq!((instance.get("DBInstanceClass"), instance.pending.len()), ("db.m6g.large", 0));
}

#[test]
fn a_window_applies_what_waits_and_the_newest_minor_version() {
    let rds = rds();
    modify(&rds, "DBInstanceClass=db.m6g.large").expect("it is queued");
    rds.begin_maintenance_window("db");
    let instance = rds.instance("db");
    assert_eq!((instance.get("DBInstanceClass"), instance.get("EngineVersion")), ("db.m6g.large", "17.7"));
}

#[test]
fn a_waiting_change_is_taken_back_by_an_immediate_request_only() {
    let rds = rds();
    modify(&rds, "MultiAZ=true").expect("it is queued");
    modify(&rds, "MultiAZ=false").expect("it is nothing new");
    assert_eq!(rds.instance("db").pending.len(), 1);
    modify(&rds, "MultiAZ=false ApplyImmediately=true").expect("it is taken back");
    assert_eq!((rds.instance("db").pending.len(), rds.instance("db").get("MultiAZ")), (0, "false"));
    modify(&rds, "BackupRetentionPeriod=0").expect("it is queued");
    modify(&rds, "BackupRetentionPeriod=1 ApplyImmediately=true").expect("it is taken back");
    assert_eq!(rds.instance("db").get("BackupRetentionPeriod"), "1");
}

#[tokio::test(start_paused = true)]
async fn statuses_last_as_long_as_the_clock_says_and_available_is_stale_at_first() {
    let rds = Rds::in_process();
    let status = |rds: &Rds| rds.instance("db").reported_status().to_owned();
    done(&rds, CREATE);
    let mut seen = vec![status(&rds)];
    let mut until = async |rds: &Rds, wanted: &str| {
        while seen.last().is_none_or(|last| last != wanted) {
            tokio::time::advance(Duration::from_secs(5)).await;
            if seen.last() != Some(&status(rds)) {
                seen.push(status(rds));
            }
        }
        std::mem::take(&mut seen)
    };
    assert_eq!(until(&rds, "available").await, ["creating", "backing-up", "available"]);
    modify(&rds, "AllocatedStorage=30 ApplyImmediately=true").expect("it is changed");
    assert_eq!(status(&rds), "available");
    assert!(modify(&rds, "MultiAZ=true").is_err_and(|body| body.contains("InvalidDBInstanceState")));
    assert_eq!(until(&rds, "storage-optimization").await, ["available", "modifying", "storage-optimization"]);
    assert!(modify(&rds, "AllocatedStorage=40").is_err_and(|body| body.contains("being optimized")));
    modify(&rds, "DeletionProtection=true").expect("what is not storage can be changed");
    tokio::time::advance(Duration::from_hours(6)).await;
    assert_eq!(status(&rds), "available");
}

#[test]
fn phases_can_last_for_a_number_of_answers() {
    let rds = rds();
    rds.change(|account| account.pace = Pace::Looks(1));
    done(&rds, "StopDBInstance DBInstanceIdentifier=db");
    let describe = || done(&rds, "DescribeDBInstances DBInstanceIdentifier=db");
    assert!(describe().contains("<DBInstanceStatus>stopping<"));
    let stopped = describe();
    assert!(stopped.contains("<DBInstanceStatus>stopped<") && stopped.contains("<AutomaticRestartTime>"), "{stopped}");
}

#[test]
fn a_parameter_that_is_set_to_its_default_is_not_reported_as_set() {
    let rds = rds();
    done(&rds, "CreateDBParameterGroup DBParameterGroupName=G DBParameterGroupFamily=postgres17 Description=x");
    let set = |name: &str, value: &str, method: &str| {
        let parameter = "Parameters.Parameter.1";
        send(
            &rds,
            &format!(
                "ModifyDBParameterGroup DBParameterGroupName=g {parameter}.ParameterName={name} \
                 {parameter}.ParameterValue={value} {parameter}.ApplyMethod={method}"
            ),
        )
    };
    set("rds.force_ssl", "1", "pending-reboot").expect("it is set");
    let user = || done(&rds, "DescribeDBParameters DBParameterGroupName=g Source=user");
    assert!(!user().contains("rds.force_ssl"), "{}", user());
    set("rds.force_ssl", "0", "immediate").expect("it is dynamic");
    assert!(user().contains("<ParameterValue>0<"), "{}", user());
    for (name, value, method, expected) in [
        ("max_connections", "100", "immediate", "cannot use immediate apply method for static parameter"),
        ("nonsense", "1", "immediate", "Could not find parameter with name: nonsense"),
        ("log_statement", "some", "immediate", "allowed values are: none,ddl,mod,all"),
        ("statement_timeout", "-5", "immediate", "allowed values are: 0-2147483647"),
        ("listen_addresses", "*", "immediate", "cannot be modified"),
    ] {
        assert!(set(name, value, method).is_err_and(|body| body.contains(expected)), "{name}");
    }
}

#[test]
fn parameters_come_in_pages() {
    let rds = rds();
    let first = done(&rds, "DescribeDBParameters DBParameterGroupName=default.postgres14");
    assert!(first.contains("<Marker>20<") && !first.contains("<ParameterName>work_mem<"));
    let rest = done(&rds, "DescribeDBParameters DBParameterGroupName=default.postgres14 Marker=60");
    assert!(rest.contains("<ParameterName>work_mem<"), "{rest}");
}

#[test]
fn a_changed_static_parameter_waits_for_a_reboot() {
    let rds = rds();
    done(&rds, "CreateDBParameterGroup DBParameterGroupName=g DBParameterGroupFamily=postgres17 Description=x");
    modify(&rds, "DBParameterGroupName=g").expect("the name changes at once");
    assert_eq!(rds.instance("db").parameter_status, "pending-reboot");
    done(&rds, "RebootDBInstance DBInstanceIdentifier=db");
    assert_eq!(rds.instance("db").parameter_status, "in-sync");
}

#[test]
fn what_rds_refuses_is_refused_in_its_words() {
    let rds = rds();
    for (rest, expected) in [
        ("EngineVersion=16.4", "Cannot upgrade postgres from 17.4 to 16.4"),
        ("EngineVersion=18", "The AllowMajorVersionUpgrade flag must be present"),
        ("EngineVersion=17.99", "Cannot find version 17.99 for postgres"),
        ("AllocatedStorage=10", "Invalid storage size"),
        ("MaxAllocatedStorage=21", "Invalid max storage size"),
        ("AllocatedStorage=200 MaxAllocatedStorage=210", "Invalid max storage size"),
        ("StorageType=io1 AllocatedStorage=100 MaxAllocatedStorage=200", "You must specify Iops"),
        ("Iops=3000", "a storage size less than 400"),
        ("ManageMasterUserPassword=false", "MasterUserPassword must be provided"),
        ("MasterUserPassword=hunter2hunter2", "with ManageMasterUserPassword enabled"),
        ("ManageMasterUserPassword=false MasterUserPassword=short", "shorter than 8 characters"),
        ("MonitoringInterval=60", "A MonitoringRoleARN value is required"),
        ("MonitoringInterval=0 MonitoringRoleArn=arn", "MonitoringInterval value other than 0"),
        ("PreferredBackupWindow=04:00-05:00 PreferredMaintenanceWindow=sun:04:30-sun:05:30", "must not overlap"),
        ("PreferredMaintenanceWindow=sun:04:30-sun:04:40", "at least 30 minutes"),
        ("DBSubnetGroupName=Nowhere", "DBSubnetGroupNotFoundFault"),
        ("DBParameterGroupName=default.postgres16", "cannot be used for this instance"),
        ("VpcSecurityGroupIds.VpcSecurityGroupId.1=sg-nowhere", "Invalid security group"),
        ("Nonsense=1", "StandInIsIncomplete"),
    ] {
        refused(&rds, &format!("ModifyDBInstance DBInstanceIdentifier=db {rest}"), expected);
    }
    refused(&rds, CREATE, "DBInstanceAlreadyExists");
    refused(&rds, "DescribeDBInstances DBInstanceIdentifier=nowhere", "DBInstanceNotFound");
    refused(&rds, "CreateEverything", "StandInIsIncomplete");
}

#[test]
fn storage_grows_by_a_tenth_at_least_and_large_volumes_need_their_speed() {
    let rds = rds();
    modify(&rds, "AllocatedStorage=21 ApplyImmediately=true").expect("it is rounded up");
    assert_eq!(rds.instance("db").get("AllocatedStorage"), "22");
    modify(&rds, "AllocatedStorage=500 MaxAllocatedStorage=1000 ApplyImmediately=true").expect("it grows");
    assert_eq!(rds.instance("db").get("Iops"), "12000");
    assert!(modify(&rds, "AllocatedStorage=600").is_err_and(|body| body.contains("both the storage size and iops")));
    // A limit that is the size turns growth off.
    modify(&rds, "MaxAllocatedStorage=500").expect("it is off");
    assert_eq!(rds.instance("db").get("MaxAllocatedStorage"), "");
}

#[test]
fn a_major_upgrade_needs_a_parameter_group_of_its_family() {
    let rds = rds();
    for family in ["postgres17", "postgres18"] {
        let create = format!("DBParameterGroupName={family} DBParameterGroupFamily={family} Description=x");
        done(&rds, &format!("CreateDBParameterGroup {create}"));
    }
    modify(&rds, "DBParameterGroupName=postgres17").expect("it fits");
    let upgrade = "EngineVersion=18 AllowMajorVersionUpgrade=true";
    assert!(modify(&rds, upgrade).is_err_and(|body| body.contains("DBParameterGroupFamily postgres18")));
    modify(&rds, &format!("{upgrade} DBParameterGroupName=postgres18")).expect("it is queued");
    assert_eq!(rds.instance("db").parameter_group, "postgres17");
    rds.begin_maintenance_window("db");
    let instance = rds.instance("db");
    assert_eq!((instance.get("EngineVersion"), instance.parameter_group.as_str()), ("18.1", "postgres18"));
}

#[test]
fn a_full_volume_takes_more_storage_and_nothing_else() {
    let rds = rds();
    rds.change(|account| "storage-full".clone_into(&mut account.instance_mut("db").status));
    assert!(modify(&rds, "DeletionProtection=true").is_err_and(|body| body.contains("InvalidDBInstanceState")));
    modify(&rds, "AllocatedStorage=40 ApplyImmediately=true").expect("it grows");
    assert_eq!(rds.instance("db").status, "available");
}

#[test]
fn a_restored_instance_has_the_defaults_of_what_is_not_data() {
    let rds = rds();
    modify(&rds, "DeletionProtection=true BackupRetentionPeriod=9").expect("it is changed");
    done(&rds, "CreateDBSnapshot DBInstanceIdentifier=db DBSnapshotIdentifier=s");
    done(&rds, "RestoreDBInstanceFromDBSnapshot DBInstanceIdentifier=new DBSnapshotIdentifier=s");
    let restored = rds.instance("new");
    assert_eq!(restored.security_groups, ["sg-default"]);
    assert_eq!((restored.subnet_group.as_str(), restored.parameter_group.as_str()), ("default", "default.postgres17"));
    assert_eq!((restored.get("DeletionProtection"), restored.get("BackupRetentionPeriod")), ("false", "9"));
    assert_eq!((restored.secret, restored.values["EngineVersion"].as_str()), (None, "17.4"));
}

#[test]
fn deletion_is_refused_while_it_is_protected_and_keeps_a_snapshot() {
    let rds = rds();
    modify(&rds, "DeletionProtection=true").expect("it is changed");
    let delete = "DeleteDBInstance DBInstanceIdentifier=db FinalDBSnapshotIdentifier=last";
    refused(&rds, delete, "Cannot delete protected DB Instance");
    modify(&rds, "DeletionProtection=false").expect("it is changed");
    done(&rds, delete);
    refused(&rds, "DescribeDBInstances DBInstanceIdentifier=db", "DBInstanceNotFound");
    assert!(done(&rds, "DescribeDBSnapshots DBSnapshotIdentifier=last").contains("<Status>available<"));
}

#[test]
fn a_failure_is_used_up_by_its_request() {
    let rds = rds();
    rds.fail_next("DescribeDBInstances", Failure::Throttling);
    done(&rds, "DescribeEvents");
    refused(&rds, "DescribeDBInstances", "Rate exceeded");
    done(&rds, "DescribeDBInstances");
    rds.fail_next("*", Failure::Pass);
    done(&rds, "DescribeEvents");
    rds.fail_next("*", Failure::Denied("not authorized to perform: iam:PassRole".to_owned()));
    refused(&rds, "DescribeEvents", "iam:PassRole");
}

#[test]
fn an_instance_without_automated_backups_has_no_restore_window() {
    let rds = rds();
    let describe = || done(&rds, "DescribeDBInstanceAutomatedBackups DBInstanceIdentifier=db");
    assert!(describe().contains("<RestoreWindow>"), "{}", describe());
    modify(&rds, "BackupRetentionPeriod=0 ApplyImmediately=true").expect("it is changed");
    assert!(!describe().contains("<RestoreWindow>"), "{}", describe());
}
