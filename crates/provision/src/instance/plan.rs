//! `provision instance plan`

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::attributes::{ATTRIBUTES, When};
use super::deployed::Deployed;
use crate::aws::Aws;
use crate::declaration::Declaration;

/// What differs between the declaration and what exists.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plan {
    pub(crate) identifier: String,
    pub(crate) changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// What is changed: `instance`, `parameter_group`, `security_group`.
    pub(crate) subject: &'static str,
    /// Which attribute; none where the subject itself is made.
    pub(crate) attribute: Option<String>,
    /// None where there is nothing yet.
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    pub(crate) when: When,
}

/// Compares the declaration with what exists; changes nothing.
pub(crate) async fn plan(aws: &Aws, declaration: &Declaration) -> anyhow::Result<Plan> {
    Ok(Plan::new(declaration, &Deployed::find(aws, declaration).await?))
}

impl Plan {
    pub(crate) fn new(declaration: &Declaration, deployed: &Deployed) -> Self {
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

    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return write!(f, "{}: nothing differs from the declaration", self.identifier);
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
        let subject = self.subject.replace('_', " ");
        match (&self.attribute, &self.from) {
            (None, _) => write!(f, "+ {subject} {}", self.to),
            (Some(attribute), None) => write!(f, "+ {subject} {attribute} = {}", self.to),
            (Some(attribute), Some(from)) => {
                write!(f, "~ {subject} {attribute}: {from} → {} ({})", self.to, self.when)
            }
        }
    }
}

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtOnce => "at once",
            Self::MaintenanceWindow => "in the maintenance window",
            Self::Reboot => "needs a reboot",
            Self::Replace => "cannot be changed: replace",
        })
    }
}
