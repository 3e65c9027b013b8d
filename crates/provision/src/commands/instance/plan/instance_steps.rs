//! The steps that change a DB instance which exists.

use std::borrow::Cow;

use super::{Action, Step, Subject, When, Wish};
use crate::aws::rds::{self, Attribute, DbInstance, Difference, PendingChange, Timing, Wanted, attributes};

/// Pending values of these are no queue: RDS is setting them now.
use crate::declaration::major_version;
use crate::error::Problem;
const IN_PROGRESS: [&str; 2] = ["master.password", "log exports"];

/// How the instance differs from what is wanted: the steps and the notes.
pub(super) fn compare(wanted: &Wanted, instance: &DbInstance, wish: &Wish) -> (Vec<Step>, Vec<String>) {
    let differences: Vec<(&'static Attribute, Difference)> =
        attributes().filter_map(|attribute| Some((attribute, attribute.difference(wanted, instance)?))).collect();
    let undeclared: Vec<(Option<String>, PendingChange)> = rds::pending_changes(instance)
        .into_iter()
        .filter(|change| !IN_PROGRESS.contains(&change.attribute))
        .filter(|change| !differences.iter().any(|(attribute, _)| attribute.key == change.attribute))
        .map(|change| {
            let attribute = attributes().find(|attribute| attribute.key == change.attribute);
            (attribute.and_then(|attribute| (attribute.current)(instance)), change)
        })
        // What was queued and withdrawn may be reported until RDS has dealt with it.
        .filter(|(current, change)| current.as_ref() != Some(&change.to))
        .collect();
    // What is withdrawn goes in the request that would set it off.
    let may_be_queued = |(attribute, difference): &&(&'static Attribute, Difference)| match &difference.pending {
        Some(_) => difference.current != difference.declared,
        None => rds::is_queued_unseen(attribute),
    };
    let declared = differences.iter().filter(may_be_queued).map(|(attribute, _)| attribute.key);
    let queue: Vec<&str> = declared.chain(undeclared.iter().map(|(_, change)| change.attribute)).collect();

    let mut steps: Vec<Step> = differences
        .iter()
        .map(|(attribute, difference)| step(attribute, difference, wanted, instance, wish, &queue))
        .collect();
    steps.extend(undeclared.into_iter().map(|(current, change)| Step {
        subject: Subject::Instance,
        attribute: Some(change.attribute.to_owned()),
        from: Some(current.unwrap_or_else(|| "as it is".to_owned())),
        to: Some(change.to),
        when: if wish.now { When::AtOnceInterrupts } else { When::Queued },
        note: None,
        action: if wish.now { Action::CarryOut } else { Action::None },
    }));
    let group = instance.db_parameter_groups().first();
    let needs_reboot = group.and_then(|group| group.parameter_apply_status()) == Some("pending-reboot");
    if needs_reboot && !steps.iter().any(|step| step.when == When::Reboot) {
        steps.push(Step::reboot());
    }
    (steps, notes(wanted, instance))
}

fn step(
    attribute: &'static Attribute,
    difference: &Difference,
    wanted: &Wanted,
    instance: &DbInstance,
    wish: &Wish,
    queue: &[&str],
) -> Step {
    let timing = (attribute.timing)(wanted, instance);
    // A new value takes the place of the one that is queued.
    let queue: Vec<&str> = queue.iter().copied().filter(|key| *key != attribute.key).collect();
    let Difference { current, pending, declared } = difference;
    let is_withdrawn = pending.is_some() && current == declared;
    if is_withdrawn && !wish.now && !queue.is_empty() {
        // RDS takes a change back only in a request that makes all others:
        // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.ApplyImmediately.html
        return Step {
            subject: Subject::Instance,
            attribute: Some(attribute.key.to_owned()),
            from: Some(current.clone()),
            to: pending.clone(),
            when: When::Queued,
            note: Some(format!("not declared; --now withdraws it and makes {} at once", queue.join(" and "))),
            action: Action::None,
        };
    }
    let when = if is_withdrawn {
        When::AtOnce
    } else if difference.is_queued() && !wish.now {
        When::Queued
    } else {
        when(timing, wish.now, &queue)
    };
    let blocking = || format!("because {} is queued; --now makes all of it at once", queue.join(" and "));
    let note = if is_withdrawn {
        Some("withdraws what is queued".to_owned())
    } else if when == When::MaintenanceWindow && timing == Timing::OnRequest {
        Some(blocking())
    } else if attribute.key == "engine_version" && wanted.major_upgrade.is_some() && timing == Timing::Interruption {
        Some(format!("with the parameter group {}", wanted.parameter_group))
    } else {
        (attribute.note)(wanted, instance).map(Cow::into_owned).filter(|_| when != When::Queued)
    };
    let from = pending.as_ref().filter(|pending| *pending != declared);
    let action = match when {
        When::Queued | When::MajorUpgrade | When::Replace => Action::None,
        _ if is_withdrawn => Action::Modify(attribute, Timing::OnRequest),
        _ => Action::Modify(attribute, timing),
    };
    Step {
        subject: Subject::Instance,
        attribute: Some(attribute.key.to_owned()),
        from: Some(from.map_or_else(|| current.clone(), |pending| format!("{current} ({pending} is queued)"))),
        to: Some(declared.clone()),
        when,
        note,
        action,
    }
}

fn when(timing: Timing, now: bool, queue: &[&str]) -> When {
    match timing {
        Timing::Always => When::AtOnce,
        Timing::Restart => When::AtOnceInterrupts,
        Timing::OnRequest if now || queue.is_empty() => When::AtOnce,
        Timing::Window if now => When::AtOnce,
        Timing::Interruption if now => When::AtOnceInterrupts,
        Timing::OnRequest | Timing::Window | Timing::Interruption => When::MaintenanceWindow,
        Timing::Reboot => When::Reboot,
        Timing::MajorUpgrade => When::MajorUpgrade,
        Timing::Never => When::Replace,
    }
}

/// What AWS has changed by itself, as the declaration lets it.
fn notes(wanted: &Wanted, instance: &DbInstance) -> Vec<String> {
    let declaration = &wanted.declaration;
    let version = instance.engine_version().unwrap_or_default();
    let is_upgraded = declaration.engine_version.contains('.')
        && version != declaration.engine_version
        && attributes().any(|row| row.key == "engine_version" && row.difference(wanted, instance).is_none());
    let storage = &declaration.storage;
    let size = instance.allocated_storage.unwrap_or(0);
    let has_grown = storage.growth_limit > 0 && size > storage.size;
    [
        is_upgraded
            .then(|| format!("RDS has upgraded engine_version {} to {version} by itself", declaration.engine_version)),
        has_grown
            .then(|| format!("storage.size is {size} GiB, more than {} GiB, as growth_limit lets it", storage.size)),
    ]
    .into_iter()
    .flatten()
    .collect()
}
        wanted.keeps_extended_support.then(|| {
            let major = major_version(version);
            format!("extended_support stays on until a newer version runs: the standard support of PostgreSQL {major} is over")
        }),
