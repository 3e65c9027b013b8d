//! The commands on an Amazon RDS whose changes last as long as at AWS, by a clock that is paused.

use clap::Parser;
use testkit::Rds;
use testkit::rds::{Failure, Refusal};

use super::*;
use crate::declaration::Declaration;
use crate::error::shown;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    instance: Instance,
}

/// The end of each declaration.
const PARAMETERS: &str = "[parameters]\n\"log_statement\" = \"ddl\"\n";

/// An operator with this declaration of `db`, and an account.
struct Operator {
    rds: Rds,
    /// The declaration.
    text: String,
}

impl Operator {
    /// With an instance as declared.
    async fn new(declaration: &str) -> Self {
        let operator = Self::at(&Rds::in_process(), declaration);
        operator.done("apply").await;
        operator
    }

    /// At an account that has what it has.
    fn at(rds: &Rds, declaration: &str) -> Self {
        Self { rds: rds.clone(), text: format!("identifier = \"db\"\n{declaration}{PARAMETERS}") }
    }

    fn declare(&mut self, declaration: &str) {
        self.text = Self::at(&self.rds, declaration).text;
    }

    /// Runs a command, such as `stop --no-wait`.
    async fn run(&self, line: &str) -> anyhow::Result<Outcome> {
        let declaration = Declaration::parse(&self.text).expect("a declaration");
        let context = Context::of_operation(declaration, Aws::in_process(&self.rds));
        let line = Line::try_parse_from(std::iter::once("instance").chain(line.split(' '))).expect("a command");
        Box::pin(line.instance.run(&context)).await
    }

    async fn done(&self, line: &str) {
        let outcome = self.run(line).await;
        assert_eq!(outcome.unwrap_or_else(|error| panic!("{line}: {}", shown(&error))), Outcome::Done, "{line}");
    }

    async fn refused(&self, line: &str, expected: &str) {
        let error = shown(&self.run(line).await.expect_err("it is refused"));
        assert!(error.contains(expected), "expected {expected:?} in {error:?}");
    }

    fn status(&self) -> String {
        self.rds.instance("db").reported_status().to_owned()
    }

    fn set_status(&self, status: &str) {
        self.rds.change(|aws| status.clone_into(&mut aws.instance_mut("db").status));
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_stopping_is_started_once_it_is_stopped() {
    let operator = Operator::new("").await;
    operator.done("stop --no-wait").await;
    assert_eq!(operator.status(), "stopping");
    operator.refused("start --no-wait", "hint: leave out --no-wait").await;
    operator.done("start").await;
    assert_eq!(operator.status(), "available");
}

#[tokio::test(start_paused = true)]
async fn a_stop_and_a_start_that_were_done_do_no_harm() {
    let operator = Operator::new("").await;
    for (command, status) in [("stop", "stopped"), ("stop", "stopped"), ("start", "available"), ("start", "available")]
    {
        operator.done(command).await;
        assert_eq!(operator.status(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_has_its_key_again_is_started() {
    let operator = Operator::new("").await;
    operator.set_status("inaccessible-encryption-credentials-recoverable");
    operator.refused("wait", "then run `provision instance start`").await;
    operator.done("start").await;
    assert_eq!(operator.status(), "available");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_cannot_help_says_what_does() {
    let operator = Operator::new("").await;
    operator.set_status("storage-full");
    for command in ["start", "start --no-wait"] {
        operator.refused(command, "hint: raise storage.size").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_is_waited_for_before_a_stop() {
    let operator = Operator::new("").await;
    operator.done("snapshot --no-wait").await;
    assert_eq!(operator.status(), "backing-up");
    operator.done("stop").await;
    assert_eq!(operator.status(), "stopped");
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_is_optimised_holds_nothing_up() {
    let mut operator = Operator::new("[storage]\nsize = 30\n").await;
    operator.declare("[storage]\nsize = 60\n");
    operator.done("apply").await;
    assert_eq!(operator.status(), "storage-optimization");
    operator.declare("deletion_protection = false\n[storage]\nsize = 60\n");
    for command in ["apply", "apply", "wait"] {
        operator.done(command).await;
    }
    assert_eq!(operator.status(), "storage-optimization");
    assert_eq!(operator.rds.instance("db").get("DeletionProtection"), "false");
}

#[tokio::test(start_paused = true)]
async fn storage_that_is_optimised_is_changed_again_after_its_end() {
    let mut operator = Operator::new("").await;
    for (size, is_first) in [(40, true), (60, false)] {
        operator.declare(&format!("[storage]\nsize = {size}\n"));
        if is_first {
            operator.done("apply").await;
        } else {
            operator.refused("apply", "hint: wait for the end of storage-optimization").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_storage_grows() {
    let mut operator = Operator::new("[storage]\nsize = 30\n").await;
    operator.set_status("storage-full");
    operator.refused("wait", "raise storage.size in the declaration to 33 or more").await;
    operator.declare("[storage]\nsize = 60\n");
    operator.done("apply").await;
    assert_eq!(operator.rds.instance("db").get("AllocatedStorage"), "60");
}

#[tokio::test(start_paused = true)]
async fn a_reboot_puts_parameters_in_force() {
    let operator = Operator::new("").await;
    for status in ["available", "incompatible-parameters"] {
        operator.rds.change(|aws| "pending-reboot".clone_into(&mut aws.instance_mut("db").parameter_status));
        operator.set_status(status);
        operator.done("reboot").await;
        let instance = operator.rds.instance("db");
        assert_eq!((instance.reported_status(), &*instance.parameter_status), ("available", "in-sync"));
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_that_keep_the_server_from_starting_are_corrected_and_rebooted() {
    let mut operator = Operator::new("").await;
    operator.set_status("incompatible-parameters");
    operator.refused("wait", "run `provision instance apply`, then `provision instance reboot`").await;
    operator.text = operator.text.replace("ddl", "none");
    // The second one changes nothing, and shows that the reboot is still to come.
    for line in ["apply", "apply", "reboot", "wait"] {
        operator.done(line).await;
    }
    assert_eq!(operator.status(), "available");
}

#[tokio::test(start_paused = true)]
async fn only_a_standby_takes_over() {
    let operator = Operator::new("").await;
    operator.refused("reboot --failover", "db has no standby").await;
    operator.rds.change(|aws| aws.instance_mut("db").set("MultiAZ", true));
    operator.done("reboot --failover").await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_window_is_not_made_by_a_deletion_that_fails() {
    let operator = Operator::new("").await;
    operator
        .rds
        .change(|aws| aws.instance_mut("db").pending.insert("DBInstanceClass".to_owned(), "db.m6g.large".to_owned()));
    let refusal = Failure::Refused(Refusal::new("SnapshotQuotaExceeded", "no more snapshots"));
    operator.rds.fail_next("DeleteDBInstance", refusal.clone());
    operator.refused("delete --unprotect", "db is not deleted, and protected from deletion again").await;
    let instance = operator.rds.instance("db");
    assert_eq!((instance.get("DeletionProtection"), instance.pending.len()), ("true", 1));

    // Where the protection was never off, nothing is turned on again.
    let before = operator.rds.changing_requests().len();
    operator.rds.fail_next("ModifyDBInstance", Failure::Refused(Refusal::new("Other", "x")));
    let error = shown(&operator.run("delete --unprotect").await.expect_err("it is refused"));
    assert!(error.starts_with("error: rds:ModifyDBInstance failed"), "{error}");
    assert_eq!(operator.rds.changing_requests().len(), before + 1);
    assert_eq!(operator.rds.instance("db").get("DeletionProtection"), "true");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_instance_that_is_protected_is_to_be_started_before_it_is_deleted() {
    let operator = Operator::new("").await;
    operator.done("stop").await;
    operator.refused("delete --unprotect", "hint: start it with `provision instance start`, then delete it").await;
    operator.done("start").await;
    operator.done("delete --unprotect").await;
}

#[tokio::test(start_paused = true)]
async fn a_protection_that_rds_keeps_in_a_status_has_the_way_out_of_the_status() {
    let operator = Operator::new("").await;
    for (status, line, way) in [
        ("incompatible-parameters", "delete --unprotect", "then `provision instance reboot`; then delete it"),
        ("incompatible-network", "delete --unprotect --skip-snapshot", "`provision instance start`; then delete it"),
        (
            "failed",
            "delete --unprotect --skip-snapshot",
            "hint: ask AWS Support to turn the deletion protection of db off",
        ),
        ("restore-error", "delete --unprotect --skip-snapshot", "hint: ask AWS Support"),
    ] {
        operator.set_status(status);
        operator.refused(line, way).await;
        operator.refused(line, &format!("RDS does not change that while it is {status}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_is_queued_is_not_carried_out_under_the_old_name() {
    let operator = Operator::new("").await;
    let queue = |aws: &mut testkit::rds::Account| {
        aws.instance_mut("db").pending.insert("DBInstanceIdentifier".to_owned(), "users".to_owned());
    };
    operator.rds.change(queue);
    let before = operator.rds.changing_requests().len();
    for line in ["apply --now", "rotate-password"] {
        operator.refused(line, "error: the DB instance db is about to be renamed to users").await;
        operator.refused(line, "hint: after its maintenance window, set identifier = \"users\"").await;
    }
    assert_eq!(operator.rds.changing_requests().len(), before);
    operator.done("apply").await;
}

#[tokio::test(start_paused = true)]
async fn the_way_out_of_a_deletion_without_a_final_snapshot_loses_no_data() {
    let operator = Operator::new("deletion_protection = false\n").await;
    for (status, way) in [
        ("incompatible-network", "then run `provision instance start`; then delete it, with the final snapshot"),
        ("failed", "set the identifier back to db before you delete this one with --skip-snapshot"),
        ("incompatible-restore", "then restore another snapshot, or the original source to another time"),
    ] {
        operator.set_status(status);
        operator.refused("delete", way).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_of_a_lost_instance_asks_to_save_its_data_first() {
    let operator = Operator::new("deletion_protection = false\n").await;
    operator.set_status("failed");
    operator.refused("delete", "`provision instance restore --source db --latest`; set the identifier back").await;
    operator.done("delete --skip-snapshot").await;
    operator.refused("status", "there is no DB instance db").await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_instance_is_restored_as_it_was() {
    let declaration = "port = 6543\nclass = \"db.m6g.large\"\nmulti_az = true\nca = \"rds-ca-ecc384-g1\"\n\
                       maintenance_window = \"mon:01:00-mon:02:00\"\n[storage]\nsize = 40\n[backups]\ndays = 21\n\
                       [performance_insights]\nenabled = false\n[tags]\nproject = \"users\"\n";
    let operator = Operator::new(declaration).await;
    let before = operator.rds.instance("db");
    operator.done("delete --unprotect").await;
    let snapshot = operator.rds.change(|aws| aws.snapshots.keys().next().cloned()).expect("the final snapshot");
    operator.done("snapshots").await;
    operator.done(&format!("restore --snapshot {snapshot}")).await;
    let after = operator.rds.instance("db");
    assert_eq!(after.values, before.values);
    let from = ("provision:restored-from".to_owned(), format!("the snapshot {snapshot}"));
    let tags = before.tags.into_iter().chain([from]).collect();
    assert_eq!((&after.tags, &after.parameter_group), (&tags, &before.parameter_group));
    assert_eq!((&after.security_groups, &after.subnet_group), (&before.security_groups, &before.subnet_group));
    assert!(after.secret.is_some(), "RDS keeps the master user's password");
    operator.done("plan").await;
}

#[tokio::test(start_paused = true)]
async fn a_point_in_time_is_restored_beside_the_instance() {
    let operator = Operator::new("").await;
    operator.refused("restore --latest", "set another identifier in the declaration").await;
    let mut beside = Operator::at(&operator.rds, "");
    beside.text = beside.text.replace("\"db\"", "\"beside\"");
    for line in ["restore --latest --source db", "plan"] {
        beside.done(line).await;
    }
    operator.refused("restore --latest --source nobody", "exists, and is available").await;
}

#[tokio::test(start_paused = true)]
async fn a_restore_waits_for_the_deletion_of_its_forerunner() {
    let operator = Operator::new("deletion_protection = false\n").await;
    operator.done("snapshot --name kept").await;
    operator.done("delete --no-wait --skip-snapshot").await;
    operator.done("restore --snapshot kept").await;
    operator.done("plan").await;
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_restore_is_continued() {
    let operator = Operator::new("deletion_protection = false\n").await;
    operator.done("snapshot --name kept").await;
    operator.done("delete --skip-snapshot").await;
    operator.done("restore --snapshot kept --no-wait").await;
    assert_eq!(operator.status(), "creating");
    operator.done("restore --snapshot KEPT").await;
    operator.done("plan").await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_instance_that_is_being_created_is_no_restore() {
    let operator = Operator::new("deletion_protection = false\n").await;
    operator.done("snapshot --name kept").await;
    operator.done("delete --skip-snapshot").await;
    operator.done("apply --no-wait").await;
    assert_eq!(operator.status(), "creating");
    for backup in ["--snapshot kept", "--snapshot nothing", "--latest --source other"] {
        operator.refused(&format!("restore {backup}"), "is being created already, and not by a restore from").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restore_beside_a_deletion_waits_or_says_that_it_does_not() {
    let operator = Operator::new("deletion_protection = false\n").await;
    operator.done("snapshot --name kept").await;
    operator.done("delete --no-wait --skip-snapshot").await;
    operator.refused("restore --snapshot kept --no-wait", "hint: leave out --no-wait to wait for its end").await;
}

#[tokio::test(start_paused = true)]
async fn a_point_in_time_that_cannot_be_as_declared_is_refused() {
    let operator = Operator::new("engine_version = \"17.6\"\n[storage]\nsize = 60\n").await;
    for (declaration, remedy) in [
        ("database = \"other\"\n", "set database = \"app\""),
        ("engine_version = \"17.4\"\nauto_minor_version_upgrade = false\n", "set engine_version = \"17."),
        ("[storage]\nsize = 20\ngrowth_limit = 0\n", "set size = 60 below [storage]"),
        ("[storage]\nsize = 20\ngrowth_limit = 50\n", "set growth_limit = 66 or more below [storage]"),
        ("[encryption]\nkms_key = \"other\"\n", "copy the snapshot with that key"),
    ] {
        let mut beside = Operator::at(&operator.rds, declaration);
        beside.text = beside.text.replace("\"db\"", "\"beside\"");
        beside.refused("restore --latest --source db", remedy).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_cannot_be_as_declared_is_refused_before_anything_is_made() {
    let operator = Operator::new("deletion_protection = false\n").await;
    operator.done("snapshot --name kept").await;
    operator.done("delete --skip-snapshot").await;
    operator.rds.change(|aws| aws.parameter_groups.clear());
    for (declaration, remedy) in [
        ("engine_version = \"16\"\n", "set engine_version = \"17\""),
        ("[master]\nuser = \"boss\"\n", "set user = \"postgres\""),
        ("[encryption]\nenabled = false\n", "set enabled = true below [encryption]"),
        ("[encryption]\nkms_key = \"arn:aws:kms:eu-central-1:1:key/other\"\n", "copy the snapshot with that key"),
    ] {
        let other = Operator::at(&operator.rds, declaration);
        other.refused("restore --snapshot kept", remedy).await;
    }
    operator.refused("restore --snapshot nothing", "`provision instance snapshots`").await;
    operator.refused("restore --latest", "restore a snapshot").await;
    assert!(operator.rds.change(|aws| aws.parameter_groups.is_empty()), "nothing was made");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_waited_for_and_not_made_twice() {
    let operator = Operator::new("").await;
    operator.done("snapshot --name kept --no-wait").await;
    operator.done("snapshot --name kept").await;
    assert_eq!(operator.rds.change(|aws| aws.snapshots["kept"].status.clone()), "available");
    operator.refused("snapshot --name kept", "hint: choose another name with --name").await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_another_instance_is_not_claimed() {
    let operator = Operator::new("").await;
    let mut other = Operator::at(&operator.rds, "");
    other.text = other.text.replace("\"db\"", "\"other\"");
    other.done("apply").await;
    other.done("snapshot --name kept --no-wait").await;
    operator.refused("snapshot --name kept", "there is a snapshot kept already, of the DB instance other").await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_being_deleted_is_left_alone() {
    let operator = Operator::new("deletion_protection = false\n").await;
    operator.done("delete --no-wait --skip-snapshot").await;
    for command in ["plan", "apply", "start", "stop", "reboot", "rotate-password", "snapshot", "upgrade", "wait"] {
        operator.refused(command, "error: the DB instance db is being deleted").await;
    }
    operator.done("delete").await;
    operator.done("apply").await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_of_another_engine_is_neither_started_nor_stopped_nor_rebooted_nor_deleted() {
    let operator = Operator::new("").await;
    operator.rds.change(|aws| "mysql".clone_into(&mut aws.instance_mut("db").engine));
    operator.set_status("stopped");
    let before = operator.rds.changing_requests().len();
    for command in ["start", "stop", "reboot", "snapshot", "delete --unprotect"] {
        operator.refused(command, "runs mysql, not postgres").await;
    }
    operator.rds.change(|aws| aws.instance_mut("db").engine.clear());
    for command in ["plan", "stop"] {
        operator.refused(command, "AWS does not name the engine of the DB instance db").await;
    }
    assert_eq!(operator.rds.changing_requests().len(), before);
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_leaves_a_database_out_of_use_says_what_to_do() {
    let operator = Operator::new("").await;
    for (status, remedy) in
        [("stopped", "provision instance start"), ("failed", "provision instance restore"), ("storage-full", "raise")]
    {
        operator.set_status(status);
        operator.refused("apply", remedy).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_time_limit_and_another_one_goes_on() {
    let operator = Operator::new("").await;
    operator.refused("stop --timeout 1m", "wait longer with `provision instance stop`").await;
    operator.done("stop").await;
    assert_eq!(operator.status(), "stopped");
}

#[tokio::test(start_paused = true)]
async fn what_rds_accepts_only_later_fails_at_once_with_no_wait() {
    let mut operator = Operator::new("").await;
    operator.declare("multi_az = true\n");
    operator.done("snapshot --no-wait").await;
    assert_eq!(operator.status(), "backing-up");
    let before = operator.rds.changing_requests().len();
    for command in ["apply", "rotate-password", "stop", "reboot", "snapshot", "delete --unprotect"] {
        let line = format!("{command} --no-wait");
        operator
            .refused(&line, "db is backing-up, and RDS accepts no change until that ends\nhint: leave out --no-wait")
            .await;
    }
    assert_eq!(operator.rds.changing_requests().len(), before);
    operator.done("delete --unprotect --skip-snapshot").await;
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_between_two_requests_says_that_the_second_is_to_come() {
    let mut operator = Operator::new("[storage]\nsize = 30\n").await;
    operator.declare("multi_az = true\n[storage]\nsize = 60\n");
    operator.refused("apply --timeout 30s", "the rest is not requested yet: run this again").await;
    assert!(!operator.rds.instance("db").pending.contains_key("MultiAZ"));
    operator.done("apply").await;
    assert_eq!(operator.rds.instance("db").pending["MultiAZ"], "true");
}

#[tokio::test(start_paused = true)]
async fn a_full_storage_grows_whatever_is_queued() {
    let mut operator = Operator::new("[storage]\nsize = 30\n").await;
    operator.declare("class = \"db.m6g.large\"\n[storage]\nsize = 30\n");
    operator.done("apply").await;
    operator.set_status("storage-full");
    operator.declare("class = \"db.m6g.large\"\ndeletion_protection = false\n[storage]\nsize = 60\n");
    operator.done("apply").await;
    let instance = operator.rds.instance("db");
    let found = ["AllocatedStorage", "DBInstanceClass", "DeletionProtection"].map(|name| instance.get(name).to_owned());
    assert_eq!(found, ["60", "db.m6g.large", "false"]);
    operator.done("plan").await;
}

#[tokio::test(start_paused = true)]
async fn an_older_version_than_the_running_one_is_no_upgrade() {
    let mut operator = Operator::new("engine_version = \"17\"\n").await;
    operator.declare("engine_version = \"16\"\n");
    operator.refused("upgrade --check", "and the older 16 is declared").await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_somebody_else_creates_meanwhile_becomes_as_declared() {
    let mut operator = Operator::new("").await;
    operator.declare("publicly_accessible = true\n");
    let absent = Failure::Refused(Refusal::new("DBInstanceNotFound", "DBInstance db not found."));
    operator.rds.fail_next("DescribeDBInstances", absent);
    operator.done("apply").await;
    assert_eq!(operator.rds.instance("db").get("PubliclyAccessible"), "true");
}
