//! `provision instance status`

use std::fmt::{self, Display, Formatter};

use clap::Args;
use serde::Serialize;

use crate::aws::rds::{self, DbInstance};
use crate::cli::Context;
use crate::terminal::harmless;

/// Show the status of the DB instance
#[derive(Debug, Args)]
pub(super) struct Status {}

/// What an operator looks for first.
#[derive(Debug, Serialize)]
pub(super) struct CurrentStatus {
    identifier: String,
    status: String,
    host: Option<String>,
    port: Option<i32>,
    engine_version: Option<String>,
    class: Option<String>,
    storage_gib: Option<i32>,
    availability_zone: Option<String>,
    multi_az: Option<bool>,
    publicly_accessible: Option<bool>,
    deletion_protection: Option<bool>,
    backup_days: Option<i32>,
    restorable_until: Option<String>,
    secret_arn: Option<String>,
    security_groups: Vec<String>,
    /// `pending-reboot` if a changed parameter needs one.
    parameters: Option<String>,
    newest_event: Option<String>,
}

impl Status {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<CurrentStatus> {
        let identifier = &context.declaration()?.identifier;
        let aws = context.aws().await?;
        let instance = rds::require_instance(aws, identifier).await?;
        let newest_event = rds::newest_event(aws, identifier).await;
        Ok(CurrentStatus { newest_event, ..CurrentStatus::from(instance) })
    }
}

impl From<DbInstance> for CurrentStatus {
    fn from(instance: DbInstance) -> Self {
        let groups = instance.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id.clone());
        Self {
            security_groups: groups.collect(),
            parameters: instance.db_parameter_groups().first().and_then(|group| group.parameter_apply_status.clone()),
            identifier: instance.db_instance_identifier.unwrap_or_default(),
            status: instance.db_instance_status.unwrap_or_else(|| "unknown".to_owned()),
            host: instance.endpoint.as_ref().and_then(|endpoint| endpoint.address.clone()),
            port: instance.endpoint.as_ref().and_then(|endpoint| endpoint.port),
            engine_version: instance.engine_version,
            class: instance.db_instance_class,
            storage_gib: instance.allocated_storage,
            availability_zone: instance.availability_zone,
            multi_az: instance.multi_az,
            publicly_accessible: instance.publicly_accessible,
            deletion_protection: instance.deletion_protection,
            backup_days: instance.backup_retention_period,
            restorable_until: instance.latest_restorable_time.map(|time| time.to_string()),
            secret_arn: instance.master_user_secret.and_then(|secret| secret.secret_arn),
            newest_event: None,
        }
    }
}

impl Display for CurrentStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        fn shown<T: Display>(value: Option<&T>) -> String {
            value.map_or_else(|| "-".to_owned(), ToString::to_string)
        }
        let rows = [
            ("identifier", self.identifier.clone()),
            ("status", self.status.clone()),
            ("host", shown(self.host.as_ref())),
            ("port", shown(self.port.as_ref())),
            ("engine version", shown(self.engine_version.as_ref())),
            ("class", shown(self.class.as_ref())),
            ("storage GiB", shown(self.storage_gib.as_ref())),
            ("availability zone", shown(self.availability_zone.as_ref())),
            ("multi-AZ", shown(self.multi_az.as_ref())),
            ("public", shown(self.publicly_accessible.as_ref())),
            ("protected", shown(self.deletion_protection.as_ref())),
            ("backup days", shown(self.backup_days.as_ref())),
            ("restorable until", shown(self.restorable_until.as_ref())),
            ("secret", shown(self.secret_arn.as_ref())),
            ("security groups", self.security_groups.join(" ")),
            ("parameters", shown(self.parameters.as_ref())),
            ("newest event", shown(self.newest_event.as_ref())),
        ];
        let lines: Vec<String> = rows.iter().map(|(name, value)| format!("{name:<18}{}", harmless(value))).collect();
        f.write_str(&lines.join("\n"))
    }
}
