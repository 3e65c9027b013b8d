//! The server: its version, class, database and port, and the parameter group.

use aws_sdk_rds::types::DbInstance;

use super::{ATTRIBUTE, Attribute, Timing, Wanted, pending};
use crate::declaration::major_version;

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/extended-support.html>
pub(in super::super) const EXTENDED_SUPPORT: &str = "open-source-rds-extended-support";
const NO_EXTENDED_SUPPORT: &str = "open-source-rds-extended-support-disabled";

pub(super) const ROWS: &[Attribute] = &[
    Attribute {
        key: "engine_version",
        declared: |w, i| Some(version(w, i)),
        current: |i| i.engine_version.clone(),
        timing: upgrade,
        note: |w, i| (upgrade(w, i) == Timing::Never).then_some("RDS cannot go back to an older version".into()),
        create: |r, w| r.engine_version(&w.declaration.engine_version),
        modify: |r, w, i| {
            let request = r.engine_version(version(w, Some(i)));
            if is_major_upgrade(w, i) {
                request.allow_major_version_upgrade(true).db_parameter_group_name(&w.parameter_group)
            } else if is_major_upgrade_queued(i) {
                // The group that was queued with the upgrade is taken back with it.
                request.set_db_parameter_group_name(attached_parameter_group(i))
            } else {
                request
            }
        },
    },
    Attribute {
        key: "auto_minor_version_upgrade",
        declared: |w, _| Some(w.declaration.auto_minor_version_upgrade.to_string()),
        current: |i| i.auto_minor_version_upgrade.map(|value| value.to_string()),
        create: |r, w| r.auto_minor_version_upgrade(w.declaration.auto_minor_version_upgrade),
        modify: |r, w, _| r.auto_minor_version_upgrade(w.declaration.auto_minor_version_upgrade),
        ..ATTRIBUTE
    },
    Attribute {
        key: "extended_support",
        declared: |w, i| {
            let stays = i.is_some() && w.keeps_extended_support;
            Some((w.declaration.extended_support || stays).to_string())
        },
        current: |i| i.engine_lifecycle_support.as_ref().map(|support| (support == EXTENDED_SUPPORT).to_string()),
        note: |w, _| {
            let note = "when standard support ends, RDS upgrades the major version by itself";
            (!w.declaration.extended_support).then_some(note.into())
        },
        create: |r, w| r.engine_lifecycle_support(lifecycle(w)),
        modify: |r, w, _| r.engine_lifecycle_support(lifecycle(w)),
        ..ATTRIBUTE
    },
    Attribute {
        key: "class",
        declared: |w, _| Some(w.declaration.class.clone()),
        current: |i| i.db_instance_class.clone(),
        timing: |_, _| Timing::Interruption,
        create: |r, w| r.db_instance_class(&w.declaration.class),
        modify: |r, w, _| r.db_instance_class(&w.declaration.class),
        ..ATTRIBUTE
    },
    Attribute {
        key: "database",
        declared: |w, _| Some(w.declaration.database.clone()),
        current: |i| i.db_name.clone(),
        timing: |_, _| Timing::Never,
        create: |r, w| r.db_name(&w.declaration.database),
        ..ATTRIBUTE
    },
    Attribute {
        key: "port",
        declared: |w, _| Some(w.declaration.port.to_string()),
        current: |i| i.endpoint.as_ref().and_then(|endpoint| endpoint.port).map(|port| port.to_string()),
        timing: |_, _| Timing::Restart,
        note: |_, i| {
            let old = i.endpoint.as_ref().and_then(|endpoint| endpoint.port)?;
            Some(
                format!("every access rule is for {old}; run `provision access allow` for the new port afterwards")
                    .into(),
            )
        },
        create: |r, w| r.port(w.declaration.port),
        modify: |r, w, _| r.db_port_number(w.declaration.port),
    },
    Attribute {
        key: "multi_az",
        declared: |w, _| Some(w.declaration.multi_az.to_string()),
        current: |i| i.multi_az.map(|value| value.to_string()),
        timing: |_, _| Timing::Window,
        create: |r, w| r.multi_az(w.declaration.multi_az),
        modify: |r, w, _| r.multi_az(w.declaration.multi_az),
        ..ATTRIBUTE
    },
    Attribute {
        key: "availability_zone",
        declared: |w, _| w.declaration.availability_zone.clone(),
        current: |i| i.availability_zone.clone(),
        timing: |_, _| Timing::Never,
        create: |r, w| r.set_availability_zone(w.declaration.availability_zone.clone()),
        ..ATTRIBUTE
    },
    Attribute {
        key: "deletion_protection",
        declared: |w, _| Some(w.declaration.deletion_protection.to_string()),
        current: |i| i.deletion_protection.map(|value| value.to_string()),
        create: |r, w| r.deletion_protection(w.declaration.deletion_protection),
        modify: |r, w, _| r.deletion_protection(w.declaration.deletion_protection),
        ..ATTRIBUTE
    },
    Attribute {
        key: "maintenance_window",
        declared: |w, _| Some(w.declaration.maintenance_window.clone()),
        current: |i| i.preferred_maintenance_window.clone(),
        note: |_, i| {
            let note = "if the new window is open now, RDS carries out what is queued";
            i.pending_modified_values.is_some().then_some(note.into())
        },
        create: |r, w| r.preferred_maintenance_window(&w.declaration.maintenance_window),
        modify: |r, w, _| r.preferred_maintenance_window(&w.declaration.maintenance_window),
        ..ATTRIBUTE
    },
    Attribute {
        key: "parameter_group",
        declared: |w, i| {
            // With a major upgrade, the version brings its group along. A group of one's own is then of the new family.
            let is_for_later =
                |i| has_other_major(w, i) || (w.declaration.parameter_group.is_some() && is_major_upgrade(w, i));
            (!i.is_some_and(is_for_later)).then(|| w.parameter_group.clone())
        },
        current: attached_parameter_group,
        timing: |_, _| Timing::Reboot,
        create: |r, w| r.db_parameter_group_name(&w.parameter_group),
        modify: |r, w, _| r.db_parameter_group_name(&w.parameter_group),
        ..ATTRIBUTE
    },
];

fn lifecycle(wanted: &Wanted) -> &'static str {
    if wanted.declaration.extended_support { EXTENDED_SUPPORT } else { NO_EXTENDED_SUPPORT }
}

/// The numbers of a version, such as 13, 22 and 20250814 of "13.22-rds.20250814": in their order, versions are.
pub(crate) fn version_numbers(version: &str) -> Vec<u64> {
    version.split(|character: char| !character.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// The version that should run. "17" stands for every minor version of it: the one that is queued, or else the one that runs,
/// or else the one that the upgrade is to. A version that RDS has upgraded by itself is as it should be.
fn version(wanted: &Wanted, instance: Option<&DbInstance>) -> String {
    let declared = &wanted.declaration.engine_version;
    let queued = instance.and_then(|instance| pending(instance, "engine_version"));
    let running = instance.and_then(|instance| instance.engine_version.clone());
    let is_good = |deployed: &String| {
        let upgrades_itself = wanted.declaration.auto_minor_version_upgrade;
        let (declared, deployed) = (version_numbers(declared), version_numbers(deployed));
        declared.first() == deployed.first() && (declared.len() == 1 || (upgrades_itself && deployed > declared))
    };
    let target = instance.and(wanted.major_upgrade.clone());
    queued.into_iter().chain(running).chain(target).find(is_good).unwrap_or_else(|| declared.clone())
}

fn upgrade(wanted: &Wanted, instance: &DbInstance) -> Timing {
    let (declared, current) =
        (version_numbers(&wanted.declaration.engine_version), version_numbers(instance.engine_version().unwrap_or("")));
    if declared.first() > current.first() {
        if wanted.major_upgrade.is_some() { Timing::Interruption } else { Timing::MajorUpgrade }
    } else if declared.first() < current.first() || (declared.len() > 1 && declared < current) {
        Timing::Never
    } else {
        Timing::Interruption
    }
}

fn is_major_upgrade(wanted: &Wanted, instance: &DbInstance) -> bool {
    let current = major_version(instance.engine_version().unwrap_or_default());
    wanted.declaration.major_version() > current
}

/// Whether RDS has accepted an upgrade to another major version, and not made it yet.
pub(crate) fn is_major_upgrade_queued(instance: &DbInstance) -> bool {
    let current = major_version(instance.engine_version().unwrap_or_default());
    pending(instance, "engine_version").is_some_and(|version| major_version(&version) != current)
}

/// Whether the version that will run after pending and wanted changes has another parameter group than the one that runs.
fn has_other_major(wanted: &Wanted, instance: &DbInstance) -> bool {
    is_major_upgrade(wanted, instance) && (wanted.major_upgrade.is_some() || is_major_upgrade_queued(instance))
}

fn attached_parameter_group(instance: &DbInstance) -> Option<String> {
    instance.db_parameter_groups().first().and_then(|group| group.db_parameter_group_name.clone())
}
