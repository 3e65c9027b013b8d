//! The plan for instances as RDS reports them.

use aws_sdk_rds::types::builders::DbInstanceBuilder;
use aws_sdk_rds::types::{
    DbParameterGroupStatus, DbSubnetGroup, DomainMembership, Endpoint, MasterUserSecret, PendingModifiedValues, Tag,
    VpcSecurityGroupMembership,
};

use super::*;
use crate::aws::ec2::SecurityGroup;
use crate::aws::rds::{DbInstance, Parameter, ParameterGroup};
use crate::declaration::Declaration;

/// An instance that is as an empty declaration wants it.
fn instance() -> DbInstanceBuilder {
    DbInstance::builder()
        .db_instance_identifier("users-db")
        .db_instance_status("available")
        .engine("postgres")
        .engine_version("17.6")
        .auto_minor_version_upgrade(true)
        .engine_lifecycle_support("open-source-rds-extended-support-disabled")
        .db_instance_class("db.t4g.micro")
        .db_name("app")
        .endpoint(Endpoint::builder().address("users-db.example").port(5432).build())
        .publicly_accessible(false)
        .multi_az(false)
        .availability_zone("eu-central-1a")
        .deletion_protection(true)
        .iam_database_authentication_enabled(true)
        .ca_certificate_identifier("rds-ca-rsa2048-g1")
        .preferred_maintenance_window("sun:04:30-sun:05:30")
        .master_username("postgres")
        .master_user_secret(MasterUserSecret::builder().secret_arn("arn").kms_key_id("arn:aws:kms:x:1:key/s").build())
        .storage_type("gp3")
        .allocated_storage(20)
        .max_allocated_storage(100)
        .iops(3000)
        .storage_throughput(125)
        .dedicated_log_volume(false)
        .storage_encrypted(true)
        .kms_key_id("arn:aws:kms:x:1:key/k")
        .vpc_security_groups(group("sg-own"))
        .db_subnet_group(DbSubnetGroup::builder().db_subnet_group_name("default").vpc_id("vpc-1").build())
        .network_type("IPV4")
        .backup_retention_period(7)
        .preferred_backup_window("03:00-04:00")
        .copy_tags_to_snapshot(true)
        .performance_insights_enabled(true)
        .performance_insights_retention_period(7)
        .performance_insights_kms_key_id("arn:aws:kms:x:1:key/i")
        .database_insights_mode("standard".into())
        .monitoring_interval(0)
        .db_parameter_groups(parameter_status("users-db", "in-sync"))
        .pending_modified_values(PendingModifiedValues::builder().build())
}

fn group(id: &str) -> VpcSecurityGroupMembership {
    VpcSecurityGroupMembership::builder().vpc_security_group_id(id).status("active").build()
}

fn parameter_status(name: &str, status: &str) -> DbParameterGroupStatus {
    DbParameterGroupStatus::builder().db_parameter_group_name(name).parameter_apply_status(status).build()
}

fn pending(values: aws_sdk_rds::types::builders::PendingModifiedValuesBuilder) -> DbInstance {
    instance().pending_modified_values(values.build()).build()
}

fn parameter(value: Option<&str>, is_set: bool, is_static: bool, allowed: &str) -> Parameter {
    Parameter {
        value: value.map(str::to_owned),
        is_set,
        is_static,
        is_modifiable: true,
        allowed: Some(allowed.to_owned()).filter(|allowed| !allowed.is_empty()),
        is_boolean: allowed == "0,1",
        is_list: false,
    }
}

fn deployed(instance: DbInstance) -> Deployed {
    let parameters = [
        ("rds.force_ssl", parameter(Some("1"), false, false, "0,1")),
        ("log_statement", parameter(Some("none"), false, false, "none,ddl,mod,all")),
        ("max_connections", parameter(Some("{DBInstanceClassMemory/9531392}"), false, true, "6-8388607")),
        ("track_commit_timestamp", parameter(None, false, true, "0,1")),
    ];
    Deployed {
        instance: Some(instance),
        parameter_group: ParameterGroup {
            name: "users-db".to_owned(),
            family: "postgres17".to_owned(),
            arn: Some("arn".to_owned()),
            parameters: parameters.map(|(name, parameter)| (name.to_owned(), parameter)).into(),
            ..ParameterGroup::default()
        },
        security_group: Some(SecurityGroup {
            id: "sg-own".to_owned(),
            vpc: "vpc-1".to_owned(),
            description: "Who may reach the DB instance users-db".to_owned(),
            ..SecurityGroup::default()
        }),
        vpc: "vpc-1".to_owned(),
        keeps_extended_support: false,
    }
}

fn declared(text: &str) -> Declaration {
    Declaration::parse(text).expect("the declaration is valid")
}

/// The lines of the plan, without the first.
#[track_caller]
fn lines(text: &str, deployed: &Deployed, wish: &Wish) -> Vec<String> {
    let plan = Plan::new(&declared(text), deployed, wish).expect("there is a plan");
    plan.to_string().lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

/// The plan for an instance and a declaration, without a wish.
#[track_caller]
fn plan(text: &str, instance: DbInstance) -> Vec<String> {
    lines(text, &deployed(instance), &Wish::default())
}

const NOW: Wish = Wish { now: true, major_upgrade: None, password: None, is_confirmed: false };

#[test]
fn what_is_as_declared_leaves_nothing_to_do() {
    assert_eq!(plan("", instance().build()), [""; 0]);
}

#[test]
fn what_aws_writes_in_another_form_is_no_difference() {
    let cases = vec![
        ("[network]\nsubnet_group = \"Default\"", instance().build()),
        (
            "[network]\nsecurity_groups = [\"sg-2\", \"sg-1\", \"sg-2\"]",
            instance().set_vpc_security_groups(Some(vec![group("sg-1"), group("sg-2")])).build(),
        ),
        ("[encryption]\nkms_key = \"alias/shop\"", instance().build()),
        ("[encryption]\nkms_key = \"k\"", instance().build()),
        ("[encryption]\nkms_key = \"arn:aws:kms:x:1:key/k\"", instance().build()),
        ("[master]\nsecret_kms_key = \"s\"", instance().build()),
        ("[performance_insights]\nkms_key = \"i\"", instance().build()),
        ("[monitoring]\nrole = \"arn:aws:iam::1:role/m\"", instance().build()),
        ("[parameters]\nrds.force_ssl = true\nlog_statement = \"none\"", instance().build()),
        ("engine_version = \"17.6\"", instance().build()),
        ("[storage]\ngrowth_limit = 0", instance().max_allocated_storage(20).build()),
        (
            "logs = [\"upgrade\", \"postgresql\"]",
            instance().enabled_cloudwatch_logs_exports("postgresql").enabled_cloudwatch_logs_exports("upgrade").build(),
        ),
    ];
    for (text, found) in cases {
        assert_eq!(plan(text, found), [""; 0], "{text}");
    }
}

#[test]
fn what_aws_changes_by_itself_is_noted_and_no_difference() {
    let grown = plan("", instance().allocated_storage(25).build());
    assert_eq!(grown, ["note: storage.size is 25 GiB, more than 20 GiB, as growth_limit lets it"]);
    let upgraded = plan("engine_version = \"17.4\"", instance().build());
    assert_eq!(upgraded, ["note: RDS has upgraded engine_version 17.4 to 17.6 by itself"]);
}

#[test]
fn storage_that_is_raised_by_less_than_a_tenth_grows_by_a_tenth() {
    let text = "[storage]\nsize = 21";
    assert_eq!(plan(text, instance().build()), ["~ instance storage.size: 20 → 22 (at once)"]);
    let grown = plan(text, instance().allocated_storage(22).build());
    assert_eq!(grown, ["note: storage.size is 22 GiB, more than 21 GiB, as growth_limit lets it"]);
    let exact = format!("{text}\ngrowth_limit = 0");
    assert_eq!(
        plan(&exact, instance().max_allocated_storage(0).build()),
        ["~ instance storage.size: 20 → 21 (cannot be changed; RDS raises storage by a tenth at least)"]
    );
}

#[test]
fn what_rds_has_rounded_up_is_no_difference() {
    let text = "[storage]\ntype = \"io1\"\nsize = 100\ngrowth_limit = 0\niops = 3100";
    let found = |iops| {
        plan(text, instance().storage_type("io1").allocated_storage(100).max_allocated_storage(0).iops(iops).build())
    };
    assert_eq!(found(3_300), [""; 0]);
    assert_eq!(found(3_500), ["~ instance storage.iops: 3500 → 3100 (at once)"]);
    assert_eq!(found(3_000), ["~ instance storage.iops: 3000 → 3100 (at once)"]);
}

#[test]
fn a_limit_of_growth_is_reached_possible_or_refused_with_the_least_one() {
    let limit = |limit: i32, deployed: Option<i32>| {
        let found = instance().allocated_storage(60).set_max_allocated_storage(deployed).build();
        plan(&format!("[storage]\ngrowth_limit = {limit}"), found)
    };
    let grown = "note: storage.size is 60 GiB, more than 20 GiB, as growth_limit lets it";
    for (declared, deployed) in [(60, None), (60, Some(60)), (50, None), (66, Some(66)), (62, Some(62))] {
        assert_eq!(limit(declared, deployed), [grown], "{declared}, {deployed:?}");
    }
    for declared in [50, 60] {
        let ends =
            "~ instance storage.growth_limit: 100 → 60 (at once; 60 GiB are there already, so RDS grows it no more)";
        assert_eq!(limit(declared, Some(100)), [ends, grown]);
    }
    let refused = "~ instance storage.growth_limit: 100 → 62 (cannot be changed; for 60 GiB, growth_limit must be 66 GiB at \
                   least, or 0)";
    assert_eq!(limit(62, Some(100)), [refused, grown]);
}

#[test]
fn a_queued_growth_is_made_now_where_the_storage_has_grown_meanwhile() {
    let values = PendingModifiedValues::builder().allocated_storage(80).build();
    let queued = instance().allocated_storage(75).pending_modified_values(values).build();
    let lines = lines("[storage]\nsize = 80", &deployed(queued), &NOW);
    assert_eq!(lines[0], "~ instance storage.size: 75 → 80 (at once)");
}

#[test]
fn queued_storage_that_is_no_longer_declared_is_withdrawn_like_anything_else() {
    let large = || instance().allocated_storage(500).max_allocated_storage(1000).iops(12_000).storage_throughput(500);
    let size = PendingModifiedValues::builder().allocated_storage(800).build();
    let iops = PendingModifiedValues::builder().iops(13_200).build();
    let text = "[storage]\nsize = 500\ngrowth_limit = 1000\niops = ";
    let queued = large().pending_modified_values(size).build();
    let withdrawn =
        ["~ instance storage.size: 500 (800 is queued) → 500 (at once; withdraws what is queued)".to_owned()];
    for wish in [Wish::default(), NOW] {
        assert_eq!(lines(&format!("{text}12000"), &deployed(queued.clone()), &wish), withdrawn);
    }
    let queued = || large().pending_modified_values(iops.clone()).build();
    let withdrawn = "~ instance storage.iops: 12000 (13200 is queued) → 12000 (at once; withdraws what is queued)";
    assert_eq!(plan(&format!("{text}12000"), queued()), [withdrawn]);
    let kept = "~ instance storage.iops: 12000 → 13200 (queued for the maintenance window)";
    assert_eq!(plan(&format!("{text}13000"), queued()), [kept], "RDS rounds 13000 up to a tenth more");
}

#[test]
fn what_cannot_be_changed_says_why_and_never_leads_to_an_empty_database() {
    for (text, expected) in [
        ("[storage]\nsize = 20\ngrowth_limit = 0", "storage.size: 25 → 20 (cannot be changed; storage never shrinks)"),
        (
            "engine_version = \"16\"",
            "engine_version: 17.6 → 16 (cannot be changed; RDS cannot go back to an older version)",
        ),
        (
            "engine_version = \"17.4\"\nauto_minor_version_upgrade = false",
            "engine_version: 17.6 → 17.4 (cannot be changed; RDS cannot go back to an older version)",
        ),
        ("database = \"other\"", "database: app → other (cannot be changed)"),
        ("[network]\nsubnet_group = \"private\"", "network.subnet_group: default → private (cannot be changed)"),
    ] {
        let plan = Plan::new(&declared(text), &deployed(instance().allocated_storage(25).build()), &Wish::default());
        let error =
            crate::error::shown(&plan.expect("there is a plan").ensure_possible().expect_err("it is impossible"));
        assert!(error.contains(expected), "expected {expected:?} in {error}");
        let leads_to_a_restore = error.contains("hint: correct the declaration; for a new instance with the same data");
        assert_eq!(leads_to_a_restore, text.contains("subnet_group"), "a restore sets nothing else of this: {error}");
    }
}

#[test]
fn each_step_has_its_true_time() {
    for (text, usually, now) in [
        ("class = \"db.m6g.large\"", "in the maintenance window", "at once, interrupts"),
        ("multi_az = true", "in the maintenance window", "at once"),
        ("engine_version = \"17.7\"", "in the maintenance window", "at once, interrupts"),
        ("port = 5433", "at once, interrupts", "at once, interrupts"),
        ("deletion_protection = false", "at once", "at once"),
        ("iam_authentication = false", "at once", "at once"),
        ("publicly_accessible = true", "at once", "at once"),
        ("[storage]\nsize = 40", "at once", "at once"),
        ("[backups]\ndays = 14", "at once", "at once"),
        ("[monitoring]\ninterval = 60\nrole = \"arn\"", "at once", "at once"),
        ("logs = [\"postgresql\"]", "at once", "at once"),
        ("parameter_group = \"mine\"", "needs a reboot", "needs a reboot"),
        ("ca = \"rds-ca-ecc384-g1\"", "in the maintenance window", "at once, interrupts"),
        ("[network]\ntype = \"DUAL\"", "in the maintenance window", "at once, interrupts"),
        ("[domain]\ndirectory = \"d-1\"\niam_role = \"r\"", "in the maintenance window", "at once, interrupts"),
        ("engine_version = \"18\"", "a major upgrade", "a major upgrade"),
    ] {
        let mut deployed = deployed(instance().build());
        if text.starts_with("parameter_group") {
            deployed.parameter_group.name = "mine".to_owned();
        }
        for (wish, expected) in [(Wish::default(), usually), (NOW, now)] {
            let lines = lines(text, &deployed, &wish);
            let is_expected = |line: &String| {
                let (_, time) = line.split_once(" (").expect("a time");
                time.split([';', ':', ')']).next() == Some(expected)
            };
            assert!(!lines.is_empty() && lines.iter().all(is_expected), "{text}: expected {expected:?} in {lines:?}");
        }
    }
    let turned = lines("[backups]\ndays = 0", &deployed(instance().build()), &NOW);
    assert_eq!(turned, ["~ instance backups.days: 7 → 0 (at once, interrupts; suspends I/O for seconds to minutes)"]);
    let turned_off = plan("[backups]\ndays = 0", instance().build());
    assert_eq!(
        turned_off,
        ["~ instance backups.days: 7 → 0 (in the maintenance window; suspends I/O for seconds to minutes)"]
    );
}

#[test]
fn what_is_queued_is_shown_and_no_difference_until_now_is_wanted() {
    let text = "class = \"db.m6g.large\"";
    let queued = || pending(PendingModifiedValues::builder().db_instance_class("db.m6g.large"));
    let plan = Plan::new(&declared(text), &deployed(queued()), &Wish::default()).expect("there is a plan");
    assert!(!plan.changes.iter().any(Step::is_open) && !plan.has_work(), "{plan}");
    assert!(
        plan.to_string().ends_with("class: db.t4g.micro → db.m6g.large (queued for the maintenance window)"),
        "{plan}"
    );
    let now = lines(text, &deployed(queued()), &NOW);
    assert_eq!(now, ["~ instance class: db.t4g.micro → db.m6g.large (at once, interrupts)"]);
}

#[test]
fn what_would_set_off_a_queued_change_waits_with_it() {
    let text = "class = \"db.m6g.large\"\ndeletion_protection = false\n[storage]\nsize = 40";
    let queued = pending(PendingModifiedValues::builder().db_instance_class("db.m6g.large"));
    assert_eq!(
        plan(text, queued),
        [
            "~ instance class: db.t4g.micro → db.m6g.large (queued for the maintenance window)",
            "~ instance deletion_protection: true → false (at once)",
            "~ instance storage.size: 20 → 40 (in the maintenance window; because class is queued; --now makes all of it at once)",
        ]
    );
}

#[test]
fn a_queued_change_that_is_not_declared_is_withdrawn() {
    let queued = pending(PendingModifiedValues::builder().db_instance_class("db.m6g.large"));
    assert_eq!(
        plan("", queued),
        ["~ instance class: db.t4g.micro (db.m6g.large is queued) → db.t4g.micro (at once; withdraws what is queued)"]
    );
}

#[test]
fn a_queued_upgrade_is_withdrawn_where_only_the_major_version_is_declared() {
    for (queued, is_kept) in [("18.1", false), ("17.7", true)] {
        let queued = pending(PendingModifiedValues::builder().engine_version(queued));
        let lines = plan("engine_version = \"17\"", queued);
        let withdrawn = "~ instance engine_version: 17.6 (18.1 is queued) → 17.6 (at once; withdraws what is queued)";
        let kept = "~ instance engine_version: 17.6 → 17.7 (queued for the maintenance window)";
        assert_eq!(lines, [if is_kept { kept } else { withdrawn }]);
    }
}

#[test]
fn a_queued_change_is_not_withdrawn_where_that_would_make_another_one_at_once() {
    let text = "multi_az = true";
    let queued = || pending(PendingModifiedValues::builder().db_instance_class("db.m6g.large").multi_az(true));
    let class = "~ instance class: db.t4g.micro → db.m6g.large (queued for the maintenance window; not declared; --now \
                 withdraws it and makes multi_az at once)";
    let multi_az = "~ instance multi_az: false → true (queued for the maintenance window)";
    assert_eq!(plan(text, queued()), [class, multi_az]);
    let plan = Plan::new(&declared(text), &deployed(queued()), &Wish::default()).expect("there is a plan");
    assert!(plan.changes.iter().any(Step::is_open) && !plan.has_work(), "{plan}");
}

#[test]
fn a_queued_change_of_what_cannot_be_declared_is_shown() {
    let queued = || pending(PendingModifiedValues::builder().db_instance_identifier("renamed"));
    assert_eq!(plan("", queued()), ["~ instance identifier: as it is → renamed (queued for the maintenance window)"]);
    let now = lines("", &deployed(queued()), &NOW);
    assert_eq!(now, ["~ instance identifier: as it is → renamed (at once, interrupts)"]);
}

#[test]
fn a_reboot_that_is_due_is_shown_and_no_difference() {
    let due = instance().set_db_parameter_groups(Some(vec![parameter_status("users-db", "pending-reboot")])).build();
    let plan = Plan::new(&declared(""), &deployed(due), &Wish::default()).expect("there is a plan");
    assert!(!plan.changes.iter().any(Step::is_open), "{plan}");
    assert!(
        plan.to_string().contains("pending-reboot → in-sync (needs a reboot: `provision instance reboot`)"),
        "{plan}"
    );
}

#[test]
fn a_dedicated_log_volume_is_queued_and_holds_up_what_would_set_it_off() {
    let text = "[storage]\ntype = \"io1\"\nsize = 200\ngrowth_limit = 0\niops = 3000\ndedicated_log_volume = true";
    let large = || instance().storage_type("io1").max_allocated_storage(0).iops(3000);
    let volume = "~ instance storage.dedicated_log_volume: false → true";
    let reboot = "a reboot puts it in force: `provision instance reboot`";
    let found = || large().allocated_storage(200).build();
    assert_eq!(plan(text, found()), [format!("{volume} (in the maintenance window; {reboot})")]);
    assert_eq!(lines(text, &deployed(found()), &NOW), [format!("{volume} (at once, interrupts; {reboot})")]);
    let values = PendingModifiedValues::builder().dedicated_log_volume(true).build();
    let size = "~ instance storage.size: 100 → 200 (in the maintenance window; because storage.dedicated_log_volume is \
                queued; --now makes all of it at once)";
    let queued = format!("{volume} (queued for the maintenance window)");
    assert_eq!(plan(text, large().allocated_storage(100).pending_modified_values(values).build()), [size, &queued]);
}

#[test]
fn whatever_is_queued_is_set_off_by_no_change_that_is_harmless() {
    let waits = |line: &str| line.contains("storage.size: 20 → 40 (in the maintenance window; because ");
    let values = PendingModifiedValues::builder;
    let member = |status: &str| {
        let member = DomainMembership::builder().domain("d-1").iam_role_name("r").status(status).build();
        instance().domain_memberships(member).build()
    };
    let assert_waits = |found: DbInstance, text: &str| {
        let text = format!("{text}\n[storage]\nsize = 40");
        let lines = plan(&text, found);
        assert!(lines.len() == 2 && lines.iter().any(|line| waits(line)), "{text}: {lines:?}");
    };
    assert_waits(pending(values().db_subnet_group_name("elsewhere")), "");
    assert_waits(pending(values().iops(30_000)), "");
    assert_waits(pending(values().storage_throughput(4_000)), "");
    assert_waits(pending(values().db_instance_class("db.m6g.large")), "class = \"db.m6g.xlarge\"");
    assert_waits(instance().network_type("DUAL").build(), "");
    let joined = "[domain]\ndirectory = \"d-1\"\niam_role = \"r\"";
    assert_waits(member("pending-maintenance-enable-kerberos"), joined);
    assert_waits(member("pending-maintenance-disable-kerberos"), "");
}

#[test]
fn a_queued_change_of_what_is_left_undeclared_is_shown_with_the_value_of_now() {
    let queued = pending(PendingModifiedValues::builder().db_subnet_group_name("elsewhere"));
    assert_eq!(
        plan("", queued.clone()),
        ["~ instance network.subnet_group: default → elsewhere (queued for the maintenance window)"]
    );
    assert_eq!(
        plan("[network]\nsubnet_group = \"default\"", queued),
        [
            "~ instance network.subnet_group: default (elsewhere is queued) → default (at once; withdraws what is queued)"
        ]
    );
}

#[test]
fn a_static_parameter_needs_a_reboot_and_a_dynamic_one_does_not() {
    assert_eq!(
        plan(
            "[parameters]\nmax_connections = 200\nlog_statement = \"ddl\"\ntrack_commit_timestamp = \"on\"",
            instance().build()
        ),
        [
            "~ parameter group log_statement: none → ddl (at once)",
            "~ parameter group max_connections: {DBInstanceClassMemory/9531392} → 200 (needs a reboot: `provision instance reboot`)",
            "+ parameter group track_commit_timestamp = 1 (needs a reboot: `provision instance reboot`)",
        ]
    );
}

#[test]
fn a_parameter_that_is_no_longer_declared_is_reset() {
    let mut deployed = deployed(instance().build());
    deployed.parameter_group.parameters.insert("log_statement".to_owned(), parameter(Some("all"), true, false, ""));
    assert_eq!(lines("", &deployed, &Wish::default()), ["- parameter group log_statement: all (at once)"]);
}

#[test]
fn a_wrong_parameter_is_refused_before_anything_is_created() {
    let text = "[parameters]\nrds.force_sll = 1\nlog_statement = \"everything\"";
    let error = Plan::new(&declared(text), &deployed(instance().build()), &Wish::default()).expect_err("it is wrong");
    assert_eq!(
        crate::error::shown(&error),
        "error: [parameters] is invalid: log_statement may be none,ddl,mod,all, not everything; rds.force_sll does not \
         exist in postgres17\nhint: correct the declaration\n"
    );
}

#[test]
fn tags_are_left_alone_unless_they_are_declared_and_then_are_the_whole_list() {
    let tagged = || {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        instance().tag_list(tag("project", "old")).tag_list(tag("cost", "42")).tag_list(tag("aws:backup", "x")).build()
    };
    assert_eq!(plan("", tagged()), [""; 0]);
    let mut deployed = deployed(tagged());
    deployed.parameter_group.tags = [("project".to_owned(), "users".to_owned())].into();
    assert_eq!(
        lines("[tags]\nproject = \"users\"", &deployed, &Wish::default()),
        [
            "+ security group tags.Name = users-db",
            "+ security group tags.project = users",
            "~ instance tags.project: old → users (at once)",
            "- instance tags.cost: 42 (at once)",
        ]
    );
    deployed.security_group.as_mut().expect("a group").tags =
        [("Name".to_owned(), "Users".to_owned()), ("project".to_owned(), "users".to_owned())].into();
    let named = lines("[tags]\nproject = \"users\"\nName = \"Users\"", &deployed, &Wish::default());
    assert!(!named.iter().any(|line| line.contains("security group")), "the declared name wins: {named:?}");
}

#[test]
fn a_security_group_that_is_to_be_created_is_attached_beside_those_that_are_there() {
    let mut deployed = deployed(instance().set_vpc_security_groups(Some(vec![group("sg-app")])).build());
    deployed.security_group = None;
    assert_eq!(
        lines("", &deployed, &Wish::default()),
        [
            "+ security group users-db",
            "~ instance network.security_groups: sg-app → sg-app users-db (new) (at once)",
            "note: sg-app stays attached; to detach it, declare the whole list in network.security_groups",
        ]
    );
    assert_eq!(
        lines("[network]\nsecurity_groups = [\"sg-new\"]", &deployed, &Wish::default()),
        ["~ instance network.security_groups: sg-app → sg-new (at once)"]
    );
}

#[test]
fn a_major_upgrade_is_made_by_its_own_command_with_the_group_of_its_family() {
    let text = "engine_version = \"18\"";
    assert_eq!(
        plan(text, instance().build()),
        ["~ instance engine_version: 17.6 → 18 (a major upgrade: `provision instance upgrade`)"]
    );
    let mut deployed = deployed(instance().build());
    deployed.parameter_group.name = "users-db-postgres18".to_owned();
    deployed.parameter_group.family = "postgres18".to_owned();
    deployed.parameter_group.arn = None;
    let wish = Wish { major_upgrade: Some("18.1".to_owned()), ..Wish::default() };
    assert_eq!(
        lines(text, &deployed, &wish),
        [
            "+ parameter group users-db-postgres18",
            "~ instance engine_version: 17.6 → 18.1 (in the maintenance window; with the parameter group users-db-postgres18)",
        ]
    );
    let queued = pending(PendingModifiedValues::builder().engine_version("18.1"));
    assert_eq!(
        plan(text, queued),
        ["~ instance engine_version: 17.6 → 18.1 (queued for the maintenance window)"],
        "the group of the version that runs is left alone"
    );
}

#[test]
fn a_password_goes_over_both_ways_and_a_new_one_replaces_the_old() {
    let password = Wish { password: Some("hunter2hunter2".into()), ..Wish::default() };
    let given = "[master]\npassword = \"given\"";
    let is_given = || deployed(instance().set_master_user_secret(None).build());
    for (text, deployed, wish, expected) in [
        (
            given,
            deployed(instance().build()),
            &password,
            "~ instance master.password: managed → given (at once; RDS deletes its secret; needs --password-file)",
        ),
        (
            "",
            is_given(),
            &Wish::default(),
            "~ instance master.password: given → managed (at once; RDS replaces it; other programs read it from the new secret)",
        ),
        (given, is_given(), &password, "~ instance master.password: given → another one (at once)"),
    ] {
        assert_eq!(lines(text, &deployed, wish), [expected]);
    }
    assert_eq!(lines(given, &is_given(), &Wish::default()), [""; 0]);
}

#[test]
fn a_domain_is_joined_changed_and_left() {
    let member =
        |domain: &str| DomainMembership::builder().domain(domain).iam_role_name("r").status("kerberos-enabled");
    let joined = || instance().domain_memberships(member("d-1").fqdn("corp.example").build()).build();
    let text = "[domain]\ndirectory = \"d-1\"\niam_role = \"r\"";
    assert_eq!(plan(text, joined()), [""; 0]);
    assert_eq!(plan("", joined()), ["~ instance domain: d-1 r → none (in the maintenance window)"]);
    assert_eq!(
        plan(&text.replace("d-1", "d-2"), joined()),
        ["~ instance domain: d-1 r → d-2 r (in the maintenance window)"]
    );
    let of_status = |status: &str| {
        let member = DomainMembership::builder().domain("d-1").iam_role_name("r").status(status);
        instance().domain_memberships(member.build()).build()
    };
    for (status, text, expected) in [
        ("pending-maintenance-enable-kerberos", text, "domain: none → d-1 r (queued for the maintenance window)"),
        ("pending-maintenance-disable-kerberos", "", "domain: d-1 r → none (queued for the maintenance window)"),
        ("pending-maintenance-enable-kerberos", "", "domain: none (d-1 r is queued) → none (at once; withdraws"),
        ("enable-kerberos-failed", text, "domain: none → d-1 r (in the maintenance window)"),
    ] {
        let lines = plan(text, of_status(status));
        assert!(lines.len() == 1 && lines[0].contains(expected), "{status}: {lines:?}");
    }
    assert_eq!(plan("", of_status("enable-kerberos-failed")), [""; 0]);
}

#[test]
fn a_plan_that_lost_steps_needs_no_other_confirmation_and_one_that_won_some_does() {
    let made = |text: &str, instance: DbInstance| {
        Plan::new(&declared(text), &deployed(instance), &Wish::default()).expect("there is a plan")
    };
    let text = "deletion_protection = false\n[storage]\nsize = 40";
    let confirmed = made(text, instance().build());
    assert!(made(text, instance().allocated_storage(60).build()).is_part_of(&confirmed), "storage has grown meanwhile");
    assert!(
        !made(text, instance().endpoint(Endpoint::builder().port(5433).build()).build()).is_part_of(&confirmed),
        "somebody has changed the port"
    );
    let queued = pending(PendingModifiedValues::builder().multi_az(true).db_instance_identifier("renamed"));
    assert!(!made(text, queued).is_part_of(&confirmed), "storage waits now, because something is queued");
}

#[test]
fn a_queued_major_upgrade_is_carried_out_by_its_own_command_alone() {
    let queued = || pending(PendingModifiedValues::builder().engine_version("18.1"));
    let text = "engine_version = \"18\"\nclass = \"db.m6g.large\"\n[storage]\nsize = 40";
    let refused = |wish: &Wish, instance: DbInstance| {
        let error = Plan::new(&declared(text), &deployed(instance), wish).expect_err("it is refused");
        crate::error::shown(&error)
    };
    assert_eq!(
        refused(&NOW, queued()),
        "error: the upgrade of users-db from 17.6 to 18.1 is queued, and --now would carry it out\nhint: run `provision \
         instance upgrade --now`, which makes all of it at once, or leave out --now\n"
    );
    let lines = plan(text, queued());
    let waits = "because engine_version is queued; `provision instance upgrade --now` makes all of it at once";
    assert!(lines.iter().any(|line| line.contains(waits)), "{lines:?}");

    let full = instance().db_instance_status("storage-full");
    let full = full.pending_modified_values(queued().pending_modified_values.expect("pending")).build();
    let error = refused(&Wish::default(), full);
    assert!(
        error.contains("the raise of its storage would carry it out\nhint: run `provision instance upgrade"),
        "{error}"
    );

    let upgrade = Wish { major_upgrade: Some("18.1".to_owned()), ..NOW };
    Plan::new(&declared(text), &deployed(queued()), &upgrade).expect("the command that makes it");
    Plan::new(&declared("engine_version = \"17\""), &deployed(queued()), &NOW).expect("it is withdrawn");
    let values = PendingModifiedValues::builder().engine_version("18.1").multi_az(true);
    let lines = plan("engine_version = \"17\"\nmulti_az = true", pending(values));
    let withdrawn = "not declared; --now withdraws it and makes multi_az at once";
    assert!(lines.iter().any(|line| line.contains(withdrawn)), "{lines:?}");
}

#[test]
fn what_is_queued_and_carried_out_has_its_true_interruption() {
    let throughput = pending(PendingModifiedValues::builder().storage_throughput(150));
    assert_eq!(lines("", &deployed(throughput), &NOW), ["~ instance storage.throughput: 125 → 150 (at once)"]);
    let moved = pending(PendingModifiedValues::builder().db_subnet_group_name("elsewhere"));
    let lines = lines("", &deployed(moved), &NOW);
    assert_eq!(lines, ["~ instance network.subnet_group: default → elsewhere (at once, interrupts)"]);
}

#[test]
fn a_full_storage_is_raised_at_once_and_the_plan_names_what_that_carries_out() {
    let values = PendingModifiedValues::builder().db_instance_class("db.m6g.large").multi_az(true).build();
    let full = instance().db_instance_status("storage-full").pending_modified_values(values).build();
    let text = "class = \"db.m6g.large\"\niam_authentication = false\n[storage]\nsize = 40";
    let made = "made with the raise of storage";
    assert_eq!(
        plan(text, full),
        [
            &format!("~ instance class: db.t4g.micro → db.m6g.large (at once, interrupts; it is queued, and {made})"),
            &format!("~ instance multi_az: false → true (at once; not declared; it is queued, and {made})"),
            "~ instance iam_authentication: true → false (at once)",
            "~ instance storage.size: 20 → 40 (at once)",
        ]
    );
}

#[test]
fn extended_support_stays_on_while_the_version_that_runs_needs_it() {
    let found = instance().engine_lifecycle_support("open-source-rds-extended-support").build();
    let off = "~ instance extended_support: true → false (at once; when standard support ends, RDS upgrades the major version \
               by itself)";
    assert_eq!(plan("", found.clone()), [off]);
    let held = Deployed { keeps_extended_support: true, ..deployed(found) };
    let note =
        "note: extended_support stays on until a newer version runs: the standard support of PostgreSQL 17 is over";
    assert_eq!(lines("", &held, &Wish::default()), [note]);
}

#[test]
fn an_upgrade_that_is_withdrawn_leaves_room_for_another_parameter_group() {
    let queued = |text: &str, values: aws_sdk_rds::types::builders::PendingModifiedValuesBuilder| {
        let mut deployed = deployed(pending(values.engine_version("18.1")));
        deployed.parameter_group.name = "other17".to_owned();
        lines(&format!("parameter_group = \"other17\"\n{text}"), &deployed, &Wish::default())
    };
    let withdrawn = "~ instance engine_version: 17.6 (18.1 is queued) → 17.6 (at once; withdraws what is queued)";
    let group = "~ instance parameter_group: users-db → other17 (needs a reboot: `provision instance reboot`)";
    assert_eq!(queued("", PendingModifiedValues::builder()), [withdrawn, group]);
    let held = queued("multi_az = true", PendingModifiedValues::builder().multi_az(true));
    assert!(
        !held.iter().any(|line| line.contains("parameter_group")),
        "it would take the queued one's place: {held:?}"
    );
}
