//! The storage of the DB instance, and what RDS allows of it.

use anyhow::ensure;
use serde::Deserialize;

use super::values;

/// From this size on, gp3 has the larger baseline, and its IOPS and throughput can be chosen. GiB.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage>
pub(crate) const GP3_STRIPED: i32 = 400;

/// The IOPS and the throughput (MiB/s) of gp3 from that size on, if none are chosen.
pub(crate) const GP3_BASELINE: (i32, i32) = (12_000, 500);

/// The most throughput of gp3. MiB/s.
pub(crate) const GP3_THROUGHPUT: i32 = 4_000;

/// What RDS makes of a raise by less than a tenth, and the least limit of growth that it accepts.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>
pub(crate) fn least_raise(allocated: i32) -> i32 {
    allocated + (allocated + 9) / 10
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Storage {
    #[serde(rename = "type")]
    pub(crate) kind: StorageType,
    /// GiB. The least size while `growth_limit` lets RDS grow it.
    #[serde(deserialize_with = "values::between::<_, 20, 65536>")]
    pub(crate) size: i32,
    /// GiB; 0 for no growth.
    #[serde(deserialize_with = "values::between::<_, 0, 65536>")]
    pub(crate) growth_limit: i32,
    pub(crate) iops: Option<i32>,
    /// MiB/s.
    pub(crate) throughput: Option<i32>,
    pub(crate) dedicated_log_volume: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StorageType {
    Gp2,
    Gp3,
    Io1,
    Io2,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            kind: StorageType::Gp3,
            size: 20,
            growth_limit: 100,
            iops: None,
            throughput: None,
            dedicated_log_volume: false,
        }
    }
}

impl StorageType {
    /// As AWS names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gp2 => "gp2",
            Self::Gp3 => "gp3",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
        }
    }

    /// The least and the most IOPS that can be chosen, and the most for each GiB.
    fn iops(self) -> (i32, i32, i32) {
        match self {
            Self::Gp2 | Self::Gp3 => (GP3_BASELINE.0, 64_000, 500),
            Self::Io1 => (1_000, 256_000, 50),
            Self::Io2 => (1_000, 256_000, 1_000),
        }
    }

    /// As many of these IOPS as storage of this size, in GiB, can have.
    pub(crate) fn limit_iops(self, iops: i32, size: i32) -> i32 {
        let (least, most, ratio) = self.iops();
        iops.min(most).min(size.saturating_mul(ratio)).max(least)
    }

    /// Whether its IOPS are paid for, and must be declared.
    pub(crate) fn is_provisioned(self) -> bool {
        matches!(self, Self::Io1 | Self::Io2)
    }
}

impl Storage {
    /// Refuses what RDS would refuse after the other resources are created.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html>
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Self { kind, size, growth_limit, iops, throughput, dedicated_log_volume } = *self;
        let name = kind.name();
        ensure!(
            growth_limit == 0 || growth_limit >= least_raise(size),
            "storage.growth_limit must be at least a tenth above storage.size, {size} GiB, or 0",
        );
        if kind.is_provisioned() {
            ensure!(size >= 100, "storage.size must be at least 100 GiB for {name}");
            ensure!(iops.is_some(), "storage.type = \"{name}\" needs storage.iops, from 1000 on");
        }
        ensure!(
            dedicated_log_volume <= kind.is_provisioned(),
            "storage.dedicated_log_volume needs storage.type = \"io1\" or \"io2\""
        );
        ensure!(
            throughput.is_none() || kind == StorageType::Gp3,
            "storage.throughput needs storage.type = \"gp3\", not {name}"
        );
        let is_fixed = kind == StorageType::Gp2 || (kind == StorageType::Gp3 && size < GP3_STRIPED);
        ensure!(
            !is_fixed || (iops.is_none() && throughput.is_none()),
            "storage.iops and storage.throughput of {name} with {size} GiB are fixed; leave them out{}",
            if kind == StorageType::Gp3 { ", or declare 400 GiB or more" } else { "" }
        );
        let (least, most, ratio) = kind.iops();
        if let Some(iops) = iops {
            ensure!(
                (least..=most).contains(&iops),
                "storage.iops of {name} must be from {least} to {most}, not {iops}"
            );
            ensure!(
                iops <= size.saturating_mul(ratio) && iops.saturating_mul(2) >= size,
                "storage.iops of {name} must be from 0.5 to {ratio} for each GiB of storage.size, {size} GiB"
            );
        }
        if let Some(throughput) = throughput {
            let (least, most) = (GP3_BASELINE.1, GP3_THROUGHPUT);
            ensure!(
                (least..=most).contains(&throughput),
                "storage.throughput must be from {least} to {most} MiB/s, not {throughput}"
            );
            ensure!(
                throughput.saturating_mul(4) <= iops.unwrap_or(GP3_BASELINE.0),
                "storage.throughput must be at most a quarter of storage.iops, {}",
                iops.unwrap_or(GP3_BASELINE.0)
            );
        }
        Ok(())
    }
}
