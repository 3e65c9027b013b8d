//! What happens in a story.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use testkit::rds::{Account, newest_minor_version};

use super::IDENTIFIER;
use super::draft::{Change, KEYS, Key, PARAMETERS, VERSIONS};

/// One event.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Declared(Change),
    ByHand(ByHand),
    /// RDS gives a full volume more storage.
    Grown,
    /// RDS installs the newest minor version.
    Upgraded,
    /// The maintenance window begins.
    Window,
    Hours(u8),
    Rebooted,
    Applied {
        now: bool,
    },
    /// An apply is killed after so many requests.
    Killed {
        now: bool,
        requests: usize,
        is_done: bool,
    },
}

/// What another person does in the console.
#[derive(Clone, Debug)]
pub(super) enum ByHand {
    Sets(&'static str, &'static str),
    Queues(&'static str, &'static str),
    SetsParameter(&'static str, &'static str),
    Tags(&'static str),
    Untags,
    AttachesGroup,
    DetachesGroups,
    TakesDefaultParameters,
}

/// Any event, an apply more often than others.
pub(super) fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => declared().prop_map(Event::Declared),
        5 => by_hand().prop_map(Event::ByHand),
        1 => Just(Event::Grown),
        1 => Just(Event::Upgraded),
        1 => Just(Event::Window),
        1 => (0..48_u8).prop_map(Event::Hours),
        1 => Just(Event::Rebooted),
        5 => proptest::bool::weighted(0.3).prop_map(|now| Event::Applied { now }),
        3 => (proptest::bool::weighted(0.3), 0..14_usize, any::<bool>())
            .prop_map(|(now, requests, is_done)| Event::Killed { now, requests, is_done }),
    ]
}

fn declared() -> impl Strategy<Value = Change> {
    let keys: Vec<Change> = KEYS
        .iter()
        .enumerate()
        .flat_map(|(key, Key { values, .. })| {
            let chosen = values.iter().map(|value| Some(*value)).chain([None]);
            chosen.map(move |value| Change::Key(key, value))
        })
        .collect();
    let parameters: Vec<Change> = PARAMETERS
        .iter()
        .flat_map(|(name, values)| {
            let chosen = values.iter().map(|value| Some(*value)).chain([None]);
            chosen.map(|value| Change::Parameter(name, value))
        })
        .collect();
    let versions: Vec<Change> =
        VERSIONS.iter().map(|version| Some(*version)).chain([None]).map(Change::Version).collect();
    let tags = prop::collection::btree_map("[ab]|Name", "[12]", 0..3);
    prop_oneof![
        6 => select(keys),
        3 => select(parameters),
        1 => (0..6_u8, any::<bool>()).prop_map(|(tenths, grows)| Change::Storage { tenths, grows }),
        1 => select(versions),
        1 => tags.prop_map(|tags: BTreeMap<_, _>| Change::Tags(tags)),
    ]
}

fn by_hand() -> impl Strategy<Value = ByHand> {
    let settings = select(
        &[
            ("DBInstanceClass", "db.r6g.large"),
            ("DeletionProtection", "false"),
            ("DeletionProtection", "true"),
            ("BackupRetentionPeriod", "3"),
            ("BackupRetentionPeriod", "0"),
            ("PubliclyAccessible", "true"),
            ("MultiAZ", "true"),
            ("Port", "7777"),
            ("CopyTagsToSnapshot", "false"),
            ("PreferredMaintenanceWindow", "fri:10:00-fri:11:00"),
            ("CACertificateIdentifier", "rds-ca-ecc384-g1"),
            ("IAMDatabaseAuthenticationEnabled", "false"),
        ][..],
    );
    let queued = select(
        &[
            ("DBInstanceClass", "db.r6g.xlarge"),
            ("MultiAZ", "true"),
            ("BackupRetentionPeriod", "0"),
            ("CACertificateIdentifier", "rds-ca-rsa4096-g1"),
        ][..],
    );
    let parameters = select(
        &[("rds.force_ssl", "0"), ("log_statement", "mod"), ("max_connections", "50"), ("work_mem", "4096")][..],
    );
    prop_oneof![
        4 => settings.prop_map(|(name, value)| ByHand::Sets(name, value)),
        2 => queued.prop_map(|(name, value)| ByHand::Queues(name, value)),
        2 => parameters.prop_map(|(name, value)| ByHand::SetsParameter(name, value)),
        1 => select(&["a", "costs"][..]).prop_map(ByHand::Tags),
        1 => Just(ByHand::Untags),
        1 => Just(ByHand::AttachesGroup),
        1 => Just(ByHand::DetachesGroups),
        1 => Just(ByHand::TakesDefaultParameters),
    ]
}

impl ByHand {
    /// Makes the change, if RDS is at rest.
    pub(super) fn make(&self, account: &mut Account) {
        let instance = account.instance_mut(IDENTIFIER);
        if instance.is_busy() {
            return;
        }
        match self {
            Self::Sets(name, value) => {
                instance.pending.remove(*name);
                instance.set(name, value);
            }
            Self::Queues(name, value) if instance.get(name) == *value => {}
            Self::Queues(name, value) => drop(instance.pending.insert((*name).to_owned(), (*value).to_owned())),
            Self::SetsParameter(name, value) => {
                let group = instance.parameter_group.clone();
                let Some(group) = account.parameter_groups.get_mut(&group) else { return };
                group.set.insert((*name).to_owned(), (*value).to_owned());
                if *name == "max_connections" {
                    "pending-reboot".clone_into(&mut account.instance_mut(IDENTIFIER).parameter_status);
                }
            }
            Self::Tags(key) => drop(instance.tags.insert((*key).to_owned(), "of others".to_owned())),
            Self::Untags => instance.tags.clear(),
            Self::AttachesGroup => instance.security_groups.push("sg-default".to_owned()),
            Self::DetachesGroups => instance.security_groups = vec!["sg-default".to_owned()],
            Self::TakesDefaultParameters => {
                "default.postgres17".clone_into(&mut instance.parameter_group);
                "pending-reboot".clone_into(&mut instance.parameter_status);
            }
        }
        let groups = &mut account.instance_mut(IDENTIFIER).security_groups;
        groups.sort();
        groups.dedup();
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html>
pub(super) fn grow(account: &mut Account) {
    let instance = account.instance_mut(IDENTIFIER);
    let number = |name: &str| instance.get(name).parse::<i64>().unwrap_or(0);
    let (size, limit) = (number("AllocatedStorage"), number("MaxAllocatedStorage"));
    let grown = size + (size / 10).max(10);
    if grown <= limit && !instance.pending.contains_key("AllocatedStorage") && !instance.is_busy() {
        instance.set("AllocatedStorage", grown);
    }
}

pub(super) fn upgrade(account: &mut Account) {
    let instance = account.instance_mut(IDENTIFIER);
    if instance.get("AutoMinorVersionUpgrade") == "true" && !instance.is_busy() {
        instance.pending.remove("EngineVersion");
        instance.set("EngineVersion", newest_minor_version("17").expect("a version"));
    }
}
