//! A DB instance: its settings, the changes that wait, and the phases that it goes through.

mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

use super::clock::{Calendar, Pace, Timer};
use super::settings::{OF_STORAGE, WITH_RESTART, setting};
use super::versions;

/// RDS optimises changed storage for hours, and refuses another change of it until it is done, six hours at least.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html>
const OPTIMIZATION: Duration = Duration::from_hours(6);

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_StopInstance.html>
const STOP_LIMIT: Duration = Duration::from_hours(7 * 24);

/// A DB instance. A test changes its fields to play what happens without the program's doing.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its name.
    pub identifier: String,
    /// `postgres`, or another one that a test gives it.
    pub engine: String,
    /// The status while no change is under way.
    pub status: String,
    /// Its settings, by their names in `DBInstance`, such as `AllocatedStorage`; the port is `Port`.
    pub values: BTreeMap<String, String>,
    /// The changes that wait for the maintenance window, by the same names.
    pub pending: BTreeMap<String, String>,
    /// The ids of its security groups, in the order of the last request.
    pub security_groups: Vec<String>,
    /// The name of its subnet group.
    pub subnet_group: String,
    /// The name of its parameter group.
    pub parameter_group: String,
    /// `in-sync`, or `pending-reboot` after the change of a static parameter.
    pub parameter_status: String,
    /// The logs that CloudWatch gets.
    pub logs: BTreeSet<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The ARN of the secret in which RDS keeps the master password, if it does.
    pub secret: Option<String>,
    /// The master password, if it was given.
    pub password: Option<String>,
    /// Until when its server's certificate is valid. <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html>
    pub certificate_until: String,
    pub(super) created: String,
    phases: VecDeque<Phase>,
    optimization: Option<Timer>,
    restart: Option<Timer>,
}

/// A part of a change.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    status: &'static str,
    timer: Timer,
    effect: Effect,
}

/// What has happened when a phase is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    /// All pending changes are applied.
    Applied,
    /// The server has restarted.
    Restarted,
    Stopped,
    Started,
    Deleted,
}

impl Instance {
    pub(super) fn new(identifier: &str, engine: &str, created: String) -> Self {
        Self {
            identifier: identifier.to_owned(),
            engine: engine.to_owned(),
            status: "available".to_owned(),
            values: BTreeMap::new(),
            pending: BTreeMap::new(),
            security_groups: Vec::new(),
            subnet_group: String::new(),
            parameter_group: String::new(),
            parameter_status: "in-sync".to_owned(),
            logs: BTreeSet::new(),
            tags: BTreeMap::new(),
            secret: None,
            password: None,
            certificate_until: String::new(),
            created,
            phases: VecDeque::new(),
            optimization: None,
            restart: None,
        }
    }

    /// A setting's value, which is empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Gives a setting a value, or none if it is empty.
    pub fn set(&mut self, name: &str, value: impl Display) {
        match value.to_string() {
            value if value.is_empty() => self.values.remove(name),
            value => self.values.insert(name.to_owned(), value),
        };
    }

    pub(super) fn number(&self, name: &str) -> i64 {
        self.get(name).parse().unwrap_or(0)
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        self.get(name) == "true"
    }

    /// The status that RDS reports.
    pub fn reported_status(&self) -> &str {
        match self.phases.front() {
            Some(phase) => phase.status,
            None if self.is_optimizing() && self.status == "available" => "storage-optimization",
            None => &self.status,
        }
    }

    /// Whether a change is under way, also where RDS still reports `available`.
    pub fn is_busy(&self) -> bool {
        !self.phases.is_empty()
    }

    pub(super) fn is_optimizing(&self) -> bool {
        self.optimization.is_some()
    }

    /// Whether the server has an address yet: it has none before it is created.
    pub(super) fn has_endpoint(&self) -> bool {
        self.reported_status() != "creating"
    }

    /// The time at which RDS starts it again, if it is stopped.
    pub(super) fn restart_time(&self, calendar: Calendar) -> Option<String> {
        self.restart.map(|restart| calendar.at(restart.ends()))
    }

    /// Goes through this phase after those that are there already.
    pub(super) fn then(&mut self, status: &'static str, lasts: Duration, effect: Effect) {
        let from = self.phases.back().map_or_else(Instant::now, |phase| phase.timer.ends());
        self.phases.push_back(Phase { status, timer: Timer::new(from, lasts), effect });
    }

    /// Applies everything that waits, as in the maintenance window or with `ApplyImmediately`.
    pub(super) fn apply_pending(&mut self) {
        let statuses = self.pending.keys().map(|name| setting(name).map_or("modifying", |setting| setting.status));
        let statuses: BTreeSet<_> = statuses.filter(|status| !status.is_empty()).collect();
        if self.pending.is_empty() {
            return;
        }
        // "available" for some seconds more: alchemy-run/alchemy#1593.
        self.then("available", Duration::from_secs(10), Effect::Nothing);
        for status in statuses {
            self.then(status, Duration::from_mins(5), Effect::Nothing);
        }
        if let Some(last) = self.phases.back_mut() {
            last.effect = Effect::Applied;
        }
    }

    /// Counts an answer that reports the instance.
    pub(super) fn look(&mut self) {
        match (self.phases.front_mut(), &mut self.optimization) {
            (Some(phase), _) => phase.timer.look(),
            (None, Some(optimization)) => optimization.look(),
            (None, None) => {}
        }
    }

    /// Ends the phases that are over. Returns whether the instance still exists.
    pub(super) fn advance(&mut self, pace: Pace) -> bool {
        while let Some(phase) = self.phases.pop_front_if(|phase| phase.timer.is_over(pace)) {
            match phase.effect {
                Effect::Nothing => {}
                Effect::Applied => self.finish_changes(phase.timer.ends()),
                Effect::Restarted => "in-sync".clone_into(&mut self.parameter_status),
                Effect::Stopped => {
                    "stopped".clone_into(&mut self.status);
                    self.restart = Some(Timer::new(phase.timer.ends(), STOP_LIMIT));
                }
                Effect::Started => {
                    "available".clone_into(&mut self.status);
                    "in-sync".clone_into(&mut self.parameter_status);
                    self.restart = None;
                }
                Effect::Deleted => return false,
            }
        }
        self.optimization = self.optimization.filter(|timer| self.is_busy() || !timer.is_over(pace));
        if pace == Pace::Clock && self.restart.is_some_and(|restart| restart.is_over(pace)) && !self.is_busy() {
            self.then("starting", Duration::from_mins(5), Effect::Started);
        }
        true
    }

    fn finish_changes(&mut self, at: Instant) {
        let pending = std::mem::take(&mut self.pending);
        for (name, value) in pending {
            if self.get(&name) == value {
                continue;
            }
            if OF_STORAGE.contains(&name.as_str()) {
                self.optimization = Some(Timer::new(at, OPTIMIZATION));
                if self.status == "storage-full" {
                    "available".clone_into(&mut self.status);
                }
            }
            if WITH_RESTART.contains(&name.as_str()) {
                "in-sync".clone_into(&mut self.parameter_status);
            }
            match name.as_str() {
                "DBSubnetGroupName" => self.subnet_group = value,
                "DBParameterGroupName" => self.parameter_group = value,
                "EngineVersion" => {
                    let (old, new) = (versions::family(self.get("EngineVersion")), versions::family(&value));
                    if self.parameter_group == format!("default.{old}") {
                        self.parameter_group = format!("default.{new}");
                    }
                    self.set(&name, value);
                }
                _ => self.set(&name, value),
            }
        }
        self.settle_storage();
    }

    /// The speed that a volume has where none was requested.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage>
    pub(super) fn settle_storage(&mut self) {
        let (iops, throughput) = match (self.get("StorageType"), self.number("AllocatedStorage")) {
            ("gp3", ..400) => (3000, 125),
            ("gp3", _) => (self.number("Iops").max(12000), self.number("StorageThroughput").max(500)),
            ("io1" | "io2", _) => {
                self.set("StorageThroughput", "");
                return;
            }
            _ => {
                self.set("Iops", "");
                self.set("StorageThroughput", "");
                return;
            }
        };
        self.set("Iops", iops);
        self.set("StorageThroughput", throughput);
    }
}
