//! `infra/rds.toml`: the declaration of the DB instance.

mod domain;
mod parameters;
mod reserved;
mod storage;
mod tags;
mod values;
mod window;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{anyhow, ensure};
use serde::Deserialize;

pub(crate) use self::domain::Domain;
pub(crate) use self::storage::{GP3_BASELINE, GP3_STRIPED, GP3_THROUGHPUT, Storage, StorageType, least_raise};
pub(crate) use self::tags::RESTORED_FROM;
use crate::error::Problem;

/// The whole file. What it leaves out has the safe and cheap default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Declaration {
    #[serde(deserialize_with = "values::identifier")]
    pub(crate) identifier: String,
    #[serde(deserialize_with = "values::engine_version")]
    pub(crate) engine_version: String,
    /// Whether RDS installs new minor versions by itself.
    pub(crate) auto_minor_version_upgrade: bool,
    /// Whether a major version may run, at a charge, after the end of its standard support.
    pub(crate) extended_support: bool,
    #[serde(deserialize_with = "values::class")]
    pub(crate) class: String,
    #[serde(deserialize_with = "reserved::database")]
    pub(crate) database: String,
    #[serde(deserialize_with = "values::between::<_, 1150, 65535>")]
    pub(crate) port: i32,
    pub(crate) publicly_accessible: bool,
    pub(crate) multi_az: bool,
    #[serde(deserialize_with = "values::present")]
    pub(crate) availability_zone: Option<String>,
    pub(crate) deletion_protection: bool,
    pub(crate) iam_authentication: bool,
    pub(crate) ca: CertificateAuthority,
    #[serde(deserialize_with = "window::maintenance")]
    pub(crate) maintenance_window: String,
    /// The logs that RDS sends to CloudWatch Logs.
    #[serde(deserialize_with = "values::logs")]
    pub(crate) logs: Vec<String>,
    /// A parameter group that is used and never changed. Without it, one is created with `parameters`.
    #[serde(deserialize_with = "values::folded")]
    pub(crate) parameter_group: Option<String>,
    pub(crate) master: Master,
    pub(crate) storage: Storage,
    pub(crate) network: Network,
    pub(crate) backups: Backups,
    pub(crate) encryption: Encryption,
    pub(crate) performance_insights: PerformanceInsights,
    pub(crate) monitoring: Monitoring,
    /// The Active Directory domain whose members log in with Kerberos.
    pub(crate) domain: Option<Domain>,
    #[serde(deserialize_with = "parameters::read")]
    pub(crate) parameters: BTreeMap<String, String>,
    /// The complete list of the tags. None leaves alone what is there.
    #[serde(deserialize_with = "tags::read")]
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Master {
    #[serde(deserialize_with = "reserved::master_user")]
    pub(crate) user: String,
    #[serde(deserialize_with = "values::password")]
    pub(crate) password: Password,
    /// The key of the secret that RDS keeps the managed password in.
    #[serde(deserialize_with = "values::present")]
    pub(crate) secret_kms_key: Option<String>,
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

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Network {
    #[serde(deserialize_with = "values::present")]
    pub(crate) vpc: Option<String>,
    /// The complete list of the security groups. Empty: one with the name of the instance is created, and attached
    /// beside those that are attached already.
    #[serde(alias = "security_group", deserialize_with = "values::one_or_more")]
    pub(crate) security_groups: Vec<String>,
    #[serde(deserialize_with = "values::folded")]
    pub(crate) subnet_group: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: NetworkType,
}

/// The addresses that the DB instance has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum NetworkType {
    #[default]
    #[serde(rename = "IPV4")]
    Ipv4,
    /// IPv6 beside IPv4.
    #[serde(rename = "DUAL")]
    Dual,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Backups {
    #[serde(deserialize_with = "values::between::<_, 0, 35>")]
    pub(crate) days: i32,
    #[serde(deserialize_with = "window::backup")]
    pub(crate) window: String,
    pub(crate) copy_tags: bool,
    /// Whether `instance delete` deletes the automated backups too.
    pub(crate) delete_automated: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Encryption {
    pub(crate) enabled: bool,
    #[serde(deserialize_with = "values::present")]
    pub(crate) kms_key: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PerformanceInsights {
    pub(crate) enabled: bool,
    #[serde(deserialize_with = "values::insights_days")]
    pub(crate) days: i32,
    pub(crate) mode: InsightsMode,
    #[serde(deserialize_with = "values::present")]
    pub(crate) kms_key: Option<String>,
}

/// The mode of CloudWatch Database Insights, of which Performance Insights is a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum InsightsMode {
    #[default]
    Standard,
    Advanced,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Monitoring {
    #[serde(deserialize_with = "values::monitoring_interval")]
    pub(crate) interval: i32,
    #[serde(deserialize_with = "values::present")]
    pub(crate) role: Option<String>,
}

impl Default for Declaration {
    fn default() -> Self {
        Self {
            identifier: "users-db".to_owned(),
            engine_version: "17".to_owned(),
            auto_minor_version_upgrade: true,
            extended_support: false,
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
            logs: Vec::new(),
            parameter_group: None,
            master: Master::default(),
            storage: Storage::default(),
            network: Network::default(),
            backups: Backups::default(),
            encryption: Encryption::default(),
            performance_insights: PerformanceInsights::default(),
            monitoring: Monitoring::default(),
            domain: None,
            parameters: parameters::defaults(),
            tags: None,
        }
    }
}

impl Default for Master {
    fn default() -> Self {
        Self { user: "postgres".to_owned(), password: Password::Managed, secret_kms_key: None }
    }
}

impl Default for Backups {
    fn default() -> Self {
        Self { days: 7, window: "03:00-04:00".to_owned(), copy_tags: true, delete_automated: true }
    }
}

impl Default for Encryption {
    fn default() -> Self {
        Self { enabled: true, kms_key: None }
    }
}

impl Default for PerformanceInsights {
    fn default() -> Self {
        Self { enabled: true, days: 7, mode: InsightsMode::Standard, kms_key: None }
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

impl NetworkType {
    /// As AWS names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPV4",
            Self::Dual => "DUAL",
        }
    }
}

impl InsightsMode {
    /// As AWS names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Advanced => "advanced",
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
        Self::of_text(Some(&text), path)
    }

    /// Reads the text of the file, wherever it was read; none if there is no such file.
    pub(crate) fn of_text(text: Option<&str>, path: &Path) -> anyhow::Result<Self> {
        let shown = db::shown_path(path);
        let absent = || {
            Problem::new(
                format!("there is no {shown}"),
                "name the file with --config, or write one like infra/rds.toml",
            )
        };
        let correct = |error| Problem::new(format!("{shown} is invalid"), "correct the declaration").because(error);
        Ok(Self::parse(text.ok_or_else(absent)?).map_err(correct)?)
    }

    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        // Without the source line that toml's own error shows: it may hold a password.
        let declaration: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            anyhow!("line {line}: {}", error.message())
        })?;
        declaration.check()?;
        Ok(declaration)
    }

    /// Refuses values that exclude each other, before anything is created.
    fn check(&self) -> anyhow::Result<()> {
        self.storage.check()?;
        window::check(&self.backups.window, &self.maintenance_window)?;
        if let Some(domain) = &self.domain {
            domain.check()?;
        }
        let Self { multi_az, availability_zone, encryption, monitoring, performance_insights, master, .. } = self;
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
        // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_DatabaseInsights.TurningOnAdvanced.html
        ensure!(
            performance_insights.mode == InsightsMode::Standard
                || (performance_insights.enabled && performance_insights.days >= 465),
            "performance_insights.mode = \"advanced\" needs enabled = true and days = 465 or more (15 months)",
        );
        ensure!(
            master.secret_kms_key.is_none() || master.password == Password::Managed,
            "master.secret_kms_key needs master.password = \"managed\"",
        );
        ensure!(
            self.parameter_group.is_none() || self.parameters == parameters::defaults(),
            "parameter_group and [parameters] exclude each other: a parameter group of your own is never changed",
        );
        Ok(())
    }

    /// The major version, such as 17.
    pub(crate) fn major_version(&self) -> u32 {
        major_version(&self.engine_version)
    }
}

/// The major version in a version as RDS writes it, such as 13 in "13.22-rds.20250814"; 0 if there is none.
pub(crate) fn major_version(version: &str) -> u32 {
    let digits = version.split(|character: char| !character.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
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
        assert_refused(
            "[storage]\nsizes = 1",
            "unknown field `sizes`, expected one of `type`, `size`, `growth_limit`, `iops`",
        );
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
        assert_refused(
            "parameter_group = \"mine\"\n[parameters]\nlog_statement = \"ddl\"",
            "parameter_group and [parameters] exclude",
        );
        assert_refused("[performance_insights]\nmode = \"advanced\"", "needs enabled = true and days = 465");
        assert_refused("[master]\npassword = \"given\"\nsecret_kms_key = \"k\"", "needs master.password = \"managed\"");
        assert_refused("[storage]\nsize = 100", "storage.growth_limit must be at least a tenth above storage.size");
        for size in (20..=59_578).step_by(7) {
            let least = (size * 11 + 9) / 10;
            Declaration::parse(&format!("[storage]\nsize = {size}\ngrowth_limit = {least}")).expect("a tenth more");
        }
        assert_refused("[tags]\n\"provision:restored-from\" = \"x\"", "is the one of `provision instance restore`");
        assert_refused("[monitoring]\ninterval = 60", "needs monitoring.role");
        assert_refused("[encryption]\nenabled = false\nkms_key = \"k\"", "needs encryption.enabled");
    }

    #[test]
    fn what_rds_would_refuse_later_is_refused_in_the_declaration() {
        for (text, expected) in [
            ("[backups]\nwindow = \"03:00-03:20\"", "shorter than 30 minutes"),
            ("maintenance_window = \"sun:03:30-sun:05:00\"", "overlap"),
            ("[storage]\ntype = \"io1\"", "storage.size must be at least 100 GiB for io1"),
            ("[storage]\ntype = \"io2\"\nsize = 100\ngrowth_limit = 0", "needs storage.iops"),
            ("[storage]\ntype = \"io1\"\nsize = 100\ngrowth_limit = 0\niops = 9000", "from 0.5 to 50 for each GiB"),
            ("[storage]\niops = 4000", "are fixed; leave them out, or declare 400 GiB or more"),
            ("[storage]\nsize = 400\ngrowth_limit = 0\niops = 3000", "from 12000 to 64000"),
            ("[storage]\nsize = 400\ngrowth_limit = 0\nthroughput = 4000", "at most a quarter of storage.iops, 12000"),
            ("[storage]\ntype = \"gp2\"\nthroughput = 500", "storage.throughput needs storage.type = \"gp3\""),
            ("[storage]\ndedicated_log_volume = true", "needs storage.type = \"io1\" or \"io2\""),
            ("[tags]\n\"aws:owner\" = \"x\"", "which AWS keeps for itself"),
            ("[tags]\nowner = \"a;b\"", "other than letters, digits, spaces"),
            ("[domain]\ndirectory = \"d-1\"", "needs domain.iam_role"),
            ("[domain]\nfqdn = \"a.example\"", "needs domain.fqdn, domain.ou and domain.auth_secret_arn"),
            ("engine_version = \"017\"", "is not a version of PostgreSQL"),
            ("engine_version = \"+17\"", "is not a version of PostgreSQL"),
            ("engine_version = \"17.04\"", "is not a version of PostgreSQL"),
            ("engine_version = \"17.4.1\"", "is not a version of PostgreSQL"),
            ("engine_version = \"17.\"", "is not a version of PostgreSQL"),
            ("parameter_group = \"\"", "line 1: an empty text is no value; leave the key out"),
            ("availability_zone = \" \"", "begins or ends with white space"),
            ("[master]\nsecret_kms_key = \"\"", "line 2: an empty text is no value"),
            ("[network]\nvpc = \"\"", "an empty text"),
            ("[network]\nsubnet_group = \"\"", "an empty text"),
            ("[network]\nsecurity_group = \"\"", "an empty text"),
            ("[network]\nsecurity_groups = [\"sg-1\", \"\"]", "an empty text"),
            ("[encryption]\nkms_key = \"\"", "an empty text"),
            ("[performance_insights]\nkms_key = \"\"", "an empty text"),
            ("[monitoring]\nrole = \"\"", "an empty text"),
            ("[domain]\ndirectory = \"\"\niam_role = \"r\"", "an empty text"),
            ("[domain]\ndirectory = \"d-1\"\niam_role = \"\"", "an empty text"),
            ("[master]\nuser = \"admin\"", "\"admin\" is reserved by PostgreSQL or RDS; choose another name"),
            ("[master]\nuser = \"RDSAdmin\"", "is reserved"),
            ("[master]\nuser = \"rds_superuser\"", "is reserved"),
            ("[master]\nuser = \"pg_monitor\"", "is reserved"),
            ("[master]\nuser = \"user\"", "is reserved"),
            ("[master]\nuser = \"Public\"", "is reserved"),
            ("database = \"template1\"", "is reserved"),
            ("database = \"rdsadmin\"", "is reserved"),
            ("database = \"default\"", "is reserved"),
            ("logs = [\"error\"]", "is not postgresql, upgrade or iam-db-auth-error"),
            ("[network]\nsecurity_groups = 1", "expected a text or a list of texts"),
            ("[parameters]\nx = 2020-01-01", "x is not a text, a number, a boolean or a list"),
        ] {
            assert_refused(text, expected);
        }
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        let read = |text: &str| Declaration::parse(text).expect("the declaration is valid");
        assert_eq!(
            read("maintenance_window = \"Mon:03:00-Mon:04:00\"\n[backups]\nwindow = \"05:00-06:00\"")
                .maintenance_window,
            "mon:03:00-mon:04:00"
        );
        assert_eq!(read("[network]\nsecurity_group = \"sg-1\"").network.security_groups, ["sg-1"]);
        assert_eq!(read("[network]\nsecurity_groups = [\"sg-1\", \"sg-2\"]").network.security_groups, ["sg-1", "sg-2"]);
        assert_eq!(read("[network]\nsubnet_group = \"Private\"").network.subnet_group.as_deref(), Some("private"));
        for version in ["13", "17.4", "13.22-rds.20250814", "17.4-R1"] {
            assert_eq!(read(&format!("engine_version = {version:?}")).engine_version, version);
        }
        assert_eq!(read("logs = [\"upgrade\", \"postgresql\", \"upgrade\"]").logs, ["upgrade", "postgresql"]);
        assert_eq!(read("[network]\nsecurity_groups = [\"sg-1\", \"sg-1\"]").network.security_groups, ["sg-1"]);
        assert_eq!(read("parameter_group = \"Mine\"").parameter_group.as_deref(), Some("mine"));
        assert_eq!(read("database = \"postgres\"").database, "postgres");
        assert_eq!(read("[monitoring]\nrole = \"arn\"").monitoring.interval, 0);
        assert_eq!(read("").tags, None);
        assert_eq!(read("[tags]").tags, Some(BTreeMap::new()));
    }

    #[test]
    fn a_parameter_is_a_text_a_number_a_boolean_or_a_list_and_tls_stays_forced() {
        let text = "[parameters]\nmax_connections = 200\nlog_connections = true\nrandom_page_cost = 1.1\n\
                    shared_preload_libraries = [\"pg_stat_statements\", \"auto_explain\"]\nrds.log_retention_period = 60";
        let parameters = Declaration::parse(text).expect("the declaration is valid").parameters;
        let expected = [
            ("log_connections", "1"),
            ("max_connections", "200"),
            ("random_page_cost", "1.1"),
            ("rds.force_ssl", "1"),
            ("rds.log_retention_period", "60"),
            ("shared_preload_libraries", "pg_stat_statements,auto_explain"),
        ];
        assert_eq!(parameters, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let without = Declaration::parse("[parameters]\nrds.force_ssl = 0").expect("the declaration is valid");
        assert_eq!(without.parameters["rds.force_ssl"], "0");
    }
}
