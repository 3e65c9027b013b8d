//! The steps of a plan, from the declaration and what is deployed. No request is made here.

use std::collections::BTreeMap;

use anyhow::ensure;

use super::{Action, Deployed, Plan, Step, Subject, When, Wish, instance_steps};
use crate::aws::ec2;
use crate::aws::rds::{self, Parameter, ParameterChange, Wanted, attributes};
use crate::declaration::{Declaration, RESTORED_FROM, major_version};
use crate::error::Problem;

impl Plan {
    pub(in super::super) fn new(declaration: &Declaration, deployed: &Deployed, wish: &Wish) -> anyhow::Result<Self> {
        let (security_groups, notes) = security_groups(declaration, deployed);
        let wanted = Wanted {
            declaration: declaration.clone(),
            security_groups,
            parameter_group: deployed.parameter_group.name.clone(),
            password: wish.password.clone(),
            major_upgrade: wish.major_upgrade.clone(),
            keeps_extended_support: deployed.keeps_extended_support,
        };
        let mut plan = Self { identifier: declaration.identifier.clone(), changes: Vec::new(), notes, wanted };
        plan.plan_security_group(deployed);
        plan.plan_parameter_group(deployed)?;
        match &deployed.instance {
            None => plan.plan_creation(),
            Some(instance) => {
                plan.plan_tags(Subject::Instance, &rds::read_tags(instance.tag_list()), declaration.tags.as_ref());
                let (steps, notes) = instance_steps::compare(&plan.wanted, instance, wish)?;
                plan.changes.extend(steps);
                plan.notes.extend(notes);
            }
        }
        Ok(plan)
    }

    fn plan_security_group(&mut self, deployed: &Deployed) {
        let declaration = &self.wanted.declaration;
        match &deployed.security_group {
            Some(group) if group.is_own(declaration) && declaration.tags.is_some() => {
                let tags = ec2::security_group_tags(declaration);
                self.plan_tags(Subject::SecurityGroup, &group.tags, Some(&tags));
            }
            None if declaration.network.security_groups.is_empty() => {
                let name = ec2::security_group_name(declaration);
                self.changes.push(Step::creation(Subject::SecurityGroup, name, Action::CreateSecurityGroup));
            }
            _ => {}
        }
    }

    fn plan_parameter_group(&mut self, deployed: &Deployed) -> anyhow::Result<()> {
        let declaration = self.wanted.declaration.clone();
        if declaration.parameter_group.is_some() {
            return Ok(());
        }
        let group = &deployed.parameter_group;
        if group.arn.is_none() {
            let step = Step::creation(Subject::ParameterGroup, group.name.clone(), Action::CreateParameterGroup);
            self.changes.push(step);
        } else {
            self.plan_tags(Subject::ParameterGroup, &group.tags, declaration.tags.as_ref());
        }
        let mut faults = Vec::new();
        let runs =
            deployed.instance.as_ref().map(|instance| major_version(instance.engine_version().unwrap_or_default()));
        // Nothing runs with it yet.
        let is_new = runs.is_none_or(|runs| rds::family(runs) != group.family);
        let known_steps = self.changes.len();
        for (name, declared) in &declaration.parameters {
            let known = group.parameters.get(name);
            if known.is_none() && group.is_complete() {
                faults.push(format!("{name} does not exist in {}", group.family));
                continue;
            }
            let parameter = known.cloned().unwrap_or_else(Parameter::unknown);
            let value = parameter.form(declared);
            if parameter.has(&value) {
                continue;
            }
            if let Some(fault) = parameter.fault(&value) {
                faults.push(format!("{name} {fault}"));
            }
            self.plan_parameter(name, parameter.value.clone(), Some(value), parameter.is_static, is_new);
        }
        let is_removed = |name: &String| !declaration.parameters.contains_key(name);
        for (name, parameter) in
            group.parameters.iter().filter(|(name, parameter)| parameter.is_set && is_removed(name))
        {
            self.plan_parameter(name, parameter.value.clone(), None, parameter.is_static, is_new);
        }
        if is_new && runs.is_some() && self.changes.len() > known_steps {
            self.notes.push(format!("the parameters are those of {}, in force after the upgrade", group.family));
        }
        ensure!(
            faults.is_empty(),
            Problem::new(format!("[parameters] is invalid: {}", faults.join("; ")), "correct the declaration")
        );
        Ok(())
    }

    fn plan_parameter(&mut self, name: &str, from: Option<String>, to: Option<String>, is_static: bool, is_new: bool) {
        let change = ParameterChange { name: name.to_owned(), value: to.clone(), is_static };
        self.changes.push(Step {
            subject: Subject::ParameterGroup,
            attribute: Some(name.to_owned()),
            from,
            to,
            when: if is_static && !is_new { When::Reboot } else { When::AtOnce },
            note: None,
            action: Action::ChangeParameter(change),
        });
    }

    /// `[tags]` is the complete list, but for the tags of AWS itself and the one of a restore. Without it, tags are left alone.
    fn plan_tags(
        &mut self,
        subject: Subject,
        deployed: &BTreeMap<String, String>,
        declared: Option<&BTreeMap<String, String>>,
    ) {
        let Some(declared) = declared else { return };
        let changed = declared.iter().filter(|(key, value)| deployed.get(*key) != Some(value));
        let changed = changed.map(|(key, value)| (key, deployed.get(key).cloned(), Some(value.clone())));
        let is_removed = |key: &str| !declared.contains_key(key) && !key.starts_with("aws:") && key != RESTORED_FROM;
        let removed = deployed.iter().filter(|(key, _)| is_removed(key));
        let removed = removed.map(|(key, value)| (key, Some(value.clone()), None));
        self.changes.extend(changed.chain(removed).map(|(key, from, to)| Step {
            subject,
            attribute: Some(format!("tags.{key}")),
            from,
            to,
            when: When::AtOnce,
            note: None,
            action: Action::ChangeTag,
        }));
    }

    fn plan_creation(&mut self) {
        let wanted = &self.wanted;
        let creation = Step::creation(Subject::Instance, wanted.declaration.identifier.clone(), Action::CreateInstance);
        let set = attributes().filter_map(|attribute| {
            Some(Step {
                attribute: Some(attribute.key.to_owned()),
                ..Step::creation(Subject::Instance, (attribute.declared)(wanted, None)?, Action::None)
            })
        });
        let steps: Vec<Step> = std::iter::once(creation).chain(set).collect();
        self.changes.extend(steps);
    }

    /// The tags that the steps change, by the subject; none where a tag is removed.
    pub(in super::super) fn tags(&self, subject: Subject) -> BTreeMap<String, Option<String>> {
        let steps =
            self.changes.iter().filter(|step| step.subject == subject && matches!(step.action, Action::ChangeTag));
        let key = |step: &Step| step.attribute.as_ref()?.strip_prefix("tags.").map(str::to_owned);
        steps.filter_map(|step| Some((key(step)?, step.to.clone()))).collect()
    }
}

impl Step {
    fn creation(subject: Subject, name: String, action: Action) -> Self {
        Self { subject, attribute: None, from: None, to: Some(name), when: When::AtOnce, note: None, action }
    }
}

/// What stands for a security group that is to be created, in a plan.
pub(in super::super) fn new_security_group(declaration: &Declaration) -> String {
    format!("{} (new)", ec2::security_group_name(declaration))
}

/// All groups that should be attached. Without a declared list, that is the own group beside those that are attached: an
/// application may come in through them.
fn security_groups(declaration: &Declaration, deployed: &Deployed) -> (Vec<String>, Vec<String>) {
    let declared = &declaration.network.security_groups;
    if !declared.is_empty() {
        return (declared.clone(), Vec::new());
    }
    let own =
        deployed.security_group.as_ref().map_or_else(|| new_security_group(declaration), |group| group.id.clone());
    let attached = deployed.instance.as_ref().map(rds::attached_security_groups).unwrap_or_default();
    let others: Vec<String> = attached.into_iter().filter(|group| *group != own).collect();
    let note = format!(
        "{} stays attached; to detach it, declare the whole list in network.security_groups",
        others.join(", ")
    );
    let notes = if others.is_empty() { Vec::new() } else { vec![note] };
    (others.into_iter().chain([own]).collect(), notes)
}
