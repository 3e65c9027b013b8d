//! The settings of a DB instance that are one value each, and when RDS applies a change.
//!
//! "This setting ignores the apply immediately setting", or not:
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.Settings.html>. Where that table and the
//! reference differ, the reference of `ModifyDBInstance` counts:
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>

/// When a change is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// As soon as possible, whatever `ApplyImmediately` says.
    AtOnce,
    /// In the maintenance window, or with this or a later request that says `ApplyImmediately`.
    InWindow,
    /// As soon as possible, with a restart: "your database restarts when you change the `DBPortNumber` value regardless of
    /// the value of the `ApplyImmediately` parameter".
    WithRestart,
    /// Never: only `CreateDBInstance` takes it.
    Never,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// Its name in `DBInstance` and in `PendingModifiedValues`.
    pub(super) name: &'static str,
    /// Its name in `CreateDBInstance` and in the actions that restore.
    pub(super) create: &'static str,
    /// Its name in `ModifyDBInstance`.
    pub(super) modify: &'static str,
    pub(super) applied: Applied,
    /// The status while a change is applied; empty if the status does not change.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>
    pub(super) status: &'static str,
    /// What a new DB instance has. Empty if nothing.
    pub(super) default: &'static str,
}

const fn row(name: &'static str, applied: Applied, status: &'static str, default: &'static str) -> Setting {
    Setting { name, create: name, modify: name, applied, status, default }
}

const fn renamed(
    name: &'static str,
    names: (&'static str, &'static str),
    (applied, status, default): (Applied, &'static str, &'static str),
) -> Setting {
    Setting { name, create: names.0, modify: names.1, applied, status, default }
}

use Applied::{AtOnce, InWindow, Never, WithRestart};

/// All of them.
pub(super) const SETTINGS: &[Setting] = &[
    row("DBInstanceClass", InWindow, "modifying", ""),
    row("EngineVersion", InWindow, "upgrading", ""),
    row("AllocatedStorage", InWindow, "modifying", ""),
    row("StorageType", InWindow, "modifying", "gp3"),
    row("Iops", InWindow, "modifying", ""),
    row("StorageThroughput", InWindow, "modifying", ""),
    row("DedicatedLogVolume", InWindow, "modifying", "false"),
    row("MaxAllocatedStorage", AtOnce, "", ""),
    row("MultiAZ", InWindow, "modifying", "false"),
    // From or to 0 only; another change is applied as soon as possible.
    row("BackupRetentionPeriod", InWindow, "modifying", "1"),
    row("PreferredBackupWindow", AtOnce, "", "02:00-02:30"),
    row("PreferredMaintenanceWindow", AtOnce, "", "sat:05:00-sat:05:30"),
    row("AutoMinorVersionUpgrade", AtOnce, "", "true"),
    row("CACertificateIdentifier", InWindow, "modifying", "rds-ca-rsa2048-g1"),
    row("CopyTagsToSnapshot", AtOnce, "", "false"),
    row("DeletionProtection", AtOnce, "", "false"),
    row("PubliclyAccessible", AtOnce, "modifying", "false"),
    row("NetworkType", InWindow, "modifying", "IPV4"),
    row("MonitoringInterval", AtOnce, "configuring-enhanced-monitoring", "0"),
    row("MonitoringRoleArn", AtOnce, "configuring-enhanced-monitoring", ""),
    row("DatabaseInsightsMode", AtOnce, "", "standard"),
    row("PerformanceInsightsRetentionPeriod", AtOnce, "", ""),
    row("PerformanceInsightsKMSKeyId", AtOnce, "", ""),
    row("EngineLifecycleSupport", AtOnce, "", "open-source-rds-extended-support"),
    renamed(
        "PerformanceInsightsEnabled",
        ("EnablePerformanceInsights", "EnablePerformanceInsights"),
        (AtOnce, "", "false"),
    ),
    renamed(
        "IAMDatabaseAuthenticationEnabled",
        ("EnableIAMDatabaseAuthentication", "EnableIAMDatabaseAuthentication"),
        (InWindow, "configuring-iam-database-auth", "false"),
    ),
    renamed("Port", ("Port", "DBPortNumber"), (WithRestart, "modifying", "5432")),
    row("DBName", Never, "", ""),
    row("MasterUsername", Never, "", ""),
    row("AvailabilityZone", Never, "", ""),
    row("StorageEncrypted", Never, "", "false"),
    row("KmsKeyId", Never, "", ""),
    row("LicenseModel", Never, "", "postgresql-license"),
];

/// What [`PendingModifiedValues`] has no field for, though it waits for the window.
///
/// [`PendingModifiedValues`]: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PendingModifiedValues.html
pub(super) const HIDDEN_WHILE_PENDING: &[&str] = &["NetworkType", "DBParameterGroupName"];

/// The settings of the volume: after a change of one, RDS optimises it.
pub(super) const OF_STORAGE: &[&str] = &["AllocatedStorage", "StorageType", "Iops", "StorageThroughput"];

/// The changes that restart the server, so that changed parameters take effect.
pub(super) const WITH_RESTART: &[&str] = &["DBInstanceClass", "EngineVersion"];

/// The setting of this name in `DBInstance`.
pub(super) fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}
