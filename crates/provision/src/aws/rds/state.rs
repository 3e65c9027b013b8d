//! The statuses of a DB instance, one row each: whether the database can be used, whether the instance can be changed, and
//! what to do when the status does not pass by itself.

use aws_sdk_rds::types::DbInstance;

use crate::declaration::least_raise;

/// The status of a server that cannot start with its parameters. It takes new ones, and only a reboot tries them.
pub(crate) const INCOMPATIBLE_PARAMETERS: &str = "incompatible-parameters";

/// The status of a server without space. It takes more storage, and nothing else.
pub(crate) const STORAGE_FULL: &str = "storage-full";

/// Replaced by the instance's identifier in a remedy.
const IDENTIFIER: &str = "IDENTIFIER";

/// Replaced by the least `storage.size` that RDS accepts, and by the least limit of growth above that, in GiB.
const LEAST_SIZE: &str = "LEAST_SIZE";
const LEAST_LIMIT: &str = "LEAST_LIMIT";

/// Restores beside an instance that is lost: its backups may go with it when it is deleted.
const RESTORE_BESIDE: &str = "set another identifier in the declaration, and restore its data into a new instance with \
                              `provision instance restore --source IDENTIFIER --latest`";

/// A restore that failed leaves an instance without data and without backups.
const RESTORE_AGAIN: &str = "run `provision instance delete --unprotect --skip-snapshot`, then restore another snapshot, or \
                             the original source to another time, with `provision instance restore`";

/// An instance that was never there holds nothing.
const CREATE_ANEW: &str = "set another class or availability_zone in the declaration, or wait some hours; then run \
                           `provision instance delete --unprotect --skip-snapshot`, and create or restore it again";

/// The meaning of a status.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// As AWS names it.
    pub(crate) status: &'static str,
    /// True if the server accepts connections and nobody need wait for the end of this status.
    pub(crate) is_usable: bool,
    /// True if RDS accepts a modification.
    pub(crate) is_modifiable: bool,
    /// True if RDS accepts a start.
    pub(crate) is_startable: bool,
    /// What to do; none if the status passes by itself or is a good one.
    remedy: Option<&'static str>,
}

/// Work beside the database, which goes on.
const fn usable(status: &'static str) -> State {
    State { status, is_usable: true, is_modifiable: false, is_startable: false, remedy: None }
}

/// Nothing is in the way, although AWS may still work for hours.
const fn settled(status: &'static str) -> State {
    State { status, is_usable: true, is_modifiable: true, is_startable: false, remedy: None }
}

/// Passes by itself.
const fn passing(status: &'static str) -> State {
    State { status, is_usable: false, is_modifiable: false, is_startable: false, remedy: None }
}

/// Stays until somebody acts.
const fn stuck(status: &'static str, remedy: &'static str) -> State {
    State { status, is_usable: false, is_modifiable: false, is_startable: false, remedy: Some(remedy) }
}

/// Stays until somebody starts the instance.
const fn startable(status: &'static str, remedy: &'static str) -> State {
    State { is_startable: true, ..stuck(status, remedy) }
}

/// Every status that AWS documents for RDS, and `starting`.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html#Overview.DBInstance.Status>
///
/// After a change of the storage, RDS optimises it for hours; the instance is fully operational:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html>.
/// What a full storage needs:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Troubleshooting.html#CHAP_Troubleshooting.Storage>.
pub(crate) const STATES: &[State] = &[
    settled("available"),
    usable("backing-up"),
    usable("configuring-enhanced-monitoring"),
    usable("configuring-iam-database-auth"),
    usable("configuring-log-exports"),
    passing("converting-to-vpc"),
    passing("creating"),
    passing("delete-precheck"),
    passing("deleting"),
    stuck("failed", RESTORE_BESIDE),
    stuck("inaccessible-encryption-credentials", RESTORE_BESIDE),
    startable(
        "inaccessible-encryption-credentials-recoverable",
        "enable its KMS key and grant RDS access to it within seven days, then run `provision instance start`",
    ),
    stuck("incompatible-create", CREATE_ANEW),
    startable(
        "incompatible-network",
        "free addresses in the subnets of its subnet group and turn on DNS host names of its VPC, then run \
         `provision instance start`",
    ),
    stuck(
        "incompatible-option-group",
        "attach the default option group in the RDS console, then run `provision instance wait`",
    ),
    stuck(
        INCOMPATIBLE_PARAMETERS,
        "correct `parameters` in the declaration, run `provision instance apply`, then `provision instance reboot`",
    ),
    stuck("incompatible-restore", RESTORE_AGAIN),
    stuck("insufficient-capacity", CREATE_ANEW),
    passing("maintenance"),
    passing("modifying"),
    passing("moving-to-vpc"),
    passing("rebooting"),
    passing("renaming"),
    passing("resetting-master-credentials"),
    stuck("restore-error", RESTORE_AGAIN),
    passing("starting"),
    startable("stopped", "start it with `provision instance start`"),
    passing("stopping"),
    settled("storage-config-upgrade"),
    State {
        is_modifiable: true,
        ..stuck(
            STORAGE_FULL,
            "raise storage.size in the declaration to LEAST_SIZE or more, and growth_limit, unless it is 0, to LEAST_LIMIT \
             or more; then run `provision instance apply`",
        )
    },
    settled("storage-initialization"),
    settled("storage-optimization"),
    passing("upgrading"),
];

/// A status that AWS has invented since. It is waited for, and shown.
const UNKNOWN: State = passing("unknown");

impl State {
    /// The meaning of this status.
    pub(crate) fn of(status: &str) -> &'static Self {
        STATES.iter().find(|state| state.status == status).unwrap_or(&UNKNOWN)
    }

    /// What to do about the DB instance by this name, with so much storage in GiB; none if its status passes by itself or is a
    /// good one.
    pub(crate) fn remedy(&self, identifier: &str, allocated: Option<i32>) -> Option<String> {
        let size = least_raise(allocated.unwrap_or_default());
        let remedy = self.remedy?.replace(IDENTIFIER, identifier).replace(LEAST_SIZE, &size.to_string());
        Some(remedy.replace(LEAST_LIMIT, &least_raise(size).to_string()))
    }

    /// Whether nothing brings the instance back, so that only a deletion ends the status.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.remedy, Some(RESTORE_BESIDE | RESTORE_AGAIN | CREATE_ANEW))
    }

    /// Whether the database can be used and nothing is in the way of a change.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_usable && self.is_modifiable
    }

    /// Whether RDS is at work, and the next status comes by itself.
    pub(crate) fn is_passing(&self) -> bool {
        !self.is_settled() && self.remedy.is_none()
    }
}

/// The status of the DB instance, as AWS names it.
pub(crate) fn status(instance: &DbInstance) -> &str {
    instance.db_instance_status().unwrap_or(UNKNOWN.status)
}
