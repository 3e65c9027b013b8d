//! Snapshots, and DB instances that are restored from one or from another instance.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::account::{Account, check_tags};
use super::answer::{Answer, Refusal, Xml};
use super::clock::{Pace, Timer};
use super::instance::{Effect, Instance};
use super::request::Request;
use super::{ACCOUNT, versions};

/// A snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// `creating`, `available` or `failed`.
    pub status: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The DB instance as it was.
    pub source: Instance,
    kind: &'static str,
    created: String,
    timer: Timer,
}

impl Snapshot {
    pub(super) fn advance(&mut self, pace: Pace) {
        if self.status == "creating" && self.timer.is_over(pace) {
            "available".clone_into(&mut self.status);
        }
    }

    fn view(&self) -> Xml {
        let Self { name, source, .. } = self;
        let mut view = Xml::default()
            .text("DBSnapshotIdentifier", name)
            .text("DBInstanceIdentifier", &source.identifier)
            .text("DBSnapshotArn", format!("arn:aws:rds:eu-central-1:{ACCOUNT}:snapshot:{name}"))
            .text("SnapshotCreateTime", &self.created)
            .text("SnapshotType", self.kind)
            .text("Status", &self.status)
            .text("PercentProgress", if self.status == "available" { 100 } else { 0 })
            .text("Engine", &source.engine)
            .text("Encrypted", source.get("StorageEncrypted"));
        for name in ["EngineVersion", "AllocatedStorage", "StorageType", "Iops", "MasterUsername", "Port", "KmsKeyId"] {
            view = view.optional(name, Some(source.get(name)).filter(|value| !value.is_empty()));
        }
        let tags = self.tags.iter().map(|(key, value)| Xml::default().text("Key", key).text("Value", value));
        view.list("TagList", "Tag", tags)
    }
}

impl Account {
    /// Keeps a snapshot of an instance.
    pub(super) fn keep_snapshot(&mut self, name: &str, source: Instance, tags: BTreeMap<String, String>) -> Answer {
        if self.snapshots.contains_key(name) {
            let message =
                format!("Cannot create the snapshot because a snapshot with the identifier {name} already exists.");
            return Err(Refusal::new("DBSnapshotAlreadyExists", message));
        }
        let copied = source.tags.clone().into_iter().filter(|_| source.is_on("CopyTagsToSnapshot"));
        let tags = copied.chain(tags).collect();
        let timer = Timer::new(Instant::now(), Duration::from_mins(3));
        let (status, created) = ("creating".to_owned(), self.calendar.now());
        let snapshot = Snapshot { name: name.to_owned(), status, tags, source, kind: "manual", created, timer };
        let view = snapshot.view();
        self.snapshots.insert(name.to_owned(), snapshot);
        Ok(Xml::default().node("DBSnapshot", view))
    }

    pub(super) fn create_snapshot(&mut self, request: &Request) -> Answer {
        check_tags(request)?;
        let name = request.get("DBSnapshotIdentifier").unwrap_or_default().to_lowercase();
        let instance = self.instance(request)?;
        let source = instance.clone();
        if instance.is_busy() || !matches!(instance.status.as_str(), "available" | "stopped" | "storage-full") {
            let message = format!("Instance {} is not in available state.", instance.identifier);
            return Err(Refusal::state(message));
        }
        let answer = self.keep_snapshot(&name, source, request.pairs("Tags", "Key", "Value").into_iter().collect())?;
        let instance = self.instance(request)?;
        if instance.status == "available" {
            instance.then("backing-up", Duration::from_mins(3), Effect::Nothing);
        }
        Ok(answer)
    }

    pub(super) fn delete_snapshot(&mut self, request: &Request) -> Answer {
        let name = request.get("DBSnapshotIdentifier").unwrap_or_default();
        let snapshot = self.require_snapshot(name)?.view();
        self.snapshots.remove(name);
        Ok(Xml::default().node("DBSnapshot", snapshot))
    }

    fn require_snapshot(&self, name: &str) -> Result<&Snapshot, Refusal> {
        let missing = || Refusal::new("DBSnapshotNotFound", format!("DBSnapshot {name} not found."));
        self.snapshots.get(name).ok_or_else(missing)
    }

    pub(super) fn describe_snapshots(&mut self, request: &Request) -> Answer {
        let (filtered, kind) = (request.filter("db-instance-id"), request.get("SnapshotType"));
        let instance = request.get("DBInstanceIdentifier").or(filtered.as_deref());
        let found: Vec<String> = match request.get("DBSnapshotIdentifier") {
            Some(name) => vec![self.require_snapshot(name)?.name.clone()],
            None => self.snapshots.keys().cloned().collect(),
        };
        let snapshots = found.iter().map(|name| &self.snapshots[name]);
        let snapshots = snapshots
            .filter(|snapshot| instance.is_none_or(|wanted| wanted == snapshot.source.identifier))
            .filter(|snapshot| kind.is_none_or(|kind| kind == snapshot.kind));
        let views: Vec<Xml> = snapshots.map(Snapshot::view).collect();
        for name in found {
            if let Some(snapshot) = self.snapshots.get_mut(&name) {
                snapshot.timer.look();
            }
        }
        Ok(Xml::default().list("DBSnapshots", "DBSnapshot", views))
    }

    pub(super) fn restore_snapshot(&mut self, request: &Request) -> Answer {
        let name = request.get("DBSnapshotIdentifier").unwrap_or_default();
        let snapshot = self.require_snapshot(name)?;
        if snapshot.status != "available" {
            let message = format!("Snapshot {name} is not in available state.");
            return Err(Refusal::new("InvalidDBSnapshotState", message));
        }
        let source = snapshot.source.clone();
        let wanted = request.get("DBInstanceIdentifier").unwrap_or_default().to_lowercase();
        self.restore(request, &source, &wanted)
    }

    pub(super) fn restore_to_point_in_time(&mut self, request: &Request) -> Answer {
        let name = request.get("SourceDBInstanceIdentifier").unwrap_or_default().to_lowercase();
        let missing = || Refusal::new("DBInstanceNotFound", format!("DBInstance {name} not found."));
        let source = self.instances.get(&name).ok_or_else(missing)?.clone();
        if source.get("BackupRetentionPeriod") == "0" {
            let message = "Backup is not enabled for the source instance; it cannot be restored to a point in time.";
            return Err(Refusal::new("PointInTimeRestoreNotEnabled", message));
        }
        if !request.is_on("UseLatestRestorableTime") && request.get("RestoreTime").is_none() {
            return Err(Refusal::combination("Either UseLatestRestorableTime or RestoreTime must be specified."));
        }
        let wanted = request.get("TargetDBInstanceIdentifier").unwrap_or_default().to_lowercase();
        self.restore(request, &source, &wanted)
    }

    /// A new instance with the source's data. It has the default security group, subnet group and parameter group, and
    /// the default of every setting that is not of the data, unless the request names another:
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RestoreFromSnapshot.html>
    fn restore(&mut self, request: &Request, source: &Instance, wanted: &str) -> Answer {
        const OF_THE_DATA: &[&str] = &[
            "EngineVersion",
            "DBName",
            "MasterUsername",
            "AllocatedStorage",
            "StorageType",
            "Iops",
            "StorageEncrypted",
            "KmsKeyId",
            "DBInstanceClass",
            "Port",
            "BackupRetentionPeriod",
            "LicenseModel",
        ];
        let mut parameters = request.parameters.clone();
        for name in ["SourceDBInstanceIdentifier", "TargetDBInstanceIdentifier", "DBSnapshotIdentifier"] {
            parameters.remove(name);
        }
        for name in ["UseLatestRestorableTime", "RestoreTime"] {
            parameters.remove(name);
        }
        parameters.insert("DBInstanceIdentifier".to_owned(), wanted.to_owned());
        for name in OF_THE_DATA {
            if !request.has(name) && !source.get(name).is_empty() {
                parameters.insert((*name).to_owned(), source.get(name).to_owned());
            }
        }
        if source.get("StorageType") == "gp3" && source.number("AllocatedStorage") < 400 {
            parameters.remove("Iops");
        }
        parameters.insert("Engine".to_owned(), source.engine.clone());
        // The password is the source's.
        if !request.is_on("ManageMasterUserPassword") {
            parameters.insert("MasterUserPassword".to_owned(), "of-the-source".to_owned());
        }
        let creation = Request { parameters, action: "CreateDBInstance".to_owned(), service: request.service.clone() };
        let answer = self.create_instance(&creation)?;
        let family = versions::family(source.get("EngineVersion"));
        let instance = self.instance(&creation)?;
        if request.get("DBParameterGroupName").is_none() {
            instance.parameter_group = format!("default.{family}");
        }
        Ok(answer)
    }
}
