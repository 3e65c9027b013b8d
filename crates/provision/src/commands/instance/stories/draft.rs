//! The declaration of a story, and what the instance has to be by it.

use std::collections::BTreeMap;
use std::fmt::Write;

use testkit::rds::{Account, Instance};

use super::IDENTIFIER;

/// A part of the declaration with its values, of which the first is the default.
#[derive(Debug)]
pub(super) struct Key {
    table: &'static str,
    /// The name of AWS.
    attribute: &'static str,
    pub(super) values: &'static [Value],
}

/// The lines in the file, and what AWS has then.
type Value = (&'static str, &'static str);

const ROLES: [&str; 2] = ["arn:aws:iam::123456789012:role/a", "arn:aws:iam::123456789012:role/b"];

pub(super) const KEYS: &[Key] = &[
    Key {
        table: "",
        attribute: "DBInstanceClass",
        values: &[
            ("class = \"db.t4g.micro\"", "db.t4g.micro"),
            ("class = \"db.t4g.small\"", "db.t4g.small"),
            ("class = \"db.m6g.large\"", "db.m6g.large"),
        ],
    },
    Key { table: "", attribute: "Port", values: &[("port = 5432", "5432"), ("port = 6543", "6543")] },
    Key {
        table: "",
        attribute: "PubliclyAccessible",
        values: &[("publicly_accessible = false", "false"), ("publicly_accessible = true", "true")],
    },
    Key { table: "", attribute: "MultiAZ", values: &[("multi_az = false", "false"), ("multi_az = true", "true")] },
    Key {
        table: "",
        attribute: "DeletionProtection",
        values: &[("deletion_protection = true", "true"), ("deletion_protection = false", "false")],
    },
    Key {
        table: "",
        attribute: "IAMDatabaseAuthenticationEnabled",
        values: &[("iam_authentication = true", "true"), ("iam_authentication = false", "false")],
    },
    Key {
        table: "",
        attribute: "CACertificateIdentifier",
        values: &[
            ("ca = \"rds-ca-rsa2048-g1\"", "rds-ca-rsa2048-g1"),
            ("ca = \"rds-ca-rsa4096-g1\"", "rds-ca-rsa4096-g1"),
            ("ca = \"rds-ca-ecc384-g1\"", "rds-ca-ecc384-g1"),
        ],
    },
    Key {
        table: "",
        attribute: "PreferredMaintenanceWindow",
        values: &[
            ("maintenance_window = \"sun:04:30-sun:05:30\"", "sun:04:30-sun:05:30"),
            ("maintenance_window = \"mon:01:00-mon:02:00\"", "mon:01:00-mon:02:00"),
        ],
    },
    Key {
        table: "",
        attribute: "AutoMinorVersionUpgrade",
        values: &[("auto_minor_version_upgrade = true", "true"), ("auto_minor_version_upgrade = false", "false")],
    },
    Key {
        table: "",
        attribute: "EngineLifecycleSupport",
        values: &[
            ("extended_support = false", "open-source-rds-extended-support-disabled"),
            ("extended_support = true", "open-source-rds-extended-support"),
        ],
    },
    Key {
        table: "backups",
        attribute: "CopyTagsToSnapshot",
        values: &[("copy_tags = true", "true"), ("copy_tags = false", "false")],
    },
    Key {
        table: "backups",
        attribute: "BackupRetentionPeriod",
        values: &[("days = 7", "7"), ("days = 0", "0"), ("days = 1", "1"), ("days = 14", "14")],
    },
    Key {
        table: "backups",
        attribute: "PreferredBackupWindow",
        values: &[("window = \"03:00-04:00\"", "03:00-04:00"), ("window = \"05:30-06:30\"", "05:30-06:30")],
    },
    Key {
        table: "performance_insights",
        attribute: "PerformanceInsightsRetentionPeriod",
        values: &[("days = 7", "7"), ("days = 31", "31"), ("enabled = false", ""), ("enabled = false\ndays = 31", "")],
    },
    Key {
        table: "monitoring",
        attribute: "MonitoringRoleArn",
        values: &[
            ("", ""),
            ("interval = 60\nrole = \"arn:aws:iam::123456789012:role/a\"", ROLES[0]),
            ("interval = 5\nrole = \"arn:aws:iam::123456789012:role/b\"", ROLES[1]),
            ("interval = 0\nrole = \"arn:aws:iam::123456789012:role/a\"", ""),
        ],
    },
    Key { table: "storage", attribute: "StorageType", values: &[("type = \"gp3\"", "gp3"), ("type = \"gp2\"", "gp2")] },
];

/// The parameters that a story declares, with the default of AWS or of this program.
pub(super) const PARAMETERS: &[(&str, &[&str])] = &[
    ("rds.force_ssl", &["1", "0"]),
    ("log_statement", &["none", "ddl", "all"]),
    ("max_connections", &["LEAST({DBInstanceClassMemory/9531392},5000)", "100", "200"]),
];

/// The versions of the engine, the oldest first.
pub(super) const VERSIONS: &[&str] = &["17.4", "17.5", "17.6", "17.7"];

/// A change of the declaration.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// The index of the key, and its value if there is one.
    Key(usize, Option<Value>),
    Parameter(&'static str, Option<&'static str>),
    /// So many tenths more storage than there is.
    Storage {
        tenths: u8,
        grows: bool,
    },
    /// A version, or every one of the major version.
    Version(Option<&'static str>),
    Tags(BTreeMap<String, String>),
}

/// The declaration as it is now.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The value of each key, by its index.
    keys: BTreeMap<usize, Value>,
    parameters: BTreeMap<&'static str, &'static str>,
    size: i64,
    grows: Option<bool>,
    version: Option<&'static str>,
    tags: Option<BTreeMap<String, String>>,
}

impl Draft {
    pub(super) fn change(&mut self, change: &Change, instance: &Instance) {
        match change {
            Change::Key(key, Some(value)) => drop(self.keys.insert(*key, *value)),
            Change::Key(key, None) => drop(self.keys.remove(key)),
            Change::Parameter(name, Some(value)) => drop(self.parameters.insert(name, value)),
            Change::Parameter(name, None) => drop(self.parameters.remove(name)),
            Change::Storage { tenths, grows } => {
                let size = storage(instance).max(self.size);
                self.size = size + (size * i64::from(*tenths) + 9) / 10;
                self.grows = Some(*grows);
            }
            Change::Version(version) => self.version = *version,
            Change::Tags(tags) => self.tags = Some(tags.clone()),
        }
    }

    /// Takes back what cannot be had any more, where that is no matter of the program under test: an operator who turned
    /// growth off, or declared an older version than somebody has installed meanwhile.
    pub(super) fn respect(&mut self, instance: Option<&Instance>) {
        let Some(instance) = instance else { return };
        if self.grows == Some(false) {
            self.size = self.size.max(storage(instance));
        }
        let position = |wanted: &str| VERSIONS.iter().position(|version| *version == wanted);
        let current = instance.pending.get("EngineVersion").map_or(instance.get("EngineVersion"), String::as_str);
        if !self.upgrades_itself() && self.version.and_then(position) < position(current) {
            self.version = None;
        }
    }

    /// Whether RDS may install minor versions by itself: then a newer one is as declared.
    fn upgrades_itself(&self) -> bool {
        !self.keys.values().any(|(lines, _)| *lines == "auto_minor_version_upgrade = false")
    }

    /// Whether another person has queued what is not declared. Without `--now`, an apply leaves that alone if something
    /// declared waits as well: RDS takes a change back only in a request that makes all others.
    pub(super) fn lacks_what_waits(&self, instance: &Instance) -> bool {
        let declared = |index: usize, key: &Key| self.keys.get(&index).unwrap_or(&key.values[0]).1;
        let mut keys = KEYS.iter().enumerate();
        keys.any(|(index, key)| instance.pending.get(key.attribute).is_some_and(|waits| waits != declared(index, key)))
    }

    pub(super) fn toml(&self) -> String {
        let mut tables: BTreeMap<&str, String> = BTreeMap::new();
        for (key, (lines, _)) in &self.keys {
            let _ = writeln!(tables.entry(KEYS[*key].table).or_default(), "{lines}");
        }
        for (name, value) in &self.parameters {
            let _ = writeln!(tables.entry("parameters").or_default(), "{name:?} = {value:?}");
        }
        if let Some(grows) = self.grows {
            let limit = if grows { self.size * 3 } else { 0 };
            let _ = writeln!(tables.entry("storage").or_default(), "size = {}\ngrowth_limit = {limit}", self.size);
        }
        if let Some(tags) = &self.tags {
            let table = tables.entry("tags").or_default();
            for (key, value) in tags {
                let _ = writeln!(table, "{key:?} = {value:?}");
            }
        }
        let version = self.version.map(|version| format!("engine_version = {version:?}\n")).unwrap_or_default();
        let mut toml = format!("identifier = {IDENTIFIER:?}\n{version}{}", tables.remove("").unwrap_or_default());
        for (table, lines) in &tables {
            let _ = writeln!(toml, "[{table}]\n{lines}");
        }
        toml
    }

    /// Whether the instance is as declared.
    pub(super) fn compare(&self, account: &Account) -> Result<(), String> {
        let instance = &account.instances[IDENTIFIER];
        let mut faults = Vec::new();
        let mut expect = |name: &str, found: String, expected: String| {
            if found != expected {
                faults.push(format!("{name} is {found:?}, not {expected:?}"));
            }
        };
        for (index, Key { attribute, values, .. }) in KEYS.iter().enumerate() {
            let (_, value) = self.keys.get(&index).unwrap_or(&values[0]);
            expect(attribute, instance.get(attribute).to_owned(), (*value).to_owned());
        }
        let group = account.parameter_groups.get(&instance.parameter_group).map(|group| group.set.clone());
        for (name, values) in PARAMETERS {
            let declared = self.parameters.get(name).copied().unwrap_or(values[0]);
            let found = group.as_ref().and_then(|set| set.get(*name)).map_or(values[0], String::as_str);
            expect(name, found.to_owned(), declared.to_owned());
        }
        if let Some(version) = self.version {
            let position = |wanted: &str| VERSIONS.iter().position(|version| *version == wanted);
            let found = instance.get("EngineVersion");
            let is_newer = self.upgrades_itself() && position(found) > position(version);
            expect("EngineVersion", found.to_owned(), if is_newer { found } else { version }.to_owned());
        }
        if let Some(tags) = &self.tags {
            expect("the tags", format!("{:?}", instance.tags), format!("{tags:?}"));
        }
        expect("the family of the group", group.is_some().to_string(), true.to_string());
        expect("what waits", format!("{:?}", instance.pending), "{}".to_owned());
        if let Some(grows) = self.grows {
            let limit = if grows { (self.size * 3).to_string() } else { String::new() };
            expect("MaxAllocatedStorage", instance.get("MaxAllocatedStorage").to_owned(), limit);
        }
        expect("enough storage", (storage(instance) >= self.size).to_string(), true.to_string());
        let group = account.security_groups.iter().find(|group| group.name == IDENTIFIER);
        let is_attached = group.is_some_and(|group| instance.security_groups.contains(&group.id));
        expect("the own security group is attached", is_attached.to_string(), true.to_string());
        if faults.is_empty() { Ok(()) } else { Err(format!("{}, by\n{}", faults.join("; "), self.toml())) }
    }
}

/// The storage in GiB, that which waits included.
fn storage(instance: &Instance) -> i64 {
    let size = |values: &BTreeMap<String, String>| values.get("AllocatedStorage").and_then(|size| size.parse().ok());
    size(&instance.pending).max(size(&instance.values)).unwrap_or(20)
}
