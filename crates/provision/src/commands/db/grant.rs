//! `provision db grant`

mod password;

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use clap::Args;
use db::contract::{self, Contract};
use db::role::{self, Authentication, Role};
use db::{Error, Login};
use serde::Serialize;

use self::password::PasswordChange;
use crate::aws::secrets::{self, RoleSecret};
use crate::cli::Context;
use crate::environment::Environment;
use crate::error::Problem;
use crate::output::Outcome;
use crate::prompt::Consent;
use crate::target::{Session, Target};
use crate::terminal::harmless;

/// How often a grant is planned again because another one was quicker.
const MOST_ATTEMPTS: usize = 5;

/// Create the function's role and its secret
///
/// The role may call cognito.ensure_user, which writes a user's row, and has no other privilege. Its password goes straight into
/// a secret of its own in AWS Secrets Manager, also for a local database; with --iam it has none. A second run changes
/// nothing, and finishes an interrupted rotation. The command asks before any role loses a privilege or its password. Each
/// database has a role of its own; the password of one that another database uses too is never changed.
#[derive(Debug, Args)]
pub(super) struct Grant {
    /// Name of the role; without it `post_confirmation_DATABASE`, or `post_confirmation` where that has the right already
    #[arg(long, value_parser = parse_role)]
    role: Option<String>,
    /// Connections of the role at most; at least the function's concurrency; without it, a new role gets 50, and one that exists
    /// keeps its limit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    connection_limit: Option<i32>,
    /// Let the role log in with IAM tokens instead of a password
    #[arg(long, conflicts_with_all = ["rotate", "secret"])]
    iam: bool,
    /// Create a new password; the function can log in at every moment
    #[arg(long)]
    rotate: bool,
    /// Name of the secret; without it INSTANCE/ROLE, or HOST/ROLE if there is no DB instance
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// Host at which the function reaches the server, such as an RDS Proxy's; without it, the host of this command
    #[arg(long)]
    host: Option<String>,
    /// Port at which the function reaches the server; without it, the port of this command
    #[arg(long)]
    port: Option<u16>,
    /// Leave PUBLIC, and so the role, its rights to create objects and temporary tables
    #[arg(long)]
    keep_public: bool,
    /// Only show the changes; exit status 3 if there are any
    #[arg(long)]
    check: bool,
}

/// The changes of the role, made or not.
#[derive(Debug, Serialize)]
struct Granted {
    role: String,
    changes: Vec<String>,
    contract: Contract,
    #[serde(skip)]
    is_check: bool,
    /// None before the secret exists.
    environment: Option<Environment>,
}

/// All that a grant would change.
struct Plan<'a> {
    role: role::Plan,
    /// None for a role that logs in with IAM tokens.
    secret: Option<(RoleSecret<'a>, PasswordChange)>,
}

impl Grant {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        let target = context.target().await?;
        let port = self.port.or(target.endpoint_port).ok_or_else(|| {
            Problem::new(
                "PGHOSTADDR names a tunnel, and the server's own port is unknown",
                "name the port at which the function reaches the server with --port",
            )
        })?;
        let host = self.host.clone().unwrap_or_else(|| target.login.host.clone());
        let address = Login { host, port, ..target.login.clone() };
        let granted = target
            .with_writing_session(async |session| {
                let contract = contract::inspect(&session.transaction().await?).await?;
                let role = self.choose_role(context, target, &address, session).await?;
                let login = Login { user: role, ..address };
                self.grant(context, target, session, &login, contract).await
            })
            .await?;
        context.show_check(&granted, self.check && !granted.changes.is_empty())
    }

    /// The name of the role. One that the function uses already stays, whatever the usual name is by now.
    async fn choose_role(
        &self,
        context: &Context,
        target: &Target,
        address: &Login,
        session: &mut Session,
    ) -> anyhow::Result<String> {
        if let Some(role) = &self.role {
            return Ok(role.clone());
        }
        let usual = role::usual_name(&address.dbname);
        let known = role::known(&session.transaction().await?, &[role::NAME, &usual]).await?;
        if let Some(granted) = known.iter().find(|role| role.is_granted) {
            return Ok(granted.name.clone());
        }
        if !self.iam && known.iter().any(|role| role.name == role::NAME) {
            // The role may be another database's. Or this one was dropped and created again, and the function follows the
            // secret.
            let secret = self.secret_name(target, role::NAME);
            let user = secrets::user_of(context.aws().await?, &secret, address).await?;
            if let Some(user) = user.filter(|user| user == role::NAME) {
                return Ok(user);
            }
        }
        let problem = format!("the role's usual name {usual} is longer than {} bytes", role::LONGEST_NAME);
        ensure!(usual.len() <= role::LONGEST_NAME, Problem::new(problem, "name the role with --role"));
        Ok(usual)
    }

    fn secret_name(&self, target: &Target, role: &str) -> String {
        let owner = target.instance.as_deref().unwrap_or(&target.login.host);
        self.secret.clone().unwrap_or_else(|| format!("{owner}/{role}"))
    }

    async fn grant(
        &self,
        context: &Context,
        target: &Target,
        session: &mut Session,
        login: &Login,
        contract: Contract,
    ) -> anyhow::Result<Granted> {
        let mut attempts = 1;
        let (changes, environment) = loop {
            let plan = self.plan(context, target, login, session).await?;
            let (changes, is_asked) = (plan.descriptions(), !plan.losses().is_empty());
            if self.check {
                break (changes, plan.environment(login));
            }
            let consent = ask(context, target, &plan, &login.user)?;
            match apply(target, session, plan, login, consent).await {
                // What was confirmed is not what would be done.
                Err(error) if is_outdated(&error) && !is_asked && attempts < MOST_ATTEMPTS => attempts += 1,
                environment => break (changes, Some(environment?)),
            }
        };
        Ok(Granted { role: login.user.clone(), changes, contract, is_check: self.check, environment })
    }

    /// Reads all that decides about the changes.
    async fn plan<'a>(
        &self,
        context: &'a Context,
        target: &Target,
        login: &Login,
        session: &mut Session,
    ) -> anyhow::Result<Plan<'a>> {
        let wanted = Role {
            name: login.user.clone(),
            authentication: if self.iam { Authentication::Iam } else { Authentication::Password },
            connection_limit: self.connection_limit,
            keeps_public: self.keep_public,
        };
        let role = role::plan(&session.transaction().await?, &wanted).await?;
        if self.iam {
            return Ok(Plan { role, secret: None });
        }
        let name = self.secret_name(target, &login.user);
        let secret = RoleSecret { aws: context.aws().await?, name, login: login.clone() };
        let change = PasswordChange::plan(target, &secret, !role.is_new, self.rotate).await?;
        let plan = Plan { role, secret: Some((secret, change)) };
        plan.ensure_unshared(login)?;
        Ok(plan)
    }
}

/// Asks before any role loses something.
fn ask(context: &Context, target: &Target, plan: &Plan<'_>, role: &str) -> anyhow::Result<Consent> {
    let losses = plan.losses();
    let reason = match plan.role.used_in.as_slice() {
        _ if plan.role.is_new => {
            format!("Other roles may rely on their rights in {}; --keep-public leaves them.", target.name())
        }
        [] => format!("The role {role} exists on {}, and a program may rely on it.", target.name()),
        others => format!("The role {role} is used in {} too, and a program may rely on it.", others.join(", ")),
    };
    let question = format!("{reason} This is to {}.", losses.join(", "));
    context.confirm_if(!losses.is_empty(), &question, role)
}

/// Makes the changes: those of the role and its password in one transaction.
async fn apply(
    target: &Target,
    session: &mut Session,
    plan: Plan<'_>,
    login: &Login,
    _consent: Consent,
) -> anyhow::Result<Environment> {
    let applied = role::apply(session, &plan.role).await?;
    let Some((secret, change)) = plan.secret else {
        applied.commit().await?;
        return Ok(Environment::with_tokens(login));
    };
    Ok(Environment::with_secret(change.apply(applied, target, &secret).await?))
}

/// Whether another session changed the role meanwhile.
fn is_outdated(error: &anyhow::Error) -> bool {
    let is_outdated = |error: &Error| matches!(error, Error::RoleChanged { .. }) || error.is_concurrent_change();
    error.chain().filter_map(|cause| cause.downcast_ref()).any(is_outdated)
}

/// A name that the server neither refuses nor cuts off.
/// <https://www.postgresql.org/docs/current/sql-createrole.html>
fn parse_role(name: &str) -> Result<String, String> {
    match name.len() {
        _ if name.starts_with("pg_") || ["public", "none"].contains(&name) => {
            Err("choose another name: PostgreSQL has reserved this one".to_owned())
        }
        1..=role::LONGEST_NAME => Ok(name.to_owned()),
        _ => Err(format!("use a name of 1 to {} bytes", role::LONGEST_NAME)),
    }
}

impl Plan<'_> {
    fn descriptions(&self) -> Vec<String> {
        let role = self.role.changes.iter().map(|change| change.description.clone());
        role.chain(self.password_description()).collect()
    }

    fn losses(&self) -> Vec<String> {
        let role = self.role.changes.iter().filter(|change| change.is_loss).map(|change| change.description.clone());
        let password = self.password_description();
        let is_loss = self.secret.as_ref().is_some_and(|(_, change)| change.replaces_unknown()) && !self.role.is_new;
        role.chain(password.filter(|_| is_loss)).collect()
    }

    fn password_description(&self) -> Option<String> {
        let (secret, change) = self.secret.as_ref()?;
        change.description(&secret.name, self.role.is_new)
    }

    /// Fails if a new password would lock the clients of other databases out: a role has one for the whole server.
    fn ensure_unshared(&self, login: &Login) -> anyhow::Result<()> {
        let used_in = &self.role.used_in;
        let usual = role::usual_name(&login.dbname);
        let problem = format!(
            "the role {} is used in {} too, and another password would lock its clients out there",
            login.user,
            used_in.join(", ")
        );
        let name = if usual == login.user || usual.len() > role::LONGEST_NAME { "NAME" } else { &usual };
        let remedy = format!("give this database a role of its own with --role {name}");
        ensure!(self.password_description().is_none() || used_in.is_empty(), Problem::new(problem, remedy));
        Ok(())
    }

    fn environment(&self, login: &Login) -> Option<Environment> {
        match &self.secret {
            None => Some(Environment::with_tokens(login)),
            Some((_, change)) => Some(Environment::with_secret(change.arn()?.to_owned())),
        }
    }
}

/// The first names of a list.
fn list(names: &[String]) -> String {
    const MOST: usize = 5;
    match names.len() {
        0 => "no table".to_owned(),
        1..=MOST => names.join(", "),
        all => format!("{} and {} more tables", names[..MOST].join(", "), all - MOST),
    }
}

impl Display for Granted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { role, changes, contract, is_check, environment } = self;
        let role = harmless(role);
        match (changes.as_slice(), is_check) {
            ([], _) => write!(f, "the role {role} needs no change")?,
            (_, true) => write!(f, "the role {role} needs these changes:")?,
            (_, false) => write!(f, "the role {role} is changed:")?,
        }
        changes.iter().try_for_each(|change| write!(f, "\n  {}", harmless(change)))?;
        let Contract { owner, writable_tables, warnings, .. } = contract;
        write!(
            f,
            "\ncognito.ensure_user runs as {}, who may write {}",
            harmless(owner),
            harmless(list(writable_tables))
        )?;
        warnings.iter().try_for_each(|warning| write!(f, "\n  warning: {}", harmless(warning)))?;
        match environment {
            Some(environment) => write!(f, "\n\n{environment}"),
            None => Ok(()),
        }
    }
}
