//! The versions that a DB instance can be upgraded to.

use super::{Aws, Explain};

/// A version that RDS can upgrade to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpgradeTarget {
    pub(crate) version: String,
    pub(crate) is_major: bool,
}

/// Where RDS can upgrade this version of PostgreSQL to.
pub(crate) async fn upgrade_targets(aws: &Aws, version: &str) -> anyhow::Result<Vec<UpgradeTarget>> {
    let request = aws.rds.describe_db_engine_versions().engine("postgres").engine_version(version).include_all(true);
    let mut pages = request.into_paginator().items().send();
    let mut targets = Vec::new();
    while let Some(found) = pages.next().await {
        let found = found.explain("rds:DescribeDBEngineVersions")?;
        targets.extend(found.valid_upgrade_target.unwrap_or_default().into_iter().filter_map(|target| {
            Some(UpgradeTarget {
                version: target.engine_version?,
                is_major: target.is_major_version_upgrade == Some(true),
            })
        }));
    }
    Ok(targets)
}
