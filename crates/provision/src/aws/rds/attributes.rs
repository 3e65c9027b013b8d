//! The attributes of a DB instance, one row each: how it is declared, how AWS reports it, how it is created and changed,
//! and when a change takes effect.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.Modifying.html>

use std::fmt::{self, Display, Formatter};

use aws_sdk_rds::operation::create_db_instance::builders::CreateDBInstanceFluentBuilder as Create;
use aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder as Modify;
use aws_sdk_rds::types::DbInstance;
use serde::Serialize;

use crate::declaration::{Declaration, Password};

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    AtOnce,
    MaintenanceWindow,
    Reboot,
    /// Only a new DB instance can have it.
    Replace,
}

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtOnce => "at once",
            Self::MaintenanceWindow => "in the maintenance window",
            Self::Reboot => "needs a reboot",
            Self::Replace => "cannot be changed: replace",
        })
    }
}

/// One attribute of a DB instance.
pub(crate) struct Attribute {
    /// Its key in `rds.toml`.
    pub(crate) key: &'static str,
    /// The declared value, if there is one.
    pub(crate) declared: fn(&Declaration) -> Option<String>,
    /// The value that AWS reports, as it will be after pending changes. None if AWS does not report it.
    pub(crate) deployed: fn(&DbInstance) -> Option<String>,
    pub(crate) when: fn(&Declaration, &DbInstance) -> When,
    /// Puts the declared value into the request that creates the DB instance.
    pub(crate) create: fn(Create, &Declaration) -> Create,
    /// Puts the declared value into a request that changes it.
    pub(crate) modify: fn(Modify, &Declaration) -> Modify,
}

fn at_once(_: &Declaration, _: &DbInstance) -> When {
    When::AtOnce
}

fn in_window(_: &Declaration, _: &DbInstance) -> When {
    When::MaintenanceWindow
}

fn on_reboot(_: &Declaration, _: &DbInstance) -> When {
    When::Reboot
}

fn never(_: &Declaration, _: &DbInstance) -> When {
    When::Replace
}

fn unchanged(request: Modify, _: &Declaration) -> Modify {
    request
}

macro_rules! pending_or {
    ($instance:expr, $pending:ident, $current:ident) => {
        $instance
            .pending_modified_values
            .as_ref()
            .and_then(|pending| pending.$pending.clone())
            .or($instance.$current.clone())
    };
}

/// All of them, in the order of `rds.toml`.
pub(crate) const ATTRIBUTES: &[Attribute] = &[
    Attribute {
        key: "engine_version",
        declared: |d| Some(d.engine_version.clone()),
        deployed: |i| pending_or!(i, engine_version, engine_version),
        when: in_window,
        create: |r, d| r.engine_version(&d.engine_version),
        modify: |r, d| r.engine_version(&d.engine_version).allow_major_version_upgrade(true),
    },
    Attribute {
        key: "class",
        declared: |d| Some(d.class.clone()),
        deployed: |i| pending_or!(i, db_instance_class, db_instance_class),
        when: in_window,
        create: |r, d| r.db_instance_class(&d.class),
        modify: |r, d| r.db_instance_class(&d.class),
    },
    Attribute {
        key: "database",
        declared: |d| Some(d.database.clone()),
        deployed: |i| i.db_name.clone(),
        when: never,
        create: |r, d| r.db_name(&d.database),
        modify: unchanged,
    },
    Attribute {
        key: "port",
        declared: |d| Some(d.port.to_string()),
        deployed: |i| {
            let pending = i.pending_modified_values.as_ref().and_then(|pending| pending.port);
            pending.or(i.endpoint.as_ref().and_then(|endpoint| endpoint.port)).map(|port| port.to_string())
        },
        when: on_reboot,
        create: |r, d| r.port(d.port),
        modify: |r, d| r.db_port_number(d.port),
    },
    Attribute {
        key: "publicly_accessible",
        declared: |d| Some(d.publicly_accessible.to_string()),
        deployed: |i| i.publicly_accessible.map(|value| value.to_string()),
        when: at_once,
        create: |r, d| r.publicly_accessible(d.publicly_accessible),
        modify: |r, d| r.publicly_accessible(d.publicly_accessible),
    },
    Attribute {
        key: "multi_az",
        declared: |d| Some(d.multi_az.to_string()),
        deployed: |i| pending_or!(i, multi_az, multi_az).map(|value| value.to_string()),
        when: in_window,
        create: |r, d| r.multi_az(d.multi_az),
        modify: |r, d| r.multi_az(d.multi_az),
    },
    Attribute {
        key: "availability_zone",
        declared: |d| d.availability_zone.clone(),
        deployed: |i| i.availability_zone.clone(),
        when: never,
        create: |r, d| r.set_availability_zone(d.availability_zone.clone()),
        modify: unchanged,
    },
    Attribute {
        key: "deletion_protection",
        declared: |d| Some(d.deletion_protection.to_string()),
        deployed: |i| i.deletion_protection.map(|value| value.to_string()),
        when: at_once,
        create: |r, d| r.deletion_protection(d.deletion_protection),
        modify: |r, d| r.deletion_protection(d.deletion_protection),
    },
    Attribute {
        key: "iam_authentication",
        declared: |d| Some(d.iam_authentication.to_string()),
        deployed: |i| i.iam_database_authentication_enabled.map(|value| value.to_string()),
        when: at_once,
        create: |r, d| r.enable_iam_database_authentication(d.iam_authentication),
        modify: |r, d| r.enable_iam_database_authentication(d.iam_authentication),
    },
    Attribute {
        key: "ca",
        declared: |d| Some(d.ca.identifier().to_owned()),
        deployed: |i| pending_or!(i, ca_certificate_identifier, ca_certificate_identifier),
        when: in_window,
        create: |r, d| r.ca_certificate_identifier(d.ca.identifier()),
        modify: |r, d| r.ca_certificate_identifier(d.ca.identifier()),
    },
    Attribute {
        key: "maintenance_window",
        declared: |d| Some(d.maintenance_window.clone()),
        deployed: |i| i.preferred_maintenance_window.clone(),
        when: at_once,
        create: |r, d| r.preferred_maintenance_window(&d.maintenance_window),
        modify: |r, d| r.preferred_maintenance_window(&d.maintenance_window),
    },
    Attribute {
        key: "master.user",
        declared: |d| Some(d.master.user.clone()),
        deployed: |i| i.master_username.clone(),
        when: never,
        create: |r, d| r.master_username(&d.master.user),
        modify: unchanged,
    },
    Attribute {
        key: "master.password",
        declared: |d| Some(if d.master.password == Password::Managed { "managed" } else { "given" }.to_owned()),
        deployed: |i| Some(if i.master_user_secret.is_some() { "managed" } else { "given" }.to_owned()),
        when: at_once,
        create: |r, d| r.set_manage_master_user_password((d.master.password == Password::Managed).then_some(true)),
        modify: |r, d| r.manage_master_user_password(d.master.password == Password::Managed),
    },
    Attribute {
        key: "storage.type",
        declared: |d| Some(d.storage.kind.name().to_owned()),
        deployed: |i| pending_or!(i, storage_type, storage_type),
        when: at_once,
        create: |r, d| r.storage_type(d.storage.kind.name()),
        modify: |r, d| r.storage_type(d.storage.kind.name()),
    },
    Attribute {
        key: "storage.size",
        declared: |d| Some(d.storage.size.to_string()),
        deployed: |i| pending_or!(i, allocated_storage, allocated_storage).map(|value| value.to_string()),
        when: |d, i| {
            if i.allocated_storage.is_some_and(|size| size > d.storage.size) { When::Replace } else { When::AtOnce }
        },
        create: |r, d| r.allocated_storage(d.storage.size),
        modify: |r, d| r.allocated_storage(d.storage.size),
    },
    Attribute {
        key: "storage.growth_limit",
        declared: |d| Some(d.storage.growth_limit.to_string()),
        deployed: |i| {
            let limit = i.max_allocated_storage.filter(|limit| Some(*limit) > i.allocated_storage);
            Some(limit.unwrap_or(0).to_string())
        },
        when: at_once,
        create: |r, d| r.set_max_allocated_storage((d.storage.growth_limit > 0).then_some(d.storage.growth_limit)),
        // RDS has no value for "off"; a limit that is reached already has the same effect.
        modify: |r, d| {
            r.max_allocated_storage(if d.storage.growth_limit == 0 { d.storage.size } else { d.storage.growth_limit })
        },
    },
    Attribute {
        key: "network.security_group",
        declared: |d| d.network.security_group.clone(),
        deployed: |i| {
            let groups = i.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id.clone());
            Some(groups.collect::<Vec<_>>().join(" "))
        },
        when: at_once,
        create: |r, d| r.set_vpc_security_group_ids(d.network.security_group.clone().map(|group| vec![group])),
        modify: |r, d| r.set_vpc_security_group_ids(d.network.security_group.clone().map(|group| vec![group])),
    },
    Attribute {
        key: "network.subnet_group",
        declared: |d| d.network.subnet_group.clone(),
        deployed: |i| i.db_subnet_group.as_ref().and_then(|group| group.db_subnet_group_name.clone()),
        when: never,
        create: |r, d| r.set_db_subnet_group_name(d.network.subnet_group.clone()),
        modify: unchanged,
    },
    Attribute {
        key: "backups.days",
        declared: |d| Some(d.backups.days.to_string()),
        deployed: |i| pending_or!(i, backup_retention_period, backup_retention_period).map(|value| value.to_string()),
        // To and from none, the server restarts.
        when: |d, i| {
            if (i.backup_retention_period == Some(0)) == (d.backups.days == 0) { When::AtOnce } else { When::Reboot }
        },
        create: |r, d| r.backup_retention_period(d.backups.days),
        modify: |r, d| r.backup_retention_period(d.backups.days),
    },
    Attribute {
        key: "backups.window",
        declared: |d| Some(d.backups.window.clone()),
        deployed: |i| i.preferred_backup_window.clone(),
        when: at_once,
        create: |r, d| r.preferred_backup_window(&d.backups.window),
        modify: |r, d| r.preferred_backup_window(&d.backups.window),
    },
    Attribute {
        key: "encryption.enabled",
        declared: |d| Some(d.encryption.enabled.to_string()),
        deployed: |i| i.storage_encrypted.map(|value| value.to_string()),
        when: never,
        create: |r, d| r.storage_encrypted(d.encryption.enabled),
        modify: unchanged,
    },
    Attribute {
        key: "encryption.kms_key",
        // AWS reports the key's ARN; an alias cannot be compared with it.
        declared: |d| d.encryption.kms_key.clone().filter(|key| key.starts_with("arn:") && !key.contains(":alias/")),
        deployed: |i| i.kms_key_id.clone(),
        when: never,
        create: |r, d| r.set_kms_key_id(d.encryption.kms_key.clone()),
        modify: unchanged,
    },
    Attribute {
        key: "performance_insights.enabled",
        declared: |d| Some(d.performance_insights.enabled.to_string()),
        deployed: |i| i.performance_insights_enabled.map(|value| value.to_string()),
        when: at_once,
        create: |r, d| r.enable_performance_insights(d.performance_insights.enabled),
        modify: |r, d| {
            let days = d.performance_insights.enabled.then_some(d.performance_insights.days);
            r.enable_performance_insights(d.performance_insights.enabled)
                .set_performance_insights_retention_period(days)
        },
    },
    Attribute {
        key: "performance_insights.days",
        declared: |d| d.performance_insights.enabled.then(|| d.performance_insights.days.to_string()),
        deployed: |i| i.performance_insights_retention_period.map(|value| value.to_string()),
        when: at_once,
        create: |r, d| {
            let days = d.performance_insights.enabled.then_some(d.performance_insights.days);
            r.set_performance_insights_retention_period(days)
        },
        modify: |r, d| r.performance_insights_retention_period(d.performance_insights.days),
    },
    Attribute {
        key: "monitoring.interval",
        declared: |d| Some(d.monitoring.interval.to_string()),
        deployed: |i| i.monitoring_interval.map(|value| value.to_string()),
        when: at_once,
        create: |r, d| r.monitoring_interval(d.monitoring.interval).set_monitoring_role_arn(d.monitoring.role.clone()),
        modify: |r, d| r.monitoring_interval(d.monitoring.interval).set_monitoring_role_arn(d.monitoring.role.clone()),
    },
    Attribute {
        key: "parameters",
        // The group is named as the instance.
        declared: |d| Some(d.identifier.clone()),
        deployed: |i| i.db_parameter_groups().first().and_then(|group| group.db_parameter_group_name.clone()),
        when: on_reboot,
        create: |r, d| r.db_parameter_group_name(&d.identifier),
        modify: |r, d| r.db_parameter_group_name(&d.identifier),
    },
];

impl Attribute {
    /// The deployed and the declared value, where they differ.
    pub(crate) fn difference(&self, declaration: &Declaration, instance: &DbInstance) -> Option<(String, String)> {
        let (declared, deployed) = ((self.declared)(declaration)?, (self.deployed)(instance)?);
        // "17" stands for every minor version of it.
        let is_minor = self.key == "engine_version" && deployed.starts_with(&format!("{declared}."));
        (deployed != declared && !is_minor).then_some((deployed, declared))
    }
}
