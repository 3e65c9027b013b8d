//! `ModifyDBInstance`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::account::Account;
use super::answer::{Answer, Refusal, Xml};
use super::create::{changeable, managed_secret};
use super::instance::{Effect, Instance};
use super::request::Request;
use super::settings::{Applied, OF_STORAGE, Setting, setting};
use super::{check, versions};

/// The parameters that are no [`Setting`].
const OTHERS: &[&str] = &[
    "DBInstanceIdentifier",
    "ApplyImmediately",
    "AllowMajorVersionUpgrade",
    "MasterUserPassword",
    "ManageMasterUserPassword",
    "RotateMasterUserPassword",
    "MasterUserSecretKmsKeyId",
    "VpcSecurityGroupIds",
    "DBSubnetGroupName",
    "DBParameterGroupName",
    "CloudwatchLogsExportConfiguration",
    "CertificateRotationRestart",
    "Engine",
];

impl Account {
    pub(super) fn modify_instance(&mut self, request: &Request) -> Answer {
        let is_setting = |name: &str| changeable().any(|setting| setting.modify == name);
        if let Some(name) = request.names().into_iter().find(|name| !is_setting(name) && !OTHERS.contains(name)) {
            return Err(Refusal::unknown(format_args!("the parameter {name} of ModifyDBInstance")));
        }
        let before = self.instance(request)?.clone();
        let changes = self.changes(request, &before)?;
        check_state(request, &before, &changes)?;

        let mut after = before.clone();
        let is_immediate = request.is_on("ApplyImmediately");
        let mut statuses = BTreeSet::new();
        for (name, value) in changes {
            // What has this value already waits no longer.
            let is_attached = name == "DBParameterGroupName" && before.parameter_group == value;
            if before.get(&name) == value || is_attached {
                after.pending.remove(&name);
                continue;
            }
            match applied(&name, &value, &before) {
                Applied::InWindow => {
                    after.pending.insert(name, value);
                }
                applied => {
                    if applied == Applied::WithRestart {
                        "in-sync".clone_into(&mut after.parameter_status);
                    }
                    statuses.extend(setting(&name).map(|setting| setting.status).filter(|status| !status.is_empty()));
                    after.pending.remove(&name);
                    after.set(&name, value);
                }
            }
        }
        self.change_the_rest(request, &mut after)?;

        // As it will be when everything that waits is applied.
        let mut finished = after.clone();
        finished.values.extend(after.pending.clone());
        check::requested(request, &finished, Some(&before), |setting| setting.modify)?;
        check::settings(&finished, Some(&before))?;
        if after.get("MaxAllocatedStorage") == finished.get("AllocatedStorage") {
            after.set("MaxAllocatedStorage", "");
        }
        if after.get("MonitoringInterval") == "0" {
            after.set("MonitoringRoleArn", "");
        }
        match (after.is_on("PerformanceInsightsEnabled"), after.get("PerformanceInsightsRetentionPeriod")) {
            (true, "") => after.set("PerformanceInsightsRetentionPeriod", 7),
            (false, _) => after.set("PerformanceInsightsRetentionPeriod", ""),
            _ => {}
        }

        if is_immediate {
            after.apply_pending();
        }
        for status in statuses {
            after.then(status, Duration::from_mins(1), Effect::Nothing);
        }
        let identifier = after.identifier.clone();
        self.instances.insert(identifier.clone(), after);
        self.event(&identifier, "The DB instance was modified by a customer");
        Ok(Xml::default().node("DBInstance", self.instances[&identifier].view(self)))
    }

    /// The settings that the request changes, with their new values.
    fn changes(&self, request: &Request, before: &Instance) -> Result<BTreeMap<String, String>, Refusal> {
        let mut changes = BTreeMap::new();
        for Setting { name, modify, .. } in changeable() {
            let Some(value) = request.get(modify) else { continue };
            let value = match *name {
                "EngineVersion" => check_upgrade(request, before, &versions::resolve(value)?)?,
                "AllocatedStorage" | "Iops" => grown(value, before.number(name)),
                _ => value.to_owned(),
            };
            changes.insert((*name).to_owned(), value);
        }
        if let Some(name) = request.get("DBSubnetGroupName") {
            let name = self.require_subnet_group(name)?;
            if name == before.subnet_group && !before.pending.contains_key("DBSubnetGroupName") {
                return Err(Refusal::combination("The specified DB subnet group is the same as the current one."));
            }
            changes.insert("DBSubnetGroupName".to_owned(), name);
        }
        self.change_parameter_group(request, before, &mut changes)?;
        // https://github.com/alphagov/govuk-infrastructure/pull/3164
        let has_speed = match before.get("StorageType") {
            "gp3" => before.number("AllocatedStorage") >= 400,
            kind => matches!(kind, "io1" | "io2"),
        };
        let only_one = changes.contains_key("AllocatedStorage") != changes.contains_key("Iops");
        if has_speed && only_one && !changes.contains_key("StorageType") {
            let message = "You must specify both the storage size and iops when modifying the storage size or iops on a DB \
                           instance that has iops.";
            return Err(Refusal::combination(message));
        }
        let is_immediate = request.is_on("ApplyImmediately");
        changes.retain(|name, value| {
            let is_new = before.get(name) != value;
            // Only an immediate request takes a change back that waits:
            // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.ApplyImmediately.html
            is_new || (is_immediate && before.pending.contains_key(name))
        });
        Ok(changes)
    }

    fn change_parameter_group(
        &self,
        request: &Request,
        before: &Instance,
        changes: &mut BTreeMap<String, String>,
    ) -> Result<(), Refusal> {
        let current = before.get("EngineVersion");
        let target = changes.get("EngineVersion").map_or(current, String::as_str);
        let is_major = versions::major(target) != versions::major(current);
        let group = request.get("DBParameterGroupName");
        // A default group is changed with the major version, any other one must be replaced in the same request:
        // https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html, EngineVersion
        let is_default = before.parameter_group.starts_with("default.");
        let checked = group.or((is_major && !is_default).then_some(before.parameter_group.as_str()));
        if let Some(group) = checked {
            self.check_family(group, target, "ModifyDBInstance")?;
        }
        if let Some(group) = group.filter(|_| is_major || before.pending.contains_key("DBParameterGroupName")) {
            changes.insert("DBParameterGroupName".to_owned(), group.to_owned());
        }
        Ok(())
    }

    /// What is applied at once and is no setting.
    fn change_the_rest(&self, request: &Request, after: &mut Instance) -> Result<(), Refusal> {
        check::password(request, after)?;
        match request.get("ManageMasterUserPassword") {
            Some("true") => {
                after.secret = Some(managed_secret(&after.identifier));
                after.password = None;
            }
            Some("false") if after.secret.is_some() && !request.has("MasterUserPassword") => {
                let message = "MasterUserPassword must be provided when ManageMasterUserPassword is set to false.";
                return Err(Refusal::combination(message));
            }
            Some("false") => after.secret = None,
            _ => {}
        }
        if let Some(password) = request.get("MasterUserPassword") {
            after.password = Some(password.to_owned());
            after.then("resetting-master-credentials", Duration::from_mins(1), Effect::Nothing);
        }
        if request.is_on("RotateMasterUserPassword") {
            if after.secret.is_none() {
                let message =
                    "You can't specify RotateMasterUserPassword for an instance without ManageMasterUserPassword.";
                return Err(Refusal::combination(message));
            }
            if !request.is_on("ApplyImmediately") {
                return Err(Refusal::combination("RotateMasterUserPassword requires ApplyImmediately."));
            }
            after.then("resetting-master-credentials", Duration::from_mins(1), Effect::Nothing);
        }
        if request.has("VpcSecurityGroupIds") {
            let groups = request.list("VpcSecurityGroupIds");
            let subnet_group = after.pending.get("DBSubnetGroupName").unwrap_or(&after.subnet_group);
            let vpc = self.subnet_groups.get(subnet_group).map_or(&self.vpc, |group| &group.vpc);
            self.check_security_groups(&groups, vpc)?;
            after.security_groups = groups;
        }
        // Within a family, the name changes at once and the values with a reboot:
        // https://github.com/app-sre/qontract-reconcile/pull/4929
        let group = request.get("DBParameterGroupName").filter(|name| *name != after.parameter_group);
        if let Some(group) = group.filter(|_| !after.pending.contains_key("DBParameterGroupName")) {
            group.clone_into(&mut after.parameter_group);
            "pending-reboot".clone_into(&mut after.parameter_status);
        }
        let logs = request.parameters.iter().filter(|(name, _)| name.starts_with("CloudwatchLogsExportConfiguration."));
        for (name, log) in logs {
            if name.contains("EnableLogTypes") {
                after.logs.insert(log.clone());
            } else {
                after.logs.remove(log);
            }
        }
        if request.has("CloudwatchLogsExportConfiguration") {
            after.then("configuring-log-exports", Duration::from_mins(1), Effect::Nothing);
        }
        Ok(())
    }
}

/// When this change of this instance is applied.
fn applied(name: &str, value: &str, before: &Instance) -> Applied {
    match name {
        "BackupRetentionPeriod" if (value == "0") == (before.get(name) == "0") => Applied::AtOnce,
        _ => setting(name).map_or(Applied::InWindow, |setting| setting.applied),
    }
}

/// "Values that are not at least 10% greater than the existing value are rounded up so that they are 10% greater."
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>, `AllocatedStorage` and `Iops`
fn grown(value: &str, current: i64) -> String {
    let wanted: i64 = value.parse().unwrap_or(0);
    let least = (current * 11 + 9) / 10;
    if wanted > current { wanted.max(least).to_string() } else { wanted.to_string() }
}

fn check_upgrade(request: &Request, before: &Instance, version: &str) -> Result<String, Refusal> {
    let current = before.get("EngineVersion");
    if version != current && !versions::is_newer(version, current) {
        return Err(Refusal::combination(format!("Cannot upgrade postgres from {current} to {version}")));
    }
    let is_major = versions::major(version) != versions::major(current);
    if is_major && !request.is_on("AllowMajorVersionUpgrade") {
        let message = "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.";
        return Err(Refusal::combination(message));
    }
    Ok(version.to_owned())
}

/// In which status RDS accepts which changes.
fn check_state(request: &Request, before: &Instance, changes: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let touches_storage = changes.keys().any(|name| OF_STORAGE.contains(&name.as_str()));
    if touches_storage && before.is_optimizing() {
        let message = "You can't currently modify the storage of this DB instance because the previous storage change is \
                       being optimized.";
        return Err(Refusal::combination(message));
    }
    let is_accepted = match before.status.as_str() {
        _ if before.is_busy() => false,
        "available" | "storage-optimization" | "storage-config-upgrade" | "storage-initialization" => true,
        // Only more storage helps, so that alone is accepted.
        "storage-full" => {
            let others = request.names().into_iter().filter(|name| {
                !OF_STORAGE.contains(name)
                    && !matches!(*name, "DBInstanceIdentifier" | "ApplyImmediately" | "MaxAllocatedStorage")
            });
            others.count() == 0
        }
        "incompatible-parameters" => request.has("DBParameterGroupName"),
        _ => false,
    };
    if is_accepted { Ok(()) } else { Err(Refusal::state("Database instance is not in available state.")) }
}
