//! `provision instance plan`

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use clap::Args;
use serde::Serialize;

use crate::aws::rds::{self, ATTRIBUTES, DbInstance, When};
use crate::aws::{Aws, ec2};
use crate::cli::Context;
use crate::declaration::Declaration;
use crate::output::Outcome;
use crate::terminal::harmless;

/// Show how the DB instance differs from the declaration
///
/// Exit status 3 if it differs.
#[derive(Debug, Args)]
pub(super) struct Plan {}

/// The parts of a deployment, as far as they exist.
#[derive(Debug)]
pub(super) struct Deployed {
    pub(super) instance: Option<DbInstance>,
    /// The parameters that were set in the parameter group that is named as the instance.
    pub(super) parameters: Option<BTreeMap<String, String>>,
    /// The id of the security group that is named as the instance.
    pub(super) security_group: Option<String>,
}

/// The differences between the declaration and the deployment.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Changes {
    identifier: String,
    pub(super) changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// `instance`, `parameter_group` or `security_group`.
    pub(super) subject: &'static str,
    /// The attribute; none if the subject itself is created.
    pub(super) attribute: Option<String>,
    /// None if there is no value yet.
    pub(super) from: Option<String>,
    pub(super) to: String,
    pub(super) when: When,
}

impl Plan {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let declaration = context.declaration()?;
        let changes = Changes::new(declaration, &Deployed::find(context.aws().await?, declaration).await?);
        context.show_check(&changes, !changes.is_empty())
    }
}

impl Deployed {
    pub(super) async fn find(aws: &Aws, declaration: &Declaration) -> anyhow::Result<Self> {
        let identifier = &declaration.identifier;
        let security_group = match declaration.network.security_group {
            Some(_) => None,
            None => ec2::find_security_group(aws, declaration).await?,
        };
        Ok(Self {
            instance: rds::find_instance(aws, identifier).await?,
            parameters: rds::find_parameters(aws, identifier).await?,
            security_group,
        })
    }
}

impl Changes {
    pub(super) fn new(declaration: &Declaration, deployed: &Deployed) -> Self {
        let mut changes = Vec::new();
        let create = |subject| Change {
            subject,
            attribute: None,
            from: None,
            to: declaration.identifier.clone(),
            when: When::AtOnce,
        };
        let mut declaration = declaration.clone();
        if declaration.network.security_group.is_none() {
            declaration.network.security_group.clone_from(&deployed.security_group);
            if deployed.security_group.is_none() {
                changes.push(create("security_group"));
            }
        }
        if deployed.parameters.is_none() {
            changes.push(create("parameter_group"));
        }
        let set = deployed.parameters.clone().unwrap_or_default();
        for (name, value) in &declaration.parameters {
            if set.get(name) != Some(value) {
                changes.push(Change {
                    subject: "parameter_group",
                    attribute: Some(name.clone()),
                    from: set.get(name).cloned(),
                    to: value.clone(),
                    when: When::Reboot,
                });
            }
        }
        match &deployed.instance {
            None => {
                changes.push(create("instance"));
                changes.extend(ATTRIBUTES.iter().filter_map(|attribute| {
                    Some(Change {
                        subject: "instance",
                        attribute: Some(attribute.key.to_owned()),
                        from: None,
                        to: (attribute.declared)(&declaration)?,
                        when: When::AtOnce,
                    })
                }));
            }
            Some(instance) => {
                changes.extend(ATTRIBUTES.iter().filter_map(|attribute| {
                    let (from, to) = attribute.difference(&declaration, instance)?;
                    Some(Change {
                        subject: "instance",
                        attribute: Some(attribute.key.to_owned()),
                        from: Some(from),
                        to,
                        when: (attribute.when)(&declaration, instance),
                    })
                }));
                for (key, value) in &declaration.tags {
                    let tag = instance.tag_list().iter().find(|tag| tag.key.as_ref() == Some(key));
                    let deployed = tag.and_then(|tag| tag.value.clone());
                    if deployed.as_ref() != Some(value) {
                        changes.push(Change {
                            subject: "instance",
                            attribute: Some(format!("tags.{key}")),
                            from: deployed,
                            to: value.clone(),
                            when: When::AtOnce,
                        });
                    }
                }
            }
        }
        Self { identifier: declaration.identifier, changes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl Display for Changes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return write!(f, "{}: no difference from the declaration", self.identifier);
        }
        write!(f, "{}:", self.identifier)?;
        for change in &self.changes {
            write!(f, "\n  {change}")?;
        }
        Ok(())
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (subject, to) = (self.subject.replace('_', " "), harmless(&self.to));
        match (self.attribute.as_ref().map(harmless), self.from.as_ref().map(harmless)) {
            (None, _) => write!(f, "+ {subject} {to}"),
            (Some(attribute), None) => write!(f, "+ {subject} {attribute} = {to}"),
            (Some(attribute), Some(from)) => write!(f, "~ {subject} {attribute}: {from} → {to} ({})", self.when),
        }
    }
}
