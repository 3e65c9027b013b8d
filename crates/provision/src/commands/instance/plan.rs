//! `provision instance plan`, and the plan itself: `apply` and `upgrade` carry out what it shows, and nothing else.

mod deployed;
mod instance_steps;
mod steps;
#[cfg(test)]
mod tests;

use std::fmt::{self, Debug, Display, Formatter};

use anyhow::{bail, ensure};
use clap::Args;
use secrecy::SecretString;
use serde::Serialize;

pub(super) use self::deployed::Deployed;
pub(super) use self::steps::new_security_group;
use crate::aws::rds::{self, Attribute, ParameterChange, Timing, Wanted};
use crate::cli::Context;
use crate::error::Problem;
use crate::output::Outcome;
use crate::terminal::harmless;

/// Show how the DB instance differs from the declaration
///
/// Exit status 3 if `provision instance apply` or `provision instance upgrade` would change something. What is queued for
/// the maintenance window or needs a reboot is shown as well.
#[derive(Debug, Args)]
pub(super) struct PlanCommand {
    /// Show the plan of `apply --now`
    #[arg(long)]
    now: bool,
}

/// What the operator asks for beside the declaration.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// To make at once what would wait for the maintenance window.
    pub(super) now: bool,
    /// The whole version to upgrade to, if another major one is wanted.
    pub(super) major_upgrade: Option<String>,
    pub(super) password: Option<SecretString>,
    /// Whether the operator has confirmed what contains all of it.
    pub(super) is_confirmed: bool,
}

/// The steps from the deployment to the declaration.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    identifier: String,
    pub(super) changes: Vec<Step>,
    /// What is no difference and worth to know.
    notes: Vec<String>,
    /// What the steps lead to.
    #[serde(skip)]
    pub(super) wanted: Wanted,
}

/// One difference, and what is to be done about it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Step {
    pub(super) subject: Subject,
    /// The attribute; none if the subject itself is created.
    pub(super) attribute: Option<String>,
    /// None if there is no value yet.
    from: Option<String>,
    /// None if the value is removed.
    to: Option<String>,
    pub(super) when: When,
    note: Option<String>,
    #[serde(skip)]
    pub(super) action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Subject {
    SecurityGroup,
    ParameterGroup,
    Instance,
}

/// When a step takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum When {
    AtOnce,
    AtOnceInterrupts,
    MaintenanceWindow,
    /// RDS has accepted it already.
    Queued,
    Reboot,
    MajorUpgrade,
    /// Only a new DB instance can have it.
    Replace,
}

/// What carries out a step.
#[derive(Clone, Debug)]
pub(super) enum Action {
    CreateSecurityGroup,
    CreateParameterGroup,
    ChangeParameter(ParameterChange),
    ChangeTag,
    /// With every attribute at once.
    CreateInstance,
    Modify(&'static Attribute, Timing),
    /// Has RDS make what it has queued.
    CarryOut,
    /// Nothing: it belongs to another step, or an apply cannot do it.
    None,
}

impl PlanCommand {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let wish = Wish { now: self.now, ..Wish::default() };
        let declaration = context.declaration()?;
        let deployed = Deployed::find(context.aws().await?, declaration, &wish).await?;
        let plan = Plan::new(declaration, &deployed, &wish)?;
        context.show_check(&plan, plan.changes.iter().any(Step::is_open))
    }
}

impl Plan {
    /// Whether there is something to do.
    pub(super) fn has_work(&self) -> bool {
        self.changes.iter().any(|step| !matches!(step.action, Action::None))
    }

    /// Fails if the plan would carry out a queued rename, or if the declaration asks for what only a new DB instance can have.
    pub(super) fn ensure_possible(&self) -> anyhow::Result<()> {
        let carried_out = self.changes.iter().filter(|step| matches!(step.action, Action::CarryOut));
        let mut renaming = carried_out.filter(|step| step.attribute.as_deref() == Some(rds::IDENTIFIER));
        if let Some(name) = renaming.find_map(|step| step.to.as_deref()) {
            bail!(rds::renaming(&self.identifier, name).because("--now would carry it out"));
        }
        let impossible: Vec<&Step> = self.changes.iter().filter(|step| step.when == When::Replace).collect();
        let is_restorable = |step: &&Step| step.attribute.as_deref().is_some_and(rds::is_set_by_restore);
        let remedy = if impossible.iter().all(is_restorable) {
            "correct the declaration; for a new instance with the same data, run `provision instance snapshot`, set another \
             identifier, and run `provision instance restore`"
        } else {
            "correct the declaration"
        };
        let shown: Vec<String> = impossible.iter().map(ToString::to_string).collect();
        ensure!(
            impossible.is_empty(),
            Problem::new(format!("{} cannot be changed like that: {}", self.identifier, shown.join("; ")), remedy)
        );
        Ok(())
    }

    /// Whether each of its steps was in the other plan, which was confirmed.
    pub(super) fn is_part_of(&self, other: &Self) -> bool {
        let is_known = |step: &Step| {
            other.changes.iter().any(|known| {
                (known.subject, &known.attribute, &known.to, known.when)
                    == (step.subject, &step.attribute, &step.to, step.when)
            })
        };
        self.changes.iter().filter(|step| !matches!(step.action, Action::None)).all(is_known)
    }
}

impl Step {
    /// Whether a command of this program would still change something.
    fn is_open(&self) -> bool {
        match self.when {
            // A note says that it is not declared.
            When::Queued => self.note.is_some(),
            When::Reboot => !matches!(self.action, Action::None),
            _ => true,
        }
    }

    /// A step that waits for somebody or something after all was done.
    pub(super) fn is_to_come(&self) -> bool {
        matches!(self.when, When::Queued | When::Reboot | When::MaintenanceWindow | When::MajorUpgrade)
    }

    /// The reboot that puts static parameters in force.
    pub(super) fn reboot() -> Self {
        Self {
            subject: Subject::Instance,
            attribute: Some("parameters".to_owned()),
            from: Some("pending-reboot".to_owned()),
            to: Some("in-sync".to_owned()),
            when: When::Reboot,
            note: None,
            action: Action::None,
        }
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            write!(f, "{}: no difference from the declaration", self.identifier)?;
        } else {
            write!(f, "{}:", self.identifier)?;
        }
        self.changes.iter().try_for_each(|step| write!(f, "\n  {}", harmless(step)))?;
        self.notes.iter().try_for_each(|note| write!(f, "\n  note: {}", harmless(note)))
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let subject = self.subject;
        match (self.attribute.as_deref().unwrap_or_default(), self.from.as_deref(), self.to.as_deref()) {
            ("", _, to) => write!(f, "+ {subject} {}", to.unwrap_or_default())?,
            (attribute, Some(from), Some(to)) => write!(f, "~ {subject} {attribute}: {from} → {to}")?,
            (attribute, Some(from), None) => write!(f, "- {subject} {attribute}: {from}")?,
            (attribute, None, to) => write!(f, "+ {subject} {attribute} = {}", to.unwrap_or_default())?,
        }
        let is_plain = self.from.is_none() && self.when == When::AtOnce;
        match &self.note {
            Some(note) => write!(f, " ({}; {note})", self.when),
            None if is_plain => Ok(()),
            None => write!(f, " ({})", self.when),
        }
    }
}

impl Display for Subject {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecurityGroup => "security group",
            Self::ParameterGroup => "parameter group",
            Self::Instance => "instance",
        })
    }
}

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtOnce => "at once",
            Self::AtOnceInterrupts => "at once, interrupts",
            Self::MaintenanceWindow => "in the maintenance window",
            Self::Queued => "queued for the maintenance window",
            Self::Reboot => "needs a reboot: `provision instance reboot`",
            Self::MajorUpgrade => "a major upgrade: `provision instance upgrade`",
            Self::Replace => "cannot be changed",
        })
    }
}
