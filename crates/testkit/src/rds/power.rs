//! Stop, start, reboot and delete.

use std::time::Duration;

use super::account::Account;
use super::answer::{Answer, Refusal, Xml};
use super::instance::{Effect, Instance};
use super::request::Request;

impl Account {
    fn begin(&mut self, request: &Request, status: &'static str, minutes: u64, effect: Effect) -> Answer {
        let instance = self.instance(request)?;
        instance.then(status, Duration::from_mins(minutes), effect);
        let identifier = instance.identifier.clone();
        self.event(&identifier, format!("DB instance is {status}"));
        Ok(Xml::default().node("DBInstance", self.instances[&identifier].view(self)))
    }

    /// That no change is under way and the status is one of these.
    fn require_status(&mut self, request: &Request, statuses: &[&str]) -> Result<&mut Instance, Refusal> {
        let instance = self.instance(request)?;
        if instance.is_busy() || !statuses.contains(&instance.status.as_str()) {
            let message = format!("Instance {} is not in {} state.", instance.identifier, statuses[0]);
            return Err(Refusal::state(message));
        }
        Ok(instance)
    }

    pub(super) fn stop_instance(&mut self, request: &Request) -> Answer {
        self.require_status(request, &["available", "storage-optimization"])?;
        self.begin(request, "stopping", 5, Effect::Stopped)
    }

    pub(super) fn start_instance(&mut self, request: &Request) -> Answer {
        let startable = ["stopped", "inaccessible-encryption-credentials-recoverable"];
        self.require_status(request, &startable)?;
        self.begin(request, "starting", 5, Effect::Started)
    }

    pub(super) fn reboot_instance(&mut self, request: &Request) -> Answer {
        let accepted = ["available", "storage-optimization", "incompatible-parameters", "storage-full"];
        let instance = self.require_status(request, &accepted)?;
        if request.is_on("ForceFailover") && !instance.is_on("MultiAZ") {
            return Err(Refusal::combination("Cannot force failover on a DB instance that is not Multi-AZ."));
        }
        if instance.status == "incompatible-parameters" {
            "available".clone_into(&mut instance.status);
        }
        self.begin(request, "rebooting", 1, Effect::Restarted)
    }

    pub(super) fn delete_instance(&mut self, request: &Request) -> Answer {
        let instance = self.instance(request)?.clone();
        if instance.reported_status() == "deleting" {
            let message = format!("Instance {} is already being deleted.", instance.identifier);
            return Err(Refusal::state(message));
        }
        if instance.is_on("DeletionProtection") {
            let message = "Cannot delete protected DB Instance, please disable deletion protection and try again.";
            return Err(Refusal::combination(message));
        }
        match (request.is_on("SkipFinalSnapshot"), request.get("FinalDBSnapshotIdentifier")) {
            (false, None) => {
                let message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.";
                return Err(Refusal::combination(message));
            }
            (true, Some(_)) => {
                let message = "FinalDBSnapshotIdentifier can not be specified when deleting with SkipFinalSnapshot.";
                return Err(Refusal::combination(message));
            }
            (false, Some(_)) if instance.reported_status() == "creating" => {
                let message = format!(
                    "Instance {} is currently creating - a final snapshot cannot be taken.",
                    instance.identifier
                );
                return Err(Refusal::state(message));
            }
            (false, Some(name)) => {
                self.keep_snapshot(&name.to_lowercase(), instance, std::collections::BTreeMap::new())?;
            }
            (true, None) => {}
        }
        self.begin(request, "deleting", 3, Effect::Deleted)
    }
}
