//! The steps that change a DB instance which exists.

use std::borrow::Cow;

use anyhow::bail;

use super::{Action, Step, Subject, When, Wish};
use crate::aws::rds::{self, Attribute, DbInstance, Difference, PendingChange, Timing, Wanted, attributes};
use crate::declaration::major_version;
use crate::error::Problem;

/// Pending values of these are no queue: RDS is setting them now.
const IN_PROGRESS: [&str; 2] = ["master.password", "log exports"];

/// How the instance differs from what is wanted: the steps and the notes.
pub(super) fn compare(wanted: &Wanted, instance: &DbInstance, wish: &Wish) -> anyhow::Result<(Vec<Step>, Vec<String>)> {
    let differences: Vec<(&'static Attribute, Difference)> =
        attributes().filter_map(|attribute| Some((attribute, attribute.difference(wanted, instance)?))).collect();
    let undeclared: Vec<(Option<&'static Attribute>, PendingChange)> = rds::pending_changes(instance)
        .into_iter()
        .filter(|change| !IN_PROGRESS.contains(&change.attribute))
        .filter(|change| !differences.iter().any(|(attribute, _)| attribute.key == change.attribute))
        .map(|change| (attributes().find(|attribute| attribute.key == change.attribute), change))
        // What was queued and withdrawn may be reported until RDS has dealt with it.
        .filter(|(attribute, change)| {
            attribute.and_then(|attribute| (attribute.current)(instance)).as_ref() != Some(&change.to)
        })
        .collect();
    // What is withdrawn goes in the request that would set it off.
    let may_be_queued = |(attribute, difference): &&(&'static Attribute, Difference)| match &difference.pending {
        Some(_) => difference.current != difference.declared,
        None => rds::is_queued_unseen(attribute),
    };
    let declared = differences.iter().filter(may_be_queued).map(|(attribute, _)| attribute.key);
    let comparison = Comparison {
        wanted,
        instance,
        wish,
        queue: declared.chain(undeclared.iter().map(|(_, change)| change.attribute)).collect(),
        raises_full_storage: raises_full_storage(&differences, wanted, instance),
    };
    comparison.ensure_upgrade_is_wanted(&differences)?;
    let mut steps: Vec<Step> =
        differences.iter().map(|(attribute, difference)| comparison.step(attribute, difference)).collect();
    let is_held = |step: &Step| step.attribute.as_deref() == Some("engine_version") && step.when == When::Queued;
    if steps.iter().any(is_held) {
        // It would take the place of the group that is queued with the version.
        steps.retain(|step| step.attribute.as_deref() != Some("parameter_group"));
    }
    steps.extend(undeclared.into_iter().map(|(attribute, change)| comparison.undeclared_step(attribute, change)));
    let group = instance.db_parameter_groups().first();
    let needs_reboot = group.and_then(|group| group.parameter_apply_status()) == Some("pending-reboot");
    if needs_reboot && !steps.iter().any(|step| step.when == When::Reboot) {
        steps.push(Step::reboot());
    }
    Ok((steps, notes(wanted, instance)))
}

/// Whether a full storage is raised. RDS accepts nothing else then, and only ApplyImmediately makes it at once, which carries
/// out all that is queued.
fn raises_full_storage(
    differences: &[(&'static Attribute, Difference)],
    wanted: &Wanted,
    instance: &DbInstance,
) -> bool {
    let is_raise = |attribute: &Attribute| {
        attribute.key == "storage.size" && (attribute.timing)(wanted, instance) != Timing::Never
    };
    rds::status(instance) == rds::STORAGE_FULL && differences.iter().any(|(attribute, _)| is_raise(attribute))
}

/// What all steps are made from.
struct Comparison<'a> {
    wanted: &'a Wanted,
    instance: &'a DbInstance,
    wish: &'a Wish,
    /// What RDS makes with a request that says ApplyImmediately, unless the request takes it back.
    queue: Vec<&'static str>,
    raises_full_storage: bool,
}

impl Comparison<'_> {
    /// Refuses to carry out a queued major upgrade with other changes: only its own command makes one.
    fn ensure_upgrade_is_wanted(&self, differences: &[(&'static Attribute, Difference)]) -> anyhow::Result<()> {
        if self.wish.major_upgrade.is_some() || !(self.wish.now || self.raises_full_storage) {
            return Ok(());
        }
        let of_version = differences.iter().find(|(attribute, _)| attribute.key == "engine_version");
        let Some((Difference { current, declared, .. }, queued)) =
            of_version.and_then(|(_, difference)| Some((difference, difference.pending.as_ref()?)))
        else {
            return Ok(());
        };
        let identifier = &self.wanted.declaration.identifier;
        let is_major = major_version(queued) != major_version(current);
        let stays = major_version(declared) == major_version(current);
        let upgrade = "run `provision instance upgrade --now`, which makes all of it at once";
        let remedy = match (self.raises_full_storage, is_major, stays) {
            // RDS takes nothing back while the storage is full.
            (true, true, true) => {
                format!("set engine_version = \"{}\" in the declaration, and {upgrade}", major_version(queued))
            }
            (true, true, false) => upgrade.to_owned(),
            // The request takes it back.
            (false, _, true) | (true, false, _) => return Ok(()),
            (false, ..) => format!("{upgrade}, or leave out --now"),
        };
        let what = if self.wish.now { "--now" } else { "the raise of its storage" };
        bail!(Problem::new(
            format!("the upgrade of {identifier} from {current} to {queued} is queued, and {what} would carry it out"),
            remedy
        ));
    }

    /// The option or the command that makes all of the queue at once.
    fn makes_queue(&self) -> &'static str {
        let current = self.instance.engine_version().map(major_version);
        // Where the version that runs is declared, the request withdraws the upgrade.
        if rds::is_major_upgrade_queued(self.instance) && Some(self.wanted.declaration.major_version()) > current {
            "`provision instance upgrade --now`"
        } else {
            "--now"
        }
    }

    fn step(&self, attribute: &'static Attribute, difference: &Difference) -> Step {
        let &Self { wanted, instance, wish, raises_full_storage, .. } = self;
        let timing = (attribute.timing)(wanted, instance);
        let Difference { current, pending, declared } = difference;
        let is_withdrawn = pending.is_some() && current == declared;
        let is_storage = attribute.is_of_storage();
        if let Some(pending) = pending.as_ref().filter(|_| raises_full_storage && !is_storage) {
            let note = "it is queued, and made with the raise of storage";
            return Step {
                from: Some(current.clone()),
                to: Some(pending.clone()),
                when: carried_out(Some(timing)),
                note: Some(if pending == declared { note.to_owned() } else { format!("not declared; {note}") }),
                ..Step::of_instance(attribute.key, Action::CarryOut)
            };
        }
        // A new value takes the place of the one that is queued, and the raise of a full storage waits for nothing.
        let queue: Vec<&str> =
            self.queue.iter().copied().filter(|key| *key != attribute.key && !raises_full_storage).collect();
        let now = wish.now || (raises_full_storage && is_storage);
        if is_withdrawn && !now && !queue.is_empty() {
            // RDS takes a change back only in a request that makes all others:
            // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.ApplyImmediately.html
            let (command, others) = (self.makes_queue(), queue.join(" and "));
            return Step {
                from: Some(current.clone()),
                to: pending.clone(),
                when: When::Queued,
                note: Some(format!("not declared; {command} withdraws it and makes {others} at once")),
                ..Step::of_instance(attribute.key, Action::None)
            };
        }
        let when = if is_withdrawn {
            When::AtOnce
        } else if difference.is_queued() && !now {
            When::Queued
        } else {
            when(timing, now, &queue)
        };
        let note = if is_withdrawn {
            Some("withdraws what is queued".to_owned())
        } else if when == When::MaintenanceWindow && timing == Timing::OnRequest {
            Some(format!("because {} is queued; {} makes all of it at once", queue.join(" and "), self.makes_queue()))
        } else if attribute.key == "engine_version" && wanted.major_upgrade.is_some() && timing == Timing::Interruption
        {
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
            from: Some(from.map_or_else(|| current.clone(), |pending| format!("{current} ({pending} is queued)"))),
            to: Some(declared.clone()),
            when,
            note,
            ..Step::of_instance(attribute.key, action)
        }
    }

    /// A change that is queued and cannot be compared with the declaration.
    fn undeclared_step(&self, attribute: Option<&'static Attribute>, change: PendingChange) -> Step {
        let &Self { wanted, instance, .. } = self;
        let current = attribute.and_then(|attribute| (attribute.current)(instance));
        let is_made = self.wish.now || self.raises_full_storage;
        let timing = attribute.map(|attribute| (attribute.timing)(wanted, instance));
        Step {
            from: Some(current.unwrap_or_else(|| "as it is".to_owned())),
            to: Some(change.to),
            when: if is_made { carried_out(timing) } else { When::Queued },
            ..Step::of_instance(change.attribute, if is_made { Action::CarryOut } else { Action::None })
        }
    }
}

impl Step {
    fn of_instance(key: &str, action: Action) -> Self {
        Self {
            subject: Subject::Instance,
            attribute: Some(key.to_owned()),
            from: None,
            to: None,
            when: When::AtOnce,
            note: None,
            action,
        }
    }
}

/// When RDS makes what is queued, once it is asked to.
fn carried_out(timing: Option<Timing>) -> When {
    match timing {
        Some(Timing::Always | Timing::OnRequest | Timing::Window) => When::AtOnce,
        _ => When::AtOnceInterrupts,
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
        wanted.keeps_extended_support.then(|| {
            let major = major_version(version);
            format!("extended_support stays on until a newer version runs: the standard support of PostgreSQL {major} is over")
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}
