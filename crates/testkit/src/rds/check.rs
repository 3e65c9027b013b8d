//! What RDS refuses, in its words.

use super::answer::Refusal;
use super::instance::Instance;
use super::request::Request;
use super::settings::Setting;

/// The limits of a password of PostgreSQL.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
pub(super) fn password(request: &Request, instance: &Instance) -> Result<(), Refusal> {
    let Some(password) = request.get("MasterUserPassword") else { return Ok(()) };
    let is_managed = request.is_on("ManageMasterUserPassword")
        || (instance.secret.is_some() && request.get("ManageMasterUserPassword") != Some("false"));
    if is_managed {
        let message = "You can't specify MasterUserPassword for an instance with ManageMasterUserPassword enabled.";
        return Err(Refusal::combination(message));
    }
    let invalid = "The parameter MasterUserPassword is not a valid password";
    match password.len() {
        ..8 => return Err(Refusal::value(format!("{invalid} because it is shorter than 8 characters."))),
        129.. => return Err(Refusal::value(format!("{invalid} because it is longer than 128 characters."))),
        _ => {}
    }
    if !password.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@\"".contains(&byte)) {
        let rule = "Only printable ASCII characters besides '/', '@', '\"', ' ' may be used.";
        return Err(Refusal::value(format!("{invalid}. {rule}")));
    }
    Ok(())
}

/// What the request itself must not contain for an instance that will be so, `before` which it was so.
pub(super) fn requested(
    request: &Request,
    instance: &Instance,
    before: Option<&Instance>,
    name: fn(&Setting) -> &'static str,
) -> Result<(), Refusal> {
    let sent = |wanted: &str| super::settings::setting(wanted).and_then(|setting| request.get(name(setting)));
    let is_off = instance.get("MonitoringInterval") == "0";
    if is_off && sent("MonitoringRoleArn").is_some_and(|role| !role.is_empty()) {
        let message =
            "You must specify a MonitoringInterval value other than 0 when you specify a MonitoringRoleArn value.";
        return Err(Refusal::combination(message));
    }
    // https://github.com/hashicorp/terraform-provider-aws/issues/33512
    let speed = ["Iops", "StorageThroughput"].iter().any(|name| sent(name).is_some());
    if speed && instance.get("StorageType") == "gp3" && instance.number("AllocatedStorage") < 400 {
        let message =
            "You can't specify IOPS or storage throughput for engine postgres and a storage size less than 400.";
        return Err(Refusal::combination(message));
    }
    let is_provisioned = |instance: &Instance| matches!(instance.get("StorageType"), "io1" | "io2");
    if is_provisioned(instance) && sent("Iops").is_none() && !before.is_some_and(is_provisioned) {
        return Err(Refusal::combination("You must specify Iops when the storage type is io1 or io2."));
    }
    if sent("PerformanceInsightsRetentionPeriod").is_some() && !instance.is_on("PerformanceInsightsEnabled") {
        let message = "PerformanceInsightsRetentionPeriod can't be set when Performance Insights is disabled.";
        return Err(Refusal::combination(message));
    }
    Ok(())
}

/// Whether an instance can be as this one would be, `before` which it was so.
pub(super) fn settings(instance: &Instance, before: Option<&Instance>) -> Result<(), Refusal> {
    storage(instance, before)?;
    windows(instance)?;
    let is_monitored = instance.get("MonitoringInterval") != "0";
    if is_monitored && instance.get("MonitoringRoleArn").is_empty() {
        let message = "A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0.";
        return Err(Refusal::combination(message));
    }
    if !matches!(instance.get("MonitoringInterval"), "0" | "1" | "5" | "10" | "15" | "30" | "60") {
        return Err(Refusal::value("Invalid MonitoringInterval; valid values: 0, 1, 5, 10, 15, 30, 60"));
    }
    if !(0..=35).contains(&instance.number("BackupRetentionPeriod")) {
        return Err(Refusal::value("Invalid backup retention period. Valid values are between 0 and 35."));
    }
    if !instance.get("DBInstanceClass").starts_with("db.") {
        return Err(Refusal::value(format!("Invalid DB Instance class: {}", instance.get("DBInstanceClass"))));
    }
    Ok(())
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html>
fn storage(instance: &Instance, before: Option<&Instance>) -> Result<(), Refusal> {
    let (kind, size, limit) =
        (instance.get("StorageType"), instance.number("AllocatedStorage"), instance.number("MaxAllocatedStorage"));
    let is_provisioned = matches!(kind, "io1" | "io2");
    if !matches!(kind, "gp2" | "gp3" | "io1" | "io2") {
        return Err(Refusal::value(format!("Invalid storage type: {kind}")));
    }
    if size < if is_provisioned { 100 } else { 20 } {
        let message = format!("Invalid storage size for engine name postgres and storage type {kind}: {size}");
        return Err(Refusal::value(message));
    }
    if size > 65536 {
        return Err(Refusal::new("StorageQuotaExceeded", "The allocated storage exceeds the quota of this account."));
    }
    if let Some(before) = before.map(|before| before.number("AllocatedStorage")).filter(|before| size < *before) {
        let message = format!("Invalid storage size: {size}. It must not be smaller than the current one, {before}.");
        return Err(Refusal::combination(message));
    }
    // A limit that is the size turns autoscaling off.
    if limit != 0 && limit != size && limit * 10 < size * 11 {
        let message = format!("Invalid max storage size for engine name postgres and storage type {kind}: {limit}");
        return Err(Refusal::combination(message));
    }
    let iops = instance.number("Iops");
    if is_provisioned && !(iops >= 1000 && iops <= size * if kind == "io2" { 1000 } else { 50 }) {
        let message =
            format!("Invalid iops to storage (GB) ratio for engine name postgres and storage type {kind}: {iops}");
        return Err(Refusal::combination(message));
    }
    Ok(())
}

fn windows(instance: &Instance) -> Result<(), Refusal> {
    let (backup, maintenance) = (instance.get("PreferredBackupWindow"), instance.get("PreferredMaintenanceWindow"));
    let invalid = |name: &str, window: &str| Refusal::value(format!("Invalid {name} window: {window}"));
    let (backup_start, backup_length) = window(backup, minute_of_day, DAY).ok_or_else(|| invalid("backup", backup))?;
    let (start, length) =
        window(maintenance, minute_of_week, 7 * DAY).ok_or_else(|| invalid("maintenance", maintenance))?;
    if backup_length < 30 {
        return Err(Refusal::value("The backup window must be at least 30 minutes."));
    }
    if length < 30 {
        return Err(Refusal::value("The maintenance window must be at least 30 minutes."));
    }
    // A window of every day against one that may go over midnight.
    let overlap = (-1..=8).any(|day| {
        let backup_start = backup_start + day * DAY;
        backup_start < start + length && start < backup_start + backup_length
    });
    if overlap {
        return Err(Refusal::value("The backup window and maintenance window must not overlap."));
    }
    Ok(())
}

const DAY: i64 = 24 * 60;

/// The start of a window and its length in minutes.
fn window(text: &str, minute: impl Fn(&str) -> Option<i64>, cycle: i64) -> Option<(i64, i64)> {
    let (start, end) = text.split_once('-')?;
    let (start, end) = (minute(start)?, minute(end)?);
    Some((start, (end - start).rem_euclid(cycle)))
}

fn minute_of_day(time: &str) -> Option<i64> {
    let (hour, minute) = time.split_once(':')?;
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

fn minute_of_week(time: &str) -> Option<i64> {
    let (day, time) = time.split_once(':')?;
    let day = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"].iter().position(|name| *name == day.to_lowercase())?;
    Some(i64::try_from(day).ok()? * DAY + minute_of_day(time)?)
}
