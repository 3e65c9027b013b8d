//! Everything that the account has, and the actions on it.

use std::collections::BTreeMap;

use super::answer::{Answer, Refusal, Xml};
use super::clock::{Calendar, Pace};
use super::instance::Instance;
use super::network::{SecurityGroup, SubnetGroup};
use super::parameters::{self, ParameterGroup};
use super::request::Request;
use super::snapshot::Snapshot;
use super::versions;

/// The state. A test reads and changes it with [`Rds::change`](super::Rds::change).
#[derive(Debug)]
pub struct Account {
    /// The DB instances by name.
    pub instances: BTreeMap<String, Instance>,
    /// The parameter groups by name, without the default ones.
    pub parameter_groups: BTreeMap<String, ParameterGroup>,
    /// The snapshots by name.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// The subnet groups by name.
    pub subnet_groups: BTreeMap<String, SubnetGroup>,
    /// The security groups, where no other server has them.
    pub security_groups: Vec<SecurityGroup>,
    /// The default VPC.
    pub vpc: String,
    /// How long changes last.
    pub pace: Pace,
    pub(super) has_own_network: bool,
    pub(super) calendar: Calendar,
    events: Vec<(String, String, String)>,
}

impl Account {
    /// `has_own_network` if security groups are here, and not in another server.
    pub(super) fn new(vpc: &str, pace: Pace, has_own_network: bool) -> Self {
        let default = SubnetGroup { vpc: vpc.to_owned() };
        let default_group = SecurityGroup::new("sg-default", "default", vpc);
        Self {
            instances: BTreeMap::new(),
            parameter_groups: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            subnet_groups: [("default".to_owned(), default)].into(),
            security_groups: vec![default_group],
            vpc: vpc.to_owned(),
            pace,
            has_own_network,
            calendar: Calendar::new(),
            events: Vec::new(),
        }
    }

    /// Ends what is over by now.
    pub(super) fn advance(&mut self) {
        let pace = self.pace;
        self.instances.retain(|_, instance| instance.advance(pace));
        for snapshot in self.snapshots.values_mut() {
            snapshot.advance(pace);
        }
    }

    /// The DB instance that a request names.
    pub(super) fn instance(&mut self, request: &Request) -> Result<&mut Instance, Refusal> {
        let name = request.get("DBInstanceIdentifier").unwrap_or_default().to_lowercase();
        let missing = Refusal::new("DBInstanceNotFound", format!("DBInstance {name} not found."));
        self.instances.get_mut(&name).ok_or(missing)
    }

    /// Records an event of a DB instance.
    pub(super) fn event(&mut self, instance: &str, message: impl Into<String>) {
        self.events.push((instance.to_owned(), self.calendar.now(), message.into()));
    }

    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        if request.service != "rds" {
            return self.answer_of_network(request);
        }
        match request.action.as_str() {
            "CreateDBInstance" => self.create_instance(request),
            "ModifyDBInstance" => self.modify_instance(request),
            "DeleteDBInstance" => self.delete_instance(request),
            "DescribeDBInstances" => self.describe_instances(request),
            "StartDBInstance" => self.start_instance(request),
            "StopDBInstance" => self.stop_instance(request),
            "RebootDBInstance" => self.reboot_instance(request),
            "RestoreDBInstanceFromDBSnapshot" => self.restore_snapshot(request),
            "RestoreDBInstanceToPointInTime" => self.restore_to_point_in_time(request),
            "CreateDBSnapshot" => self.create_snapshot(request),
            "DeleteDBSnapshot" => self.delete_snapshot(request),
            "DescribeDBSnapshots" => self.describe_snapshots(request),
            "DescribeEvents" => Ok(self.describe_events(request)),
            "CreateDBParameterGroup" => self.create_parameter_group(request),
            "DeleteDBParameterGroup" => self.delete_parameter_group(request),
            "DescribeDBParameterGroups" => self.describe_parameter_groups(request),
            "DescribeDBParameters" => self.describe_parameters(request),
            "DescribeEngineDefaultParameters" => parameters::describe_defaults(request),
            "ModifyDBParameterGroup" => self.modify_parameter_group(request),
            "ResetDBParameterGroup" => self.reset_parameter_group(request),
            "AddTagsToResource" => self.add_tags(request),
            "RemoveTagsFromResource" => self.remove_tags(request),
            "ListTagsForResource" => self.list_tags(request),
            "CreateDBSubnetGroup" => Ok(self.create_subnet_group(request)),
            "DescribeDBSubnetGroups" => self.describe_subnet_groups(request),
            "DescribeDBEngineVersions" => Ok(versions::describe_versions(request)),
            "DescribeDBMajorEngineVersions" => Ok(versions::describe_majors(request)),
            "DescribeCertificates" => Ok(describe_certificates()),
            "DescribePendingMaintenanceActions" => Ok(Xml::default().node("PendingMaintenanceActions", Xml::default())),
            "DescribeDBInstanceAutomatedBackups" => Ok(self.describe_backups(request)),
            action => Err(Refusal::unknown(format_args!("the action {action}"))),
        }
    }

    fn describe_backups(&self, request: &Request) -> Xml {
        let filtered = request.filter("db-instance-id");
        let wanted = request.get("DBInstanceIdentifier").or(filtered.as_deref());
        let kept = self.instances.values().filter(|instance| instance.get("BackupRetentionPeriod") != "0");
        let kept = kept.filter(|instance| wanted.is_none_or(|wanted| wanted == instance.identifier));
        let views = kept.map(|instance| {
            let window = Xml::default().text("EarliestTime", &instance.created).text("LatestTime", self.calendar.now());
            Xml::default()
                .text("DBInstanceIdentifier", &instance.identifier)
                .text("DBInstanceArn", instance.arn())
                .text("Status", "active")
                .node("RestoreWindow", window)
        });
        Xml::default().list("DBInstanceAutomatedBackups", "DBInstanceAutomatedBackup", views)
    }

    fn describe_instances(&mut self, request: &Request) -> Answer {
        let wanted: Vec<String> = match request.get("DBInstanceIdentifier") {
            Some(_) => vec![self.instance(request)?.identifier.clone()],
            None => self.instances.keys().cloned().collect(),
        };
        let views: Vec<Xml> = wanted.iter().map(|name| self.instances[name].view(self)).collect();
        for name in &wanted {
            if let Some(instance) = self.instances.get_mut(name) {
                instance.look();
            }
        }
        Ok(Xml::default().list("DBInstances", "DBInstance", views))
    }

    fn describe_events(&self, request: &Request) -> Xml {
        let wanted = request.get("SourceIdentifier");
        let events = self.events.iter().filter(|(source, ..)| wanted.is_none_or(|wanted| wanted == source));
        let events = events.map(|(source, date, message)| {
            let event = Xml::default().text("SourceIdentifier", source).text("SourceType", "db-instance");
            event.text("Date", date).text("Message", message)
        });
        Xml::default().list("Events", "Event", events)
    }

    fn tags(&mut self, request: &Request) -> Result<&mut BTreeMap<String, String>, Refusal> {
        let arn = request.get("ResourceName").unwrap_or_default();
        let (kind, name) = arn.split(':').nth(5).zip(arn.split(':').nth(6)).unwrap_or_default();
        let found = match kind {
            "db" => self.instances.get_mut(name).map(|instance| &mut instance.tags),
            "pg" => self.parameter_groups.get_mut(name).map(|group| &mut group.tags),
            "snapshot" => self.snapshots.get_mut(name).map(|snapshot| &mut snapshot.tags),
            _ => None,
        };
        found.ok_or_else(|| Refusal::new("DBInstanceNotFound", format!("Could not find a resource with the ARN {arn}")))
    }

    fn add_tags(&mut self, request: &Request) -> Answer {
        check_tags(request)?;
        self.tags(request)?.extend(request.pairs("Tags", "Key", "Value"));
        Ok(Xml::default())
    }

    fn remove_tags(&mut self, request: &Request) -> Answer {
        let tags = self.tags(request)?;
        for key in request.list("TagKeys") {
            tags.remove(&key);
        }
        Ok(Xml::default())
    }

    fn list_tags(&mut self, request: &Request) -> Answer {
        let tags = self.tags(request)?.iter();
        let tags = tags.map(|(key, value)| Xml::default().text("Key", key).text("Value", value));
        Ok(Xml::default().list("TagList", "Tag", tags))
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.html>
pub(super) fn check_tags(request: &Request) -> Result<(), Refusal> {
    let tags = request.pairs("Tags", "Key", "Value");
    match tags.iter().find(|(key, _)| key.to_lowercase().starts_with("aws:")) {
        Some((key, _)) => {
            let message = format!("Tag keys can't start with the reserved prefix aws: ({key})");
            Err(Refusal::value(message))
        }
        None => Ok(()),
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html>
fn describe_certificates() -> Xml {
    let certificates =
        [("rds-ca-rsa2048-g1", "2061-05-20"), ("rds-ca-rsa4096-g1", "2121-05-20"), ("rds-ca-ecc384-g1", "2121-05-20")];
    let certificates = certificates.map(|(name, until)| {
        let certificate = Xml::default().text("CertificateIdentifier", name).text("CertificateType", "CA");
        certificate.text("ValidFrom", "2021-05-20T00:00:00Z").text("ValidTill", format!("{until}T00:00:00Z"))
    });
    Xml::default().text("DefaultCertificateForNewLaunches", "rds-ca-rsa2048-g1").list(
        "Certificates",
        "Certificate",
        certificates,
    )
}
