//! The automated backups.

use super::{ATTRIBUTE, Attribute, Timing};

pub(super) const ROWS: &[Attribute] = &[
    Attribute {
        key: "backups.days",
        declared: |w, _| Some(w.declaration.backups.days.to_string()),
        current: |i| i.backup_retention_period.map(|days| days.to_string()),
        timing: |w, i| {
            let turns = (i.backup_retention_period == Some(0)) != (w.declaration.backups.days == 0);
            if turns { Timing::Interruption } else { Timing::Always }
        },
        note: |w, i| {
            let turns = (i.backup_retention_period == Some(0)) != (w.declaration.backups.days == 0);
            turns.then_some("suspends I/O for seconds to minutes".into())
        },
        create: |r, w| r.backup_retention_period(w.declaration.backups.days),
        modify: |r, w, _| r.backup_retention_period(w.declaration.backups.days),
    },
    Attribute {
        key: "backups.window",
        declared: |w, _| Some(w.declaration.backups.window.clone()),
        current: |i| i.preferred_backup_window.clone(),
        create: |r, w| r.preferred_backup_window(&w.declaration.backups.window),
        modify: |r, w, _| r.preferred_backup_window(&w.declaration.backups.window),
        ..ATTRIBUTE
    },
    Attribute {
        key: "backups.copy_tags",
        declared: |w, _| Some(w.declaration.backups.copy_tags.to_string()),
        current: |i| i.copy_tags_to_snapshot.map(|value| value.to_string()),
        create: |r, w| r.copy_tags_to_snapshot(w.declaration.backups.copy_tags),
        modify: |r, w, _| r.copy_tags_to_snapshot(w.declaration.backups.copy_tags),
        ..ATTRIBUTE
    },
];
