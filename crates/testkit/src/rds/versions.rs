//! The versions of PostgreSQL that RDS has.

use super::answer::{Refusal, Xml};
use super::request::Request;

/// Each major version with a few of its minor ones, the newest last, and its days: release, end of standard support, end
/// of Extended Support.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html>
const MAJORS: &[(&str, &[&str], [&str; 3])] = &[
    ("13", &["13.20", "13.21", "13.22", "13.22-rds.20250814"], ["2021-02-24", "2026-02-28", "2029-02-28"]),
    ("14", &["14.17", "14.18", "14.19", "14.20"], ["2022-02-03", "2027-02-28", "2030-02-28"]),
    ("15", &["15.12", "15.13", "15.14", "15.15"], ["2023-02-27", "2028-02-29", "2031-02-28"]),
    ("16", &["16.4", "16.8", "16.9", "16.10", "16.11"], ["2024-02-15", "2029-02-28", "2032-02-29"]),
    ("17", &["17.4", "17.5", "17.6", "17.7"], ["2025-02-20", "2030-02-28", "2033-02-28"]),
    ("18", &["18.1"], ["2025-11-14", "2031-02-28", "2034-02-28"]),
];

/// The major version of a version.
pub(super) fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

/// The parameter group family of a version.
pub(super) fn family(version: &str) -> String {
    format!("postgres{}", major(version))
}

/// The newest minor version of a major one.
pub fn newest(major: &str) -> Option<&'static str> {
    minors(major).last().copied()
}

fn minors(major: &str) -> &'static [&'static str] {
    MAJORS.iter().find(|(name, ..)| *name == major).map(|(_, minors, _)| *minors).unwrap_or_default()
}

/// The whole version: RDS takes the newest minor version where only the major one is named.
pub(super) fn resolve(version: &str) -> Result<String, Refusal> {
    if let Some(newest) = newest(version) {
        return Ok(newest.to_owned());
    }
    let known = minors(major(version)).iter().find(|known| **known == version);
    known
        .map(ToString::to_string)
        .ok_or_else(|| Refusal::combination(format!("Cannot find version {version} for postgres")))
}

/// All versions in their order.
fn all() -> impl Iterator<Item = &'static str> {
    MAJORS.iter().flat_map(|(_, minors, _)| minors.iter().copied())
}

/// Whether this is an upgrade.
pub(super) fn is_newer(version: &str, current: &str) -> bool {
    let position = |wanted: &str| all().position(|version| version == wanted);
    position(version) > position(current)
}

pub(super) fn describe_versions(request: &Request) -> Xml {
    let wanted = request.get("EngineVersion");
    let family_wanted = request.get("DBParameterGroupFamily");
    let mut found: Vec<&str> = all()
        .filter(|version| wanted.is_none_or(|wanted| *version == wanted || major(version) == wanted))
        .filter(|version| family_wanted.is_none_or(|wanted| family(version) == wanted))
        .collect();
    if request.is_on("DefaultOnly") {
        found = found.last().copied().into_iter().collect();
    }
    let version = |version: &str| {
        let target = |target: &str| {
            Xml::default()
                .text("Engine", "postgres")
                .text("EngineVersion", target)
                .text("AutoUpgrade", major(target) == major(version) && newest(major(target)) == Some(target))
                .text("IsMajorVersionUpgrade", major(target) != major(version))
        };
        let targets = all().filter(|target| is_newer(target, version)).map(target);
        Xml::default()
            .text("Engine", "postgres")
            .text("MajorEngineVersion", major(version))
            .text("EngineVersion", version)
            .text("DBParameterGroupFamily", family(version))
            .text("Status", "available")
            .list("ValidUpgradeTarget", "UpgradeTarget", targets)
    };
    Xml::default().list("DBEngineVersions", "DBEngineVersion", found.into_iter().map(version))
}

pub(super) fn describe_majors(request: &Request) -> Xml {
    let wanted = request.get("MajorEngineVersion");
    let found = MAJORS.iter().filter(|(major, ..)| wanted.is_none_or(|wanted| *major == wanted));
    let major = |(major, _, [release, standard, extended]): &(&str, &[&str], [&str; 3])| {
        let lifecycle = |name: &str, start: &str, end: &str| {
            Xml::default()
                .text("LifecycleSupportName", name)
                .text("LifecycleSupportStartDate", format!("{start}T00:00:00Z"))
                .text("LifecycleSupportEndDate", format!("{end}T23:59:59Z"))
        };
        let lifecycles = [
            lifecycle("open-source-rds-standard-support", release, standard),
            lifecycle("open-source-rds-extended-support", standard, extended),
        ];
        Xml::default().text("Engine", "postgres").text("MajorEngineVersion", major).list(
            "SupportedEngineLifecycles",
            "SupportedEngineLifecycle",
            lifecycles,
        )
    };
    Xml::default().list("DBMajorEngineVersions", "DBMajorEngineVersion", found.map(major))
}
