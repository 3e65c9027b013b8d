//! `CreateDBInstance`.

use std::time::Duration;

use tokio::time::Instant;

use super::account::{Account, check_tags};
use super::answer::{Answer, Refusal, Xml};
use super::instance::{Effect, Instance};
use super::request::Request;
use super::settings::{Applied, SETTINGS, Setting};
use super::{ACCOUNT, check, versions};

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL-certificate-rotation.html>
const CERTIFICATE_LIFE: Duration = Duration::from_hours(365 * 24);

/// The parameters that are no [`Setting`].
const OTHERS: &[&str] = &[
    "DBInstanceIdentifier",
    "Engine",
    "MasterUserPassword",
    "ManageMasterUserPassword",
    "MasterUserSecretKmsKeyId",
    "VpcSecurityGroupIds",
    "DBSubnetGroupName",
    "DBParameterGroupName",
    "EnableCloudwatchLogsExports",
    "Tags",
];

impl Account {
    pub(super) fn create_instance(&mut self, request: &Request) -> Answer {
        let is_setting = |name: &str| SETTINGS.iter().any(|setting| setting.create == name);
        if let Some(name) = request.names().into_iter().find(|name| !is_setting(name) && !OTHERS.contains(name)) {
            return Err(Refusal::unknown(format_args!("the parameter {name} of {}", request.action)));
        }
        check_tags(request)?;
        // Names are kept in lower case.
        let identifier = request.get("DBInstanceIdentifier").unwrap_or_default().to_lowercase();
        if self.instances.contains_key(&identifier) {
            return Err(Refusal::new("DBInstanceAlreadyExists", "DB instance already exists"));
        }
        let engine = request.get("Engine").unwrap_or_default();
        let mut instance = Instance::new(&identifier, engine, self.calendar.now());
        instance.certificate_until = self.calendar.at(Instant::now() + CERTIFICATE_LIFE);
        for Setting { name, create, default, .. } in SETTINGS {
            instance.set(name, request.get(create).unwrap_or(default));
        }
        instance.set("DatabaseInsightsMode", request.get("DatabaseInsightsMode").unwrap_or("standard"));
        let version = match request.get("EngineVersion") {
            Some(version) => versions::resolve(version)?,
            None => versions::resolve("17")?,
        };
        instance.set("EngineVersion", &version);

        let subnet_group = request.get("DBSubnetGroupName").unwrap_or("default");
        instance.subnet_group = self.require_subnet_group(subnet_group)?;
        instance.security_groups = request.list("VpcSecurityGroupIds");
        let vpc = self.subnet_groups[&instance.subnet_group].vpc.clone();
        self.check_security_groups(&instance.security_groups, &vpc)?;
        if instance.security_groups.is_empty() {
            instance.security_groups.push("sg-default".to_owned());
        }
        let default_group = format!("default.{}", versions::family(&version));
        let group = request.get("DBParameterGroupName").unwrap_or(&default_group);
        self.check_family(group, &version, "CreateDBInstance")?;
        group.clone_into(&mut instance.parameter_group);
        instance.logs = request.list("EnableCloudwatchLogsExports").into_iter().collect();
        instance.tags = request.pairs("Tags", "Key", "Value").into_iter().collect();

        check::password(request, &instance)?;
        if request.is_on("ManageMasterUserPassword") {
            instance.secret = Some(managed_secret(&identifier));
        } else if let Some(password) = request.get("MasterUserPassword") {
            instance.password = Some(password.to_owned());
        } else {
            return Err(Refusal::combination(
                "You must specify either MasterUserPassword or ManageMasterUserPassword.",
            ));
        }
        if instance.is_on("MultiAZ") && request.has("AvailabilityZone") {
            let message = "Requesting a specific availability zone is not valid for Multi-AZ instances.";
            return Err(Refusal::combination(message));
        }
        if instance.get("AvailabilityZone").is_empty() {
            instance.set("AvailabilityZone", "eu-central-1a");
        }
        if instance.is_on("StorageEncrypted") && instance.get("KmsKeyId").is_empty() {
            instance.set("KmsKeyId", format!("arn:aws:kms:eu-central-1:{ACCOUNT}:key/of-rds"));
        }
        if instance.is_on("PerformanceInsightsEnabled") && instance.get("PerformanceInsightsRetentionPeriod").is_empty()
        {
            instance.set("PerformanceInsightsRetentionPeriod", 7);
        }
        check::requested(request, &instance, None, |setting| setting.create)?;
        check::settings(&instance, None)?;
        if instance.number("MaxAllocatedStorage") == instance.number("AllocatedStorage") {
            instance.set("MaxAllocatedStorage", "");
        }
        instance.settle_storage();

        instance.then("creating", Duration::from_mins(6), Effect::Nothing);
        if instance.get("BackupRetentionPeriod") != "0" {
            instance.then("backing-up", Duration::from_mins(2), Effect::Nothing);
        }
        if instance.get("MonitoringInterval") != "0" {
            instance.then("configuring-enhanced-monitoring", Duration::from_mins(1), Effect::Nothing);
        }
        self.event(&identifier, "DB instance created");
        let view = instance.view(self);
        self.instances.insert(identifier, instance);
        Ok(Xml::default().node("DBInstance", view))
    }
}

/// The ARN of the secret that RDS keeps for an instance.
pub(super) fn managed_secret(identifier: &str) -> String {
    format!("arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:rds!db-{identifier}-AbC123")
}

/// The settings that a request to change may name.
pub(super) fn changeable() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| setting.applied != Applied::Never)
}
