//! `infra/rds.toml`: the declaration of the DB instance.

mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{anyhow, ensure};
use serde::Deserialize;

use crate::error::Problem;

/// The whole file. What it leaves out has the safe and cheap default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Declaration {
    #[serde(deserialize_with = "values::identifier")]
    pub(crate) identifier: String,
    #[serde(deserialize_with = "values::engine_version")]
    pub(crate) engine_version: String,
    #[serde(deserialize_with = "values::class")]
    pub(crate) class: String,
    #[serde(deserialize_with = "values::name")]
    pub(crate) database: String,
    #[serde(deserialize_with = "values::between::<_, 1150, 65535>")]
    pub(crate) port: i32,
    pub(crate) publicly_accessible: bool,
    pub(crate) multi_az: bool,
    pub(crate) availability_zone: Option<String>,
    pub(crate) deletion_protection: bool,
    pub(crate) iam_authentication: bool,
    pub(crate) ca: CertificateAuthority,
    #[serde(deserialize_with = "values::maintenance_window")]
    pub(crate) maintenance_window: String,
    pub(crate) master: Master,
    pub(crate) storage: Storage,
    pub(crate) network: Network,
    pub(crate) backups: Backups,
    pub(crate) encryption: Encryption,
    pub(crate) performance_insights: PerformanceInsights,
    pub(crate) monitoring: Monitoring,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Master {
    #[serde(deserialize_with = "values::name")]
    pub(crate) user: String,
    #[serde(deserialize_with = "values::password")]
    pub(crate) password: Password,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Password {
    /// RDS keeps it in Secrets Manager.
    Managed,
    /// The operator hands it over, in a file or on standard input.
    Given,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum CertificateAuthority {
    #[serde(rename = "rds-ca-rsa2048-g1")]
    Rsa2048,
    #[serde(rename = "rds-ca-rsa4096-g1")]
    Rsa4096,
    #[serde(rename = "rds-ca-ecc384-g1")]
    Ecc384,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Storage {
    #[serde(rename = "type")]
    pub(crate) kind: StorageType,
    #[serde(deserialize_with = "values::between::<_, 20, 65536>")]
    pub(crate) size: i32,
    #[serde(deserialize_with = "values::between::<_, 0, 65536>")]
    pub(crate) growth_limit: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StorageType {
    Gp2,
    Gp3,
    Io1,
    Io2,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Network {
    pub(crate) vpc: Option<String>,
    pub(crate) security_group: Option<String>,
    pub(crate) subnet_group: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Backups {
    #[serde(deserialize_with = "values::between::<_, 0, 35>")]
    pub(crate) days: i32,
    #[serde(deserialize_with = "values::backup_window")]
    pub(crate) window: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Encryption {
    pub(crate) enabled: bool,
    pub(crate) kms_key: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PerformanceInsights {
    pub(crate) enabled: bool,
    #[serde(deserialize_with = "values::insights_days")]
    pub(crate) days: i32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Monitoring {
    #[serde(deserialize_with = "values::monitoring_interval")]
    pub(crate) interval: i32,
    pub(crate) role: Option<String>,
}

impl Default for Declaration {
    fn default() -> Self {
        Self {
            identifier: "users-db".to_owned(),
            engine_version: "17".to_owned(),
            class: "db.t4g.micro".to_owned(),
            database: "app".to_owned(),
            port: 5432,
            publicly_accessible: false,
            multi_az: false,
            availability_zone: None,
            deletion_protection: true,
            iam_authentication: true,
            ca: CertificateAuthority::Rsa2048,
            maintenance_window: "sun:04:30-sun:05:30".to_owned(),
            master: Master::default(),
            storage: Storage::default(),
            network: Network::default(),
            backups: Backups::default(),
            encryption: Encryption::default(),
            performance_insights: PerformanceInsights::default(),
            monitoring: Monitoring::default(),
            parameters: [("rds.force_ssl".to_owned(), "1".to_owned())].into(),
            tags: BTreeMap::new(),
        }
    }
}

impl Default for Master {
    fn default() -> Self {
        Self { user: "postgres".to_owned(), password: Password::Managed }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { kind: StorageType::Gp3, size: 20, growth_limit: 100 }
    }
}

impl Default for Backups {
    fn default() -> Self {
        Self { days: 7, window: "03:00-04:00".to_owned() }
    }
}

impl Default for Encryption {
    fn default() -> Self {
        Self { enabled: true, kms_key: None }
    }
}

impl Default for PerformanceInsights {
    fn default() -> Self {
        Self { enabled: true, days: 7 }
    }
}

impl CertificateAuthority {
    /// As AWS names it.
    pub(crate) fn identifier(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rds-ca-rsa2048-g1",
            Self::Rsa4096 => "rds-ca-rsa4096-g1",
            Self::Ecc384 => "rds-ca-ecc384-g1",
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
}

impl Declaration {
    /// Reads the file. Errors name the file, and the line where there is one.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = db::shown_path(path);
        let text = fs::read_to_string(path).map_err(|error| {
            let remedy = "name the file with --config, or write one like infra/rds.toml";
            Problem::new(format!("cannot read {shown}"), remedy).because(error)
        })?;
        let correct = |error| Problem::new(format!("{shown} is invalid"), "correct the declaration").because(error);
        Ok(Self::parse(&text).map_err(correct)?)
    }

    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        // Without the source line that toml's own error shows: it may hold a password.
        let declaration: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            anyhow!("line {line}: {}", error.message())
        })?;
        let Self { storage, multi_az, availability_zone, encryption, monitoring, .. } = &declaration;
        ensure!(
            storage.growth_limit == 0 || f64::from(storage.growth_limit) >= f64::from(storage.size) * 1.1,
            "storage.growth_limit must be at least a tenth above storage.size, {} GiB, or 0",
            storage.size,
        );
        ensure!(
            !multi_az || availability_zone.is_none(),
            "availability_zone and multi_az exclude each other: with multi_az RDS picks both zones",
        );
        ensure!(
            encryption.enabled || encryption.kms_key.is_none(),
            "encryption.kms_key needs encryption.enabled = true"
        );
        ensure!(
            monitoring.interval == 0 || monitoring.role.is_some(),
            "monitoring.interval needs monitoring.role, a role that RDS may write enhanced metrics with",
        );
        Ok(declaration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_refused(text: &str, expected: &str) {
        let error = format!("{:#}", Declaration::parse(text).expect_err("this declaration is wrong"));
        assert!(error.contains(expected), "expected {expected:?} in:\n{error}");
    }

    #[test]
    fn the_commented_file_shows_the_defaults() {
        let shown = Declaration::parse(include_str!("../../../infra/rds.toml")).expect("the file is valid");
        assert_eq!(format!("{shown:?}"), format!("{:?}", Declaration::default()));
        assert_eq!(format!("{:?}", Declaration::parse("").expect("nothing is needed")), format!("{shown:?}"));
    }

    #[test]
    fn the_file_for_development_is_the_cheap_and_unsafe_one() {
        let dev = Declaration::parse(include_str!("../../../infra/rds.dev.toml")).expect("the file is valid");
        assert!(dev.publicly_accessible && !dev.deletion_protection && dev.backups.days == 0, "{dev:?}");
        assert!(dev.encryption.enabled, "{dev:?}");
    }

    #[test]
    fn every_unsafe_line_for_development_says_what_it_risks() {
        for line in include_str!("../../../infra/rds.dev.toml").lines() {
            let is_unsafe =
                ["publicly_accessible = true", "deletion_protection = false", "days = 0", "growth_limit = 0"]
                    .iter()
                    .any(|setting| line.starts_with(setting));
            assert_eq!(is_unsafe, line.contains("RISK: "), "{line}");
        }
    }

    #[test]
    fn an_unknown_key_is_told_with_its_line_and_what_is_allowed() {
        assert_refused("port = 5432\nclas = \"db.t4g.micro\"", "line 2");
        assert_refused("clas = \"db.t4g.micro\"", "unknown field `clas`, expected one of `identifier`");
        assert_refused("[storage]\nsizes = 1", "unknown field `sizes`, expected one of `type`, `size`, `growth_limit`");
    }

    #[test]
    fn a_wrong_type_is_told_with_its_line() {
        assert_refused("\nport = \"5432\"", "line 2");
        assert_refused("port = \"5432\"", "expected i32");
        assert_refused("multi_az = 1", "expected a boolean");
    }

    #[test]
    fn an_impossible_value_is_told_with_its_line_and_what_is_allowed() {
        assert_refused("\n\nport = 80", "line 3");
        assert_refused("port = 80", "80 is not from 1150 to 65535");
        assert_refused("identifier = \"My_DB\"", "is not 1 to 63 lower-case letters");
        assert_refused("identifier = \"a--b\"", "single hyphens");
        assert_refused("engine_version = \"9.6\"", "is not a version of PostgreSQL from 13 on");
        assert_refused("class = \"t3.micro\"", "is not a DB instance class");
        assert_refused("ca = \"rds-ca-2019\"", "expected one of `rds-ca-rsa2048-g1`");
        assert_refused("database = \"my-app\"", "letters, digits and underscores");
        assert_refused("maintenance_window = \"sunday\"", "such as \"sun:04:30-sun:05:30\"");
        assert_refused("[backups]\ndays = 36", "36 is not from 0 to 35");
        assert_refused("[backups]\nwindow = \"3-4\"", "such as \"03:00-04:00\"");
        assert_refused("[storage]\nsize = 5", "5 is not from 20 to 65536");
        assert_refused("[storage]\ntype = \"ssd\"", "expected one of `gp2`, `gp3`, `io1`, `io2`");
        assert_refused("[performance_insights]\ndays = 8", "8 is not 7, a multiple of 31");
        assert_refused("[monitoring]\ninterval = 2", "2 is not 0, 1, 5");
    }

    #[test]
    fn a_password_in_the_file_is_refused_and_not_shown() {
        let error = Declaration::parse("[master]\npassword = \"hunter2\"").expect_err("no place for it");
        assert_eq!(format!("{error:#}"), "line 2: a password must not be in this file; write \"managed\" or \"given\"");
    }

    #[test]
    fn a_login_in_place_of_the_files_path_is_not_shown() {
        for path in ["postgres://fn:hunter2@db/app", "fn:hunter2", "/x?password=hunter2", "host=db password=hunter2"] {
            let error = Declaration::read(Path::new(path)).expect_err("no such file");
            assert!(!format!("{error:#} {error:?}").contains("hunter2"), "{error:#}");
        }
        let error = Declaration::read(Path::new("missing/rds.toml")).expect_err("no such file");
        assert!(format!("{error:#}").contains("cannot read missing/rds.toml"), "{error:#}");
    }

    #[test]
    fn values_that_exclude_each_other_are_told() {
        assert_refused("multi_az = true\navailability_zone = \"eu-central-1a\"", "exclude each other");
        assert_refused("[storage]\nsize = 100", "storage.growth_limit must be at least a tenth above storage.size");
        assert_refused("[monitoring]\ninterval = 60", "needs monitoring.role");
        assert_refused("[encryption]\nenabled = false\nkms_key = \"k\"", "needs encryption.enabled");
    }
}
