//! `provision instance apply`, and the work that `upgrade` shares with it: it carries out a plan, step by step.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use anyhow::{bail, ensure};
use clap::Args;
use serde::Serialize;

use self::modification::Sent;
use super::password_file::read_password;
use super::plan::{Action, Deployed, Plan, Step, Subject, When, Wish, new_security_group};
use super::{WaitArgs, in_full};
use crate::aws::rds::{self, DbInstance, TimeLimit};
use crate::aws::{Aws, ec2};
use crate::cli::Context;
use crate::declaration::{Declaration, Password};
use crate::environment::Environment;
use crate::error::Problem;
use crate::prompt::{announce, progress};
use crate::terminal::harmless;

mod modification;

/// Create or change the DB instance as declared
///
/// Carries out what `provision instance plan` shows, after a question. Each step adopts what exists, so a second run
/// continues an interrupted one. A major upgrade is left to `provision instance upgrade`.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// Make at once what waits for the maintenance window, what is queued included, with its interruption
    #[arg(long)]
    now: bool,
    /// File with the master password, if the declaration says "given"; `-` is standard input; without it, the password stays
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    wait: WaitArgs,
}

/// A deployment that matches the declaration.
#[derive(Debug, Serialize)]
pub(super) struct Applied {
    identifier: String,
    status: String,
    host: Option<String>,
    port: Option<i32>,
    secret_arn: Option<String>,
    /// With the master user's secret. The role of `provision db grant` has fewer privileges.
    environment: Environment,
    /// What waits for the maintenance window, a reboot or an upgrade.
    to_come: Vec<Step>,
}

impl Apply {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Applied> {
        let password = self.password_file.as_deref().map(read_password).transpose()?;
        ensure!(
            password.is_none() || context.declaration()?.master.password == Password::Given,
            Problem::new(
                "the declaration says master.password = \"managed\", and --password-file gives a password",
                "leave --password-file out, or set master.password = \"given\""
            )
        );
        carry_out(context, &Wish { now: self.now, password, ..Wish::default() }, self.wait).await
    }
}

/// Plans, asks and carries out the plan.
pub(super) async fn carry_out(context: &Context, wish: &Wish, wait: WaitArgs) -> anyhow::Result<Applied> {
    let limit = wait.limit.start();
    let declaration = context.declaration()?;
    let identifier = &declaration.identifier;
    let aws = context.aws().await?;
    // Boxed: the SDK's futures are large.
    let (mut deployed, mut plan) = Box::pin(look(context, aws, wish)).await?;
    ensure_password(declaration, &deployed, wish)?;
    if plan.has_work() && !wish.is_confirmed {
        (deployed, plan) = Box::pin(ask(context, aws, wish, deployed, plan)).await?;
    }

    let mut is_sent = false;
    loop {
        // RDS refuses a change while another one is in progress. What is there afterwards may be something else.
        while plan.modifies_instance() && !is_ready(&deployed) {
            if deployed.parameter_group.arn.is_some() {
                // Wrong ones can be what is in the way.
                change_parameters(aws, &plan).await?;
            }
            wait.until_modifiable(aws, identifier, limit).await?;
            (deployed, plan) = Box::pin(look_again(context, aws, wish, &plan)).await?;
        }
        change_groups(aws, declaration, &deployed, &mut plan).await?;
        let Some(instance) = &deployed.instance else {
            if !rds::create_instance(aws, &plan.wanted).await? {
                // The instance that another run has created may differ from the declaration.
                rds::require_instance(aws, identifier).await?;
                (deployed, plan) = Box::pin(look_again(context, aws, wish, &plan)).await?;
                continue;
            }
            progress(&format!("{identifier} is being created; that takes about ten minutes"));
            is_sent = true;
            break;
        };
        let sent = modification::modify(aws, &plan, instance, limit).await?;
        is_sent |= sent != Sent::Nothing;
        match sent {
            Sent::Nothing | Sent::All => break,
            Sent::Raised { has_rest: false } if wait.no_wait => break,
            Sent::Part if wait.no_wait => bail!(Problem::new(
                format!("RDS is at work with {identifier}, and has not taken the change"),
                "leave out --no-wait"
            )),
            Sent::Part | Sent::Raised { .. } => {
                let of_storage: Vec<_> = rds::attributes().filter(|row| row.is_of_storage()).collect();
                let is_raised = |instance: &DbInstance| {
                    sent != Sent::Part && rds::are_as_wanted(&of_storage, &plan.wanted, instance)
                };
                rds::wait_for_next_change(aws, identifier, limit, is_raised).await?;
            }
        }
        (deployed, plan) = Box::pin(look_again(context, aws, wish, &plan)).await?;
    }
    let instance = if wait.no_wait {
        rds::require_instance(aws, identifier).await?
    } else {
        settle(aws, &plan, is_sent, limit).await?
    };
    let to_come = steps_to_come(aws, declaration, &plan).await?;
    Ok(Applied::new(declaration, instance, to_come))
}

/// Asks for the plan, and again if more is to be done after the answer than was shown: an answer may take hours. Returns what
/// is there now, and the plan for it.
async fn ask(
    context: &Context,
    aws: &Aws,
    wish: &Wish,
    deployed: Deployed,
    plan: Plan,
) -> anyhow::Result<(Deployed, Plan)> {
    confirm(context, aws, &plan, deployed.instance.as_ref()).await?;
    if context.yes() {
        return Ok((deployed, plan));
    }
    Box::pin(look_again(context, aws, wish, &plan)).await
}

/// What is there now, and the plan for it. Asks again for what was not `confirmed`.
async fn look_again(context: &Context, aws: &Aws, wish: &Wish, confirmed: &Plan) -> anyhow::Result<(Deployed, Plan)> {
    let (deployed, plan) = Box::pin(look(context, aws, wish)).await?;
    if plan.is_part_of(confirmed) {
        return Ok((deployed, plan));
    }
    progress("the DB instance has changed meanwhile");
    ask(context, aws, wish, deployed, plan).await
}

async fn look(context: &Context, aws: &Aws, wish: &Wish) -> anyhow::Result<(Deployed, Plan)> {
    let declaration = context.declaration()?;
    let deployed = Deployed::find(aws, declaration, wish).await?;
    let plan = Plan::new(declaration, &deployed, wish)?;
    plan.ensure_possible()?;
    Ok((deployed, plan))
}

async fn confirm(context: &Context, aws: &Aws, plan: &Plan, instance: Option<&DbInstance>) -> anyhow::Result<()> {
    announce(plan);
    if context.yes() {
        return Ok(());
    }
    let interrupts = plan.changes.iter().any(|step| step.when == When::AtOnceInterrupts);
    let interruption = if interrupts { " It INTERRUPTS the database at once." } else { "" };
    let identifier = &plan.wanted.declaration.identifier;
    let change = match instance {
        Some(instance) => format!("changes {}", in_full(aws, instance).await?),
        None => format!("creates the DB instance {identifier} ({})", aws.place().await?),
    };
    let queued = plan.changes.iter().filter(|step| matches!(step.action, Action::CarryOut));
    let queued: Vec<&str> = queued.filter_map(|step| step.attribute.as_deref()).collect();
    let queue =
        if queued.is_empty() { String::new() } else { format!(" It makes what is queued: {}.", queued.join(", ")) };
    let question = format!("This {change} as shown.{queue}{interruption}");
    let _consent = context.confirm(&question, "yes")?;
    Ok(())
}

fn ensure_password(declaration: &Declaration, deployed: &Deployed, wish: &Wish) -> anyhow::Result<()> {
    let is_needed = deployed.instance.as_ref().is_none_or(|instance| instance.master_user_secret.is_some());
    ensure!(
        declaration.master.password == Password::Managed || wish.password.is_some() || !is_needed,
        Problem::new(
            "master.password is \"given\", and there is no password",
            "name its file with --password-file; `-` is standard input"
        )
    );
    Ok(())
}

/// Whether RDS accepts a modification now. In a new instance there is nothing to modify.
fn is_ready(deployed: &Deployed) -> bool {
    let status = deployed.instance.as_ref().and_then(DbInstance::db_instance_status);
    status.is_none_or(|status| rds::State::of(status).is_modifiable)
}

/// The steps of the security group, the parameter group, and all tags. They are possible in every status.
pub(super) async fn change_groups(
    aws: &Aws,
    declaration: &Declaration,
    deployed: &Deployed,
    plan: &mut Plan,
) -> anyhow::Result<()> {
    let family = &deployed.parameter_group.family;
    for step in plan.changes.clone() {
        match step.action {
            Action::CreateSecurityGroup => {
                let group = create_security_group(aws, declaration, &deployed.vpc).await?;
                let new = new_security_group(declaration);
                plan.wanted.security_groups.iter_mut().filter(|id| **id == new).for_each(|id| id.clone_from(&group));
            }
            Action::CreateParameterGroup => {
                let name = &plan.wanted.parameter_group;
                if rds::create_parameter_group(aws, declaration, name, family).await? {
                    progress(&format!("created the parameter group {name}"));
                }
            }
            _ => {}
        }
    }
    change_parameters(aws, plan).await?;
    let groups = [
        (Subject::ParameterGroup, deployed.parameter_group.arn.as_deref()),
        (Subject::Instance, deployed.instance.as_ref().and_then(|instance| instance.db_instance_arn())),
    ];
    for (subject, arn) in groups {
        if let Some(arn) = arn {
            rds::change_tags(aws, arn, &plan.tags(subject)).await?;
        }
    }
    if let Some(group) = &deployed.security_group {
        ec2::change_tags(aws, &group.id, &plan.tags(Subject::SecurityGroup)).await?;
    }
    Ok(())
}

async fn change_parameters(aws: &Aws, plan: &Plan) -> anyhow::Result<()> {
    let change = |step: &Step| match &step.action {
        Action::ChangeParameter(change) => Some(change.clone()),
        _ => None,
    };
    let changes: Vec<_> = plan.changes.iter().filter_map(change).collect();
    rds::change_parameters(aws, &plan.wanted.parameter_group, &changes).await
}

async fn create_security_group(aws: &Aws, declaration: &Declaration, vpc: &str) -> anyhow::Result<String> {
    let name = ec2::security_group_name(declaration);
    if let Some(group) = ec2::create_security_group(aws, declaration, vpc).await? {
        progress(&format!("created the security group {group} ({name}); open it with `provision access allow`"));
        return Ok(group);
    }
    let found = ec2::look_up_security_group(aws, declaration, vpc).await?;
    found
        .map(|group| group.id)
        .ok_or_else(|| Problem::new(format!("the security group {name} existed a moment ago"), "run this again").into())
}

/// Waits until RDS has done what it was asked for.
async fn settle(aws: &Aws, plan: &Plan, is_sent: bool, limit: TimeLimit) -> anyhow::Result<DbInstance> {
    let identifier = &plan.wanted.declaration.identifier;
    if is_sent {
        let waits = plan.changes.iter().any(|step| matches!(step.when, When::MaintenanceWindow | When::Queued));
        let is_visible = |instance: &DbInstance| waits || rds::is_as_wanted(&plan.wanted, instance);
        return rds::wait_for_change(aws, identifier, "available", limit, is_visible).await;
    }
    let instance = rds::require_instance(aws, identifier).await?;
    let state = rds::State::of(instance.db_instance_status().unwrap_or_default());
    if state.status == rds::INCOMPATIBLE_PARAMETERS {
        // They are corrected, and the reboot is still to come.
        Ok(instance)
    } else {
        rds::ensure_passes(&instance, identifier)?;
        rds::wait_for_status(aws, identifier, "available", limit).await
    }
}

/// What is left for the maintenance window, a reboot or an upgrade.
async fn steps_to_come(aws: &Aws, declaration: &Declaration, plan: &Plan) -> anyhow::Result<Vec<Step>> {
    let wish = Wish::default();
    let deployed = Deployed::find(aws, declaration, &wish).await?;
    let left = Plan::new(declaration, &deployed, &wish)?;
    let mut to_come: Vec<Step> = left.changes.into_iter().filter(Step::is_to_come).collect();
    let status = deployed.instance.as_ref().map(rds::status);
    // RDS reports it some seconds later. A server that cannot start tries its parameters only with a reboot.
    if (plan.changes.iter().any(|step| step.when == When::Reboot) || status == Some(rds::INCOMPATIBLE_PARAMETERS))
        && !to_come.iter().any(|step| step.when == When::Reboot)
    {
        to_come.push(Step::reboot());
    }
    Ok(to_come)
}

impl Applied {
    pub(super) fn new(declaration: &Declaration, instance: DbInstance, to_come: Vec<Step>) -> Self {
        let endpoint = instance.endpoint;
        let host = endpoint.as_ref().and_then(|endpoint| endpoint.address.clone());
        let port = endpoint.as_ref().and_then(|endpoint| endpoint.port);
        let secret_arn = instance.master_user_secret.and_then(|secret| secret.secret_arn);
        let mut environment: BTreeMap<_, _> = [("PGDATABASE", declaration.database.clone())].into();
        environment.extend(host.clone().map(|host| ("PGHOST", host)));
        environment.extend(port.map(|port| ("PGPORT", port.to_string())));
        environment.extend(secret_arn.clone().map(|arn| ("DB_SECRET_ID", arn)));
        let status = instance.db_instance_status.unwrap_or_else(|| "unknown".to_owned());
        let environment = Environment(environment);
        Self { identifier: declaration.identifier.clone(), status, host, port, secret_arn, environment, to_come }
    }
}

impl Display for Applied {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { identifier, status, environment, to_come, .. } = self;
        write!(f, "{identifier} is {}", harmless(status))?;
        if !to_come.is_empty() {
            f.write_str("\n\nStill to come:")?;
            to_come.iter().try_for_each(|step| write!(f, "\n  {}", harmless(step)))?;
        }
        write!(f, "\n\n{environment}")?;
        if self.secret_arn.is_some() {
            f.write_str(
                "\n\nThis is the master user's login. `provision db grant --prod` creates a role with fewer privileges.",
            )?;
        }
        Ok(())
    }
}
