//! The attributes of a DB instance, one row each: how it is declared, how AWS reports it, how it is created and changed,
//! and when RDS makes a change of it.
//!
//! The times are those of the table in
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.Settings.html>.

mod backups;
mod engine;
mod login;
mod monitoring;
mod network;
mod storage;

use std::borrow::Cow;
use std::fmt;

use aws_sdk_rds::operation::create_db_instance::builders::CreateDBInstanceFluentBuilder as Create;
use aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder as Modify;
use aws_sdk_rds::types::DbInstance;
use secrecy::SecretString;

pub(super) use self::engine::EXTENDED_SUPPORT;
pub(crate) use self::engine::{is_major_upgrade_queued, version_numbers};
pub(super) use self::login::queued_domain;
pub(crate) use self::network::{attached_security_groups, is_queued_unseen};
use super::pending::pending_changes;
use crate::declaration::Declaration;

/// What the DB instance should be: the declaration, and what it leaves to this program.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) declaration: Declaration,
    /// The ids of all security groups that should be attached.
    pub(crate) security_groups: Vec<String>,
    pub(crate) parameter_group: String,
    /// The master password, if the operator hands one over.
    pub(crate) password: Option<SecretString>,
    /// The whole version to upgrade to, if the operator has asked for another major one.
    pub(crate) major_upgrade: Option<String>,
    /// Whether Extended Support stays on, although it is not declared: see [`keeps_extended_support`](super::keeps_extended_support).
    pub(crate) keeps_extended_support: bool,
}

/// When RDS makes a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timing {
    /// At once, whatever `ApplyImmediately` says.
    Always,
    /// The same, and the server restarts.
    Restart,
    /// At once with `ApplyImmediately`, which it gets unless something else is queued. Without interruption.
    OnRequest,
    /// In the maintenance window, or at once with `ApplyImmediately`, without interruption.
    Window,
    /// The same, with an interruption.
    Interruption,
    /// The instance gets it at once, and the server with the next reboot.
    Reboot,
    /// At the operator's express wish alone.
    MajorUpgrade,
    /// Only a new DB instance can have it.
    Never,
}

/// One attribute of a DB instance.
pub(crate) struct Attribute {
    /// Its key in `rds.toml`.
    pub(crate) key: &'static str,
    /// The value that should be there, as AWS reports it, if there is one. What AWS may change by itself is as it should be:
    /// so the instance is looked at, unless it is to be created.
    pub(crate) declared: fn(&Wanted, Option<&DbInstance>) -> Option<String>,
    /// The value that AWS reports. None if AWS does not report it.
    pub(crate) current: fn(&DbInstance) -> Option<String>,
    pub(crate) timing: fn(&Wanted, &DbInstance) -> Timing,
    /// What else the operator should know of a change.
    pub(crate) note: fn(&Wanted, &DbInstance) -> Option<Cow<'static, str>>,
    /// Puts the declared value into the request that creates the DB instance.
    pub(crate) create: fn(Create, &Wanted) -> Create,
    /// Puts the declared value into a request that changes it.
    pub(crate) modify: fn(Modify, &Wanted, &DbInstance) -> Modify,
}

impl Attribute {
    /// Whether it is one of `[storage]`.
    pub(crate) fn is_of_storage(&self) -> bool {
        self.key.starts_with("storage.")
    }
}

/// What the rows leave out.
const ATTRIBUTE: Attribute = Attribute {
    key: "",
    declared: |_, _| None,
    current: |_| None,
    timing: |_, _| Timing::Always,
    note: |_, _| None,
    create: |request, _| request,
    modify: |request, _, _| request,
};

/// All of them, roughly in the order of `rds.toml`.
pub(crate) fn attributes() -> impl Iterator<Item = &'static Attribute> {
    [engine::ROWS, login::ROWS, storage::ROWS, network::ROWS, backups::ROWS, monitoring::ROWS].into_iter().flatten()
}

/// The value of an attribute, where it is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) current: String,
    /// The value that RDS has accepted and not set yet.
    pub(crate) pending: Option<String>,
    pub(crate) declared: String,
}

impl Difference {
    /// Whether RDS has accepted what is declared already.
    pub(crate) fn is_queued(&self) -> bool {
        self.pending.as_ref() == Some(&self.declared)
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

impl Attribute {
    /// How the instance differs from what is wanted, a change that is pending included.
    pub(crate) fn difference(&self, wanted: &Wanted, instance: &DbInstance) -> Option<Difference> {
        let (declared, current) = ((self.declared)(wanted, Some(instance))?, (self.current)(instance)?);
        // A new password is always on its way, never queued.
        let pending = pending(instance, self.key).filter(|_| self.key != "master.password");
        // What was queued and withdrawn may be reported until RDS has dealt with it.
        let pending = pending.filter(|pending| *pending != current);
        (pending.is_some() || current != declared).then_some(Difference { current, pending, declared })
    }
}

/// Whether everything is as wanted, and nothing is pending.
pub(crate) fn is_as_wanted(wanted: &Wanted, instance: &DbInstance) -> bool {
    are_as_wanted(&attributes().collect::<Vec<_>>(), wanted, instance)
}

/// The same for these attributes.
pub(crate) fn are_as_wanted(attributes: &[&Attribute], wanted: &Wanted, instance: &DbInstance) -> bool {
    // RDS never reports a password.
    let wanted = Wanted { password: None, ..wanted.clone() };
    attributes.iter().all(|attribute| attribute.difference(&wanted, instance).is_none())
}

fn pending(instance: &DbInstance, key: &str) -> Option<String> {
    pending_changes(instance).into_iter().find(|change| change.attribute == key).map(|change| change.to)
}

/// A KMS key as RDS reports it: by its ARN. An alias cannot be compared with that.
pub(super) fn kms_key(declared: Option<&String>, reported: Option<&str>) -> Option<String> {
    let declared = declared.filter(|key| !key.starts_with("alias/") && !key.contains(":alias/"))?;
    let is_same = reported.is_some_and(|arn| arn == declared || arn.ends_with(&format!("/{declared}")));
    Some(if is_same { reported.unwrap_or_default().to_owned() } else { declared.clone() })
}
