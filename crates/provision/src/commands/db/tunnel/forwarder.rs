//! What can forward to the DB instance: where it is, and whether the instance's security groups let it in.

use anyhow::{Context as _, bail};

use crate::aws::ec2::{self, Admission, Member, Rule};
use crate::aws::ecs::{self, Task};
use crate::aws::rds::{self, DbInstance, Endpoint, attached_security_groups};
use crate::aws::{Aws, ssm};
use crate::cli::Context;
use crate::error::Problem;
use crate::target::Target;

/// The port of the DB instance where AWS does not tell it.
const DEFAULT_PORT: i32 = 5432;

/// What every hint ends with, because it needs nothing that forwards.
const OTHERWISE: &str = "or let the operator's function run the command in the VPC, with `provision --in-vpc`";

/// The DB instance, and what stands before it.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) host: String,
    pub(super) port: u16,
    vpc: String,
    groups: Vec<String>,
}

/// An EC2 instance or a task of ECS that AWS Systems Manager reaches, in the VPC of the DB instance.
#[derive(Clone, Debug)]
pub(super) struct Forwarder {
    /// How Systems Manager names it.
    pub(super) target: String,
    /// How people do.
    pub(super) name: String,
    member: Member,
}

impl Gate {
    pub(super) async fn find(aws: &Aws, target: &Target) -> anyhow::Result<Self> {
        let Some(identifier) = &target.instance else {
            let host = &target.login.host;
            let remedy = "add --prod, or connect to the DB instance's own endpoint by its name";
            bail!(Problem::new(format!("{host} is no endpoint of a DB instance, so no tunnel leads there"), remedy));
        };
        let instance = rds::require_instance(aws, identifier).await?;
        let endpoint = instance.endpoint();
        let port = endpoint.and_then(Endpoint::port).unwrap_or(DEFAULT_PORT);
        Ok(Self {
            host: endpoint.and_then(Endpoint::address).unwrap_or(&target.login.host).to_owned(),
            port: port.try_into().context("AWS returned no port")?,
            vpc: vpc(&instance).with_context(|| format!("AWS returned no VPC of {identifier}"))?,
            groups: attached_security_groups(&instance),
        })
    }

    /// The rules for its port, of all its groups.
    async fn rules(&self, aws: &Aws) -> anyhow::Result<Vec<Rule>> {
        let mut rules = Vec::new();
        for group in &self.groups {
            rules.extend(ec2::list_rules(aws, group, self.port.into()).await?);
        }
        Ok(rules)
    }
}

fn vpc(instance: &DbInstance) -> Option<String> {
    instance.db_subnet_group()?.vpc_id.clone()
}

impl Forwarder {
    fn of_instance(member: Member) -> Self {
        let name = member.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        Self { target: member.id.clone(), name: format!("{}{name}", member.id), member }
    }

    fn is_named(&self, id: &str) -> bool {
        [Some(&self.target), Some(&self.name), self.member.name.as_ref()].into_iter().flatten().any(|name| name == id)
    }
}

/// The one that is named, or one that the DB instance lets in.
pub(super) async fn find(
    context: &Context,
    aws: &Aws,
    gate: &Gate,
    through: Option<&str>,
) -> anyhow::Result<Forwarder> {
    let online = ssm::online_instances(aws).await?;
    let (managed, others): (Vec<Member>, Vec<Member>) =
        ec2::list_instances(aws, &gate.vpc).await?.into_iter().partition(|instance| online.contains(&instance.id));
    let rules = gate.rules(aws).await?;
    let mut found: Vec<Forwarder> = managed.into_iter().map(Forwarder::of_instance).collect();
    if through.is_none()
        && let Some(admitted) = found.iter().find(|one| one.member.admission(&rules) == Admission::Admitted)
    {
        return Ok(admitted.clone());
    }
    // Whoever does not use ECS need not be allowed to look at it.
    let Tasks { able, unable, unseen } = tasks(aws, gate).await;
    found.extend(able);
    let idle = others.len() + unable;
    if let Some(id) = through {
        found.retain(|one| one.is_named(id));
        if found.is_empty() {
            let problem =
                format!("{id} is neither an EC2 instance nor a task that AWS Systems Manager reaches in {}", gate.vpc);
            bail!(because(Problem::new(problem, format!("leave --through out, {OTHERWISE}")), unseen));
        }
    }
    // The first of the best.
    let Some(best) = found.iter().rev().max_by_key(|one| one.member.admission(&rules)) else {
        bail!(because(nothing_forwards(&gate.vpc, idle), unseen));
    };
    if best.member.admission(&rules) == Admission::Refused {
        bail!(not_admitted(context, gate, best));
    }
    Ok(best.clone())
}

/// The tasks in the VPC.
#[derive(Debug, Default)]
struct Tasks {
    /// Those that Systems Manager reaches.
    able: Vec<Forwarder>,
    /// The number of those that it does not.
    unable: usize,
    /// Why these may not be all.
    unseen: Option<anyhow::Error>,
}

async fn tasks(aws: &Aws, gate: &Gate) -> Tasks {
    let (tasks, unseen) = ecs::list_tasks(aws).await;
    let mut found = Tasks { unseen, ..Tasks::default() };
    let interfaces: Vec<String> = tasks.iter().map(|task| task.interface.clone()).collect();
    let members = match ec2::read_interfaces(aws, &gate.vpc, &interfaces).await {
        Ok(members) => members,
        Err(error) => return Tasks { unseen: Some(error), ..found },
    };
    for Task { name, interface, target } in tasks {
        match (members.iter().find(|member| member.id == interface), target) {
            (Some(member), Some(target)) => found.able.push(Forwarder { target, name, member: member.clone() }),
            (Some(_), None) => found.unable += 1,
            (None, _) => {}
        }
    }
    found
}

/// The problem, with what could not be looked at.
fn because(problem: Problem, unseen: Option<anyhow::Error>) -> Problem {
    match unseen {
        Some(error) => problem.because(error),
        None => problem,
    }
}

/// The error where nothing can forward; so many instances and tasks run that could be made to.
fn nothing_forwards(vpc: &str, idle: usize) -> Problem {
    let problem = format!("AWS Systems Manager reaches nothing in {vpc} that could forward");
    match idle {
        0 => Problem::new(
            format!("{problem}: no EC2 instance and no task of ECS runs there"),
            format!(
                "start an EC2 instance there with SSM Agent and the policy AmazonSSMManagedInstanceCore, {OTHERWISE}"
            ),
        ),
        _ => Problem::new(
            format!(
                "{problem}: no EC2 instance there is online, and no task has ECS Exec turned on ({idle} run without)"
            ),
            format!(
                "give the role of an EC2 instance there the policy AmazonSSMManagedInstanceCore, or turn ECS Exec on for a \
                 service (`aws ecs update-service --enable-execute-command --force-new-deployment`), {OTHERWISE}"
            ),
        ),
    }
}

/// The error about one that can forward and is not let in.
fn not_admitted(context: &Context, gate: &Gate, forwarder: &Forwarder) -> Problem {
    let Gate { port, groups, .. } = gate;
    let problem =
        format!("{} could forward, but no rule of {} allows it at port {port}", forwarder.name, groups.join(", "));
    match (forwarder.member.security_groups.first(), groups.first()) {
        (Some(from), Some(group)) => {
            let allow = context.command_line(&format!("access allow --from-group {from} --group {group}"));
            Problem::new(problem, format!("run `{allow}`, {OTHERWISE}"))
        }
        _ => Problem::new(problem, format!("give both a security group, {OTHERWISE}")),
    }
}
