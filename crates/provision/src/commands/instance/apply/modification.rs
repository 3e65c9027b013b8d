//! The requests that change a DB instance.

use super::super::plan::{Action, Plan, Step, When};
use crate::aws::Aws;
use crate::aws::rds::{self, Attribute, DbInstance, TimeLimit, Timing};
use crate::prompt::progress;

/// The changes of one request.
#[derive(Debug, Default)]
struct Modification {
    attributes: Vec<&'static Attribute>,
    /// The request's `ApplyImmediately`, which makes what is queued as well.
    immediately: bool,
}

impl Plan {
    /// Whether it has a step that RDS must accept as a modification of the instance.
    pub(in super::super) fn modifies_instance(&self) -> bool {
        self.changes.iter().any(|step| matches!(step.action, Action::Modify(..) | Action::CarryOut))
    }

    /// The requests that the steps need, in their order.
    ///
    /// `ApplyImmediately` holds for a whole request. What RDS does at once in any case goes without it, so that nothing queued
    /// is carried out with it; what waits for the maintenance window goes in a request of its own.
    fn modifications(&self, status: &str) -> Vec<Modification> {
        let modify = |step: &Step| match step.action {
            Action::Modify(attribute, timing) => Some((attribute, timing, step.when)),
            _ => None,
        };
        let all: Vec<_> = self.changes.iter().filter_map(modify).collect();
        let carries_out = self.changes.iter().any(|step| matches!(step.action, Action::CarryOut));
        let (later, mut soon): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, _, when)| *when == When::MaintenanceWindow);
        // A full storage must be raised before RDS accepts anything else.
        let is_full = status == rds::STORAGE_FULL;
        let first: Vec<_> = soon.extract_if(.., |(attribute, ..)| is_full && attribute.is_of_storage()).collect();
        let is_on_request = |timing| matches!(timing, Timing::OnRequest | Timing::Window | Timing::Interruption);
        let modification = |steps: Vec<(&'static Attribute, Timing, When)>| Modification {
            immediately: steps
                .iter()
                .any(|(_, timing, when)| is_on_request(*timing) && *when != When::MaintenanceWindow),
            attributes: steps.into_iter().map(|(attribute, ..)| attribute).collect(),
        };
        let (first, mut soon, later) = (modification(first), modification(soon), modification(later));
        // The raise of a full storage does so.
        soon.immediately |= carries_out && !first.immediately;
        let mut modifications = vec![first];
        if soon.immediately {
            modifications.extend([soon, later]);
        } else {
            let attributes = [soon.attributes, later.attributes].concat();
            modifications.push(Modification { attributes, immediately: false });
        }
        modifications.retain(|modification| modification.immediately || !modification.attributes.is_empty());
        modifications
    }
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Nothing,
    All,
    /// RDS is at work, and has not taken the rest.
    Part,
    /// A full storage is being raised, and what was queued is made with it. Nothing else is sent.
    Raised {
        has_rest: bool,
    },
}

/// Sends what the plan changes of the instance.
pub(super) async fn modify(aws: &Aws, plan: &Plan, instance: &DbInstance, limit: TimeLimit) -> anyhow::Result<Sent> {
    let identifier = &plan.wanted.declaration.identifier;
    let modifications = plan.modifications(instance.db_instance_status().unwrap_or_default());
    let mut before: Option<&[&Attribute]> = None;
    for Modification { attributes, immediately } in &modifications {
        if let Some(before) = before.replace(attributes) {
            // RDS may be at work for the request before, and would refuse this one.
            let is_done = |instance: &DbInstance| rds::are_as_wanted(before, &plan.wanted, instance);
            rds::wait_for_next_change(aws, identifier, limit, is_done).await?;
        }
        if !rds::modify_instance(aws, &plan.wanted, instance, attributes, *immediately).await? {
            return Ok(Sent::Part);
        }
        let keys: Vec<&str> = attributes.iter().map(|attribute| attribute.key).collect();
        let keys = if keys.is_empty() { "what was queued".to_owned() } else { keys.join(", ") };
        progress(&format!("{identifier}: requested the change of {keys}"));
        if *immediately && rds::status(instance) == rds::STORAGE_FULL {
            return Ok(Sent::Raised { has_rest: modifications.len() > 1 });
        }
    }
    Ok(if modifications.is_empty() { Sent::Nothing } else { Sent::All })
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::PendingModifiedValues;

    use super::*;
    use crate::commands::instance::plan::{Deployed, Wish};
    use crate::declaration::Declaration;

    /// Each request: its `ApplyImmediately`, and what it changes.
    #[track_caller]
    fn requests(text: &str, instance: DbInstance, wish: &Wish) -> Vec<(bool, String)> {
        let status = instance.db_instance_status().unwrap_or_default().to_owned();
        let deployed = Deployed { instance: Some(instance), ..Deployed::default() };
        let declaration = Declaration::parse(text).expect("the declaration is valid");
        let plan = Plan::new(&declaration, &deployed, wish).expect("there is a plan");
        let modifications = plan.modifications(&status).into_iter();
        let keys = |attributes: &[&Attribute]| attributes.iter().map(|row| row.key).collect::<Vec<_>>().join(" ");
        modifications.map(|request| (request.immediately, keys(&request.attributes))).collect()
    }

    /// An instance that reports only what the cases declare.
    fn instance(status: &str) -> DbInstance {
        let instance = DbInstance::builder().db_instance_status(status).db_instance_class("db.t4g.micro");
        instance.deletion_protection(true).storage_type("gp3").allocated_storage(20).max_allocated_storage(100).build()
    }

    fn text(lines: &str) -> String {
        format!("parameter_group = \"mine\"\n{lines}")
    }

    fn without_defaults(requests: Vec<(bool, String)>) -> Vec<(bool, String)> {
        // What a new declaration differs in from an instance that reports nothing of it.
        let drop = ["network.security_groups", "master.password", "domain", "logs"];
        let keep = |keys: &str| keys.split(' ').filter(|key| !drop.contains(key)).collect::<Vec<_>>().join(" ");
        requests.into_iter().map(|(immediately, keys)| (immediately, keep(&keys))).collect()
    }

    #[test]
    fn what_rds_makes_at_once_in_any_case_carries_out_nothing_that_is_queued() {
        let found = requests(
            &text("deletion_protection = false\nclass = \"db.m6g.large\""),
            instance("available"),
            &Wish::default(),
        );
        assert_eq!(without_defaults(found), [(false, "deletion_protection class".to_owned())]);
    }

    #[test]
    fn a_change_of_storage_is_made_at_once_and_one_of_the_class_waits() {
        let lines = text("class = \"db.m6g.large\"\n[storage]\nsize = 40");
        let found = requests(&lines, instance("available"), &Wish::default());
        assert_eq!(without_defaults(found), [(true, "storage.size".to_owned()), (false, "class".to_owned())]);
        let now = Wish { now: true, ..Wish::default() };
        let found = requests(&lines, instance("available"), &now);
        assert_eq!(without_defaults(found), [(true, "class storage.size".to_owned())]);
    }

    #[test]
    fn the_raise_of_a_full_storage_alone_carries_out_what_is_queued() {
        let values = PendingModifiedValues::builder().db_instance_class("db.m6g.large").build();
        let mut queued = instance("storage-full");
        queued.pending_modified_values = Some(values);
        let lines = text("deletion_protection = false\n[storage]\nsize = 40");
        let found = without_defaults(requests(&lines, queued, &Wish::default()));
        assert_eq!(found, [(true, "storage.size".to_owned()), (false, "deletion_protection".to_owned())]);
    }

    #[test]
    fn a_full_storage_is_raised_before_anything_else() {
        let lines = text("deletion_protection = false\n[storage]\nsize = 40");
        let found = requests(&lines, instance("storage-full"), &Wish::default());
        assert_eq!(
            without_defaults(found),
            [(true, "storage.size".to_owned()), (false, "deletion_protection".to_owned())]
        );
    }
}
