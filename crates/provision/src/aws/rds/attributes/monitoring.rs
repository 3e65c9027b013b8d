//! What can be observed: logs, insights and enhanced metrics.

use aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder as Modify;
use aws_sdk_rds::types::{CloudwatchLogsExportConfiguration, DbInstance};

use super::{ATTRIBUTE, Attribute, Timing, Wanted, kms_key};
use crate::declaration::InsightsMode;

pub(super) const ROWS: &[Attribute] = &[
    Attribute {
        key: "logs",
        declared: |w, _| Some(shown(w.declaration.logs.clone())),
        current: |i| Some(shown(exported_logs(i))),
        create: |r, w| {
            let logs = w.declaration.logs.clone();
            r.set_enable_cloudwatch_logs_exports(Some(logs).filter(|logs| !logs.is_empty()))
        },
        modify: |r, w, i| {
            let (declared, current) = (&w.declaration.logs, exported_logs(i));
            let without = |logs: &[String], others: &[String]| {
                let left: Vec<String> = logs.iter().filter(|log| !others.contains(log)).cloned().collect();
                Some(left).filter(|left| !left.is_empty())
            };
            let change = CloudwatchLogsExportConfiguration::builder()
                .set_enable_log_types(without(declared, &current))
                .set_disable_log_types(without(&current, declared));
            r.cloudwatch_logs_export_configuration(change.build())
        },
        ..ATTRIBUTE
    },
    Attribute {
        key: "performance_insights.enabled",
        declared: |w, _| Some(w.declaration.performance_insights.enabled.to_string()),
        current: |i| i.performance_insights_enabled.map(|value| value.to_string()),
        create: |r, w| r.enable_performance_insights(w.declaration.performance_insights.enabled),
        modify: modify_insights,
        ..ATTRIBUTE
    },
    Attribute {
        key: "performance_insights.days",
        declared: |w, _| days(w).map(|days| days.to_string()),
        current: |i| i.performance_insights_retention_period.map(|days| days.to_string()),
        create: |r, w| r.set_performance_insights_retention_period(days(w)),
        modify: modify_insights,
        ..ATTRIBUTE
    },
    Attribute {
        key: "performance_insights.mode",
        declared: |w, _| Some(w.declaration.performance_insights.mode.name().to_owned()),
        current: |i| i.database_insights_mode.as_ref().map(|mode| mode.as_str().to_owned()),
        create: |r, w| match w.declaration.performance_insights.mode {
            InsightsMode::Standard => r,
            mode @ InsightsMode::Advanced => r.database_insights_mode(mode.name().into()),
        },
        modify: modify_insights,
        ..ATTRIBUTE
    },
    Attribute {
        key: "performance_insights.kms_key",
        declared: |w, i| {
            let reported = i.and_then(|i| i.performance_insights_kms_key_id.as_deref());
            kms_key(w.declaration.performance_insights.kms_key.as_ref(), reported).filter(|_| days(w).is_some())
        },
        current: |i| i.performance_insights_kms_key_id.clone(),
        timing: |_, _| Timing::Never,
        create: |r, w| {
            let key = w.declaration.performance_insights.kms_key.clone();
            r.set_performance_insights_kms_key_id(key.filter(|_| days(w).is_some()))
        },
        ..ATTRIBUTE
    },
    Attribute {
        key: "monitoring.interval",
        declared: |w, _| Some(w.declaration.monitoring.interval.to_string()),
        current: |i| i.monitoring_interval.map(|seconds| seconds.to_string()),
        create: |r, w| r.monitoring_interval(w.declaration.monitoring.interval),
        modify: modify_monitoring,
        ..ATTRIBUTE
    },
    Attribute {
        key: "monitoring.role",
        declared: |w, _| role(w),
        current: |i| Some(i.monitoring_role_arn.clone().unwrap_or_else(|| "none".to_owned())),
        create: |r, w| r.set_monitoring_role_arn(role(w)),
        modify: modify_monitoring,
        ..ATTRIBUTE
    },
];

/// Sorted, since RDS reports them in any order.
fn shown(mut logs: Vec<String>) -> String {
    logs.sort_unstable();
    if logs.is_empty() { "none".to_owned() } else { logs.join(" ") }
}

/// The logs that are exported after what RDS is about to change.
fn exported_logs(instance: &DbInstance) -> Vec<String> {
    let pending = instance.pending_modified_values.as_ref();
    let pending = pending.and_then(|pending| pending.pending_cloudwatch_logs_exports.as_ref());
    let (added, removed) =
        pending.map(|logs| (logs.log_types_to_enable(), logs.log_types_to_disable())).unwrap_or_default();
    let now = instance.enabled_cloudwatch_logs_exports().iter().filter(|log| !removed.contains(log));
    let new = added.iter().filter(|log| !instance.enabled_cloudwatch_logs_exports().contains(log));
    now.chain(new).cloned().collect()
}

/// The days that insights are kept, if they are on.
fn days(wanted: &Wanted) -> Option<i32> {
    let insights = &wanted.declaration.performance_insights;
    insights.enabled.then_some(insights.days)
}

/// RDS needs all of it for the advanced mode.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_DatabaseInsights.TurningOnAdvanced.html>
fn modify_insights(request: Modify, wanted: &Wanted, instance: &DbInstance) -> Modify {
    let insights = &wanted.declaration.performance_insights;
    let is_on = instance.performance_insights_enabled == Some(true);
    let has_mode = instance.database_insights_mode.as_ref().is_none_or(|mode| mode.as_str() == insights.mode.name());
    request
        .enable_performance_insights(insights.enabled)
        .set_performance_insights_retention_period(days(wanted))
        .set_performance_insights_kms_key_id(insights.kms_key.clone().filter(|_| insights.enabled && !is_on))
        .set_database_insights_mode((!has_mode).then(|| insights.mode.name().into()))
}

/// RDS refuses a role for metrics that are off.
fn role(wanted: &Wanted) -> Option<String> {
    let monitoring = &wanted.declaration.monitoring;
    monitoring.role.clone().filter(|_| monitoring.interval > 0)
}

fn modify_monitoring(request: Modify, wanted: &Wanted, _: &DbInstance) -> Modify {
    request.monitoring_interval(wanted.declaration.monitoring.interval).set_monitoring_role_arn(role(wanted))
}
