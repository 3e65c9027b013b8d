//! `provision instance status`

use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use clap::Args;
use humantime::format_rfc3339_seconds;
use serde::Serialize;

use crate::aws::rds::{self, DbInstance, Maintenance, PENDING_REBOOT, PendingChange, State, Support};
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
    /// What to do about the status; none if it passes by itself or is a good one.
    remedy: Option<String>,
    host: Option<String>,
    port: Option<i32>,
    network_type: Option<String>,
    engine_version: Option<String>,
    /// None if AWS does not tell.
    support: Option<Support>,
    class: Option<String>,
    storage_gib: Option<i32>,
    /// RDS lets the storage grow up to it.
    storage_limit_gib: Option<i32>,
    storage_type: Option<String>,
    iops: Option<i32>,
    /// MiB a second.
    storage_throughput: Option<i32>,
    availability_zone: Option<String>,
    multi_az: Option<bool>,
    publicly_accessible: Option<bool>,
    deletion_protection: Option<bool>,
    backup_days: Option<i32>,
    restorable_until: Option<String>,
    secret_arn: Option<String>,
    security_groups: Vec<String>,
    ca: Option<String>,
    /// The end of the server's certificate; RDS renews it before.
    certificate_until: Option<String>,
    /// `standard` or `advanced`.
    insights_mode: Option<String>,
    /// `pending-reboot` if a changed parameter needs one.
    parameters: Option<String>,
    /// Changes that wait for their turn or for the maintenance window.
    pending: Vec<PendingChange>,
    /// None if AWS does not tell.
    maintenance: Option<Vec<Maintenance>>,
    maintenance_window: Option<String>,
    /// The time at which AWS starts the stopped instance again.
    starts_again_at: Option<String>,
    newest_event: Option<String>,
    /// What AWS does not tell these credentials.
    unknown: Vec<String>,
}

impl Status {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<CurrentStatus> {
        let identifier = &context.declaration()?.identifier;
        let aws = context.aws().await?;
        let instance = rds::require_instance(aws, identifier).await?;
        let (newest_event, maintenance, support) = tokio::join!(
            rds::newest_event(aws, identifier),
            rds::pending_maintenance(aws, &instance),
            rds::support(aws, &instance)
        );
        let mut unknown = Vec::new();
        let maintenance = known(maintenance, &mut unknown);
        let support = known(support, &mut unknown);
        Ok(CurrentStatus { support, maintenance, newest_event, unknown, ..CurrentStatus::from(instance) })
    }
}

/// What AWS tells, or none with the reason: a permission for more than the instance itself may be missing.
fn known<T>(answer: anyhow::Result<T>, unknown: &mut Vec<String>) -> Option<T> {
    answer.map_err(|error| unknown.push(format!("{error:#}"))).ok()
}

impl From<DbInstance> for CurrentStatus {
    fn from(instance: DbInstance) -> Self {
        let identifier = instance.db_instance_identifier.clone().unwrap_or_default();
        let groups = instance.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id.clone());
        let certificate = instance.certificate_details.as_ref();
        Self {
            status: rds::status(&instance).to_owned(),
            remedy: State::of(rds::status(&instance)).remedy(&identifier, instance.allocated_storage),
            security_groups: groups.collect(),
            parameters: rds::parameter_status(&instance).map(str::to_owned),
            pending: rds::pending_changes(&instance),
            starts_again_at: instance.automatic_restart_time.map(|time| time.to_string()),
            certificate_until: certificate.and_then(|details| details.valid_till).map(|time| time.to_string()),
            host: instance.endpoint.as_ref().and_then(|endpoint| endpoint.address.clone()),
            port: instance.endpoint.as_ref().and_then(|endpoint| endpoint.port),
            identifier,
            network_type: instance.network_type,
            engine_version: instance.engine_version,
            support: None,
            class: instance.db_instance_class,
            storage_gib: instance.allocated_storage,
            storage_limit_gib: instance.max_allocated_storage,
            storage_type: instance.storage_type,
            iops: instance.iops,
            storage_throughput: instance.storage_throughput,
            availability_zone: instance.availability_zone,
            multi_az: instance.multi_az,
            publicly_accessible: instance.publicly_accessible,
            deletion_protection: instance.deletion_protection,
            backup_days: instance.backup_retention_period,
            restorable_until: instance.latest_restorable_time.map(|time| time.to_string()),
            secret_arn: instance.master_user_secret.and_then(|secret| secret.secret_arn),
            ca: instance.ca_certificate_identifier,
            insights_mode: instance.database_insights_mode.map(|mode| mode.as_str().to_owned()),
            maintenance: None,
            maintenance_window: instance.preferred_maintenance_window,
            newest_event: None,
            unknown: Vec::new(),
        }
    }
}

/// The end of standard support, and what it means once it is over.
fn shown_support(support: &Support) -> Option<String> {
    let end = support.standard_until.as_ref()?;
    // Both in UTC, so that they are ordered as texts.
    let is_over = *end < format_rfc3339_seconds(SystemTime::now()).to_string();
    let meaning = if is_over { "; it is over, and RDS charges for Extended Support: raise engine_version" } else { "" };
    Some(format!("until {end}{meaning}"))
}

impl CurrentStatus {
    fn shown_parameters(&self) -> Option<String> {
        let status = self.parameters.as_deref()?;
        let remedy = if status == PENDING_REBOOT { "; run `provision instance reboot`" } else { "" };
        Some(format!("{status}{remedy}"))
    }

    fn shown_maintenance(&self) -> Option<String> {
        let shown = |action: &Maintenance| {
            let Maintenance { action, description, applied_at } = action;
            let description = description.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
            let time = applied_at.as_ref().map(|time| format!(" at {time}")).unwrap_or_default();
            format!("{action}{time}{description}")
        };
        let actions: Vec<String> = self.maintenance.as_ref()?.iter().map(shown).collect();
        Some(if actions.is_empty() { "none".to_owned() } else { actions.join("; ") })
    }

    fn shown_pending(&self) -> Option<String> {
        let changes: Vec<String> =
            self.pending.iter().map(|PendingChange { attribute, to }| format!("{attribute} → {to}")).collect();
        (!changes.is_empty()).then(|| changes.join(", "))
    }
}

impl Display for CurrentStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        fn shown<T: Display>(value: Option<&T>) -> Option<String> {
            value.map(ToString::to_string)
        }
        let support = self.support.as_ref();
        let rows = [
            ("identifier", Some(self.identifier.clone())),
            ("status", Some(self.status.clone())),
            ("what to do", self.remedy.clone()),
            ("starts again", self.starts_again_at.clone()),
            ("host", shown(self.host.as_ref())),
            ("port", shown(self.port.as_ref())),
            ("network type", self.network_type.clone()),
            ("engine version", shown(self.engine_version.as_ref())),
            ("standard support", support.and_then(shown_support)),
            (
                "extended support",
                support.and_then(|support| support.extended_until.as_ref()).map(|end| format!("until {end}")),
            ),
            ("class", shown(self.class.as_ref())),
            ("storage GiB", shown(self.storage_gib.as_ref())),
            ("storage limit", shown(self.storage_limit_gib.as_ref())),
            ("storage type", self.storage_type.clone()),
            ("IOPS", shown(self.iops.as_ref())),
            ("throughput", shown(self.storage_throughput.as_ref())),
            ("availability zone", shown(self.availability_zone.as_ref())),
            ("multi-AZ", shown(self.multi_az.as_ref())),
            ("public", shown(self.publicly_accessible.as_ref())),
            ("protected", shown(self.deletion_protection.as_ref())),
            ("backup days", shown(self.backup_days.as_ref())),
            ("restorable until", self.restorable_until.clone()),
            ("secret", self.secret_arn.clone()),
            ("security groups", Some(self.security_groups.join(" "))),
            ("CA", self.ca.clone()),
            ("certificate until", self.certificate_until.clone()),
            ("insights", self.insights_mode.clone()),
            ("parameters", self.shown_parameters()),
            ("pending changes", self.shown_pending()),
            ("maintenance", self.shown_maintenance()),
            ("window", self.maintenance_window.clone()),
            ("newest event", self.newest_event.clone()),
        ];
        let known = rows.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let unknown = self.unknown.iter().map(|reason| ("not known", reason.clone()));
        let lines: Vec<String> =
            known.chain(unknown).map(|(name, value)| format!("{name:<18}{}", harmless(value))).collect();
        f.write_str(&lines.join("\n"))
    }
}
