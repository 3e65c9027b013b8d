//! `provision db grant`

use std::fmt::{self, Display, Formatter};

use anyhow::{Context as _, ensure};
use clap::Args;
use db::contract::{self, Contract};
use db::role::{self, Authentication, Role};
use db::{Error, Kind, Login};
use secrecy::SecretString;
use serde::Serialize;

use crate::aws::secrets::{RoleSecret, Version};
use crate::cli::Context;
use crate::environment::Environment;
use crate::error::Problem;
use crate::output::Outcome;
use crate::prompt::Consent;
use crate::target::{Session, Target};
use crate::terminal::harmless;

/// Create the function's role and its secret
///
/// The role may call cognito.ensure_user, which writes a user's row, and has no other privilege. Its password goes straight into
/// a secret of its own in AWS Secrets Manager, also for a local database; with --iam it has none. A second run changes
/// nothing, and finishes an interrupted rotation. The command asks before any role loses a privilege.
#[derive(Debug, Args)]
pub(super) struct Grant {
    /// Name of the role
    #[arg(long, default_value = role::NAME)]
    role: String,
    /// Connections of the role at most; at least the function's concurrency
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..))]
    connection_limit: i32,
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

/// The change of the role's password.
enum PasswordChange {
    /// The server accepts the password that the secret holds.
    Keep(Version),
    /// A new one, for a secret that does not exist yet.
    Create,
    /// The one that the secret holds.
    SetFromSecret(Version),
    /// A new one, for a secret that exists.
    Rotate { current: Version },
    /// The pending one, of a rotation that was interrupted.
    FinishRotation { current: Version, pending: Version },
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
        let login = Login { host, port, user: self.role.clone(), ..target.login.clone() };
        let granted = target
            .with_writing_session(async |session| {
                let plan = self.plan(context, target, &login, session).await?;
                let changes = plan.descriptions();
                let contract = contract::inspect(&**session).await?;
                let environment = if self.check {
                    plan.environment(&login)
                } else {
                    let consent = self.ask(context, target, &plan)?;
                    Some(self.apply(target, session, plan, &login, consent).await?)
                };
                Ok(Granted { role: self.role.clone(), changes, contract, is_check: self.check, environment })
            })
            .await?;
        context.show_check(&granted, self.check && !granted.changes.is_empty())
    }

    /// Reads all that decides about the changes.
    async fn plan<'a>(
        &self,
        context: &'a Context,
        target: &Target,
        login: &Login,
        session: &Session,
    ) -> anyhow::Result<Plan<'a>> {
        let wanted = Role {
            name: self.role.clone(),
            authentication: if self.iam { Authentication::Iam } else { Authentication::Password },
            connection_limit: self.connection_limit,
            keeps_public: self.keep_public,
        };
        if self.iam {
            return Ok(Plan { role: role::plan(&**session, &wanted).await?, secret: None });
        }
        let owner = target.instance.as_deref().unwrap_or(&target.login.host);
        let name = self.secret.clone().unwrap_or_else(|| format!("{owner}/{}", self.role));
        let secret = RoleSecret { aws: context.aws().await?, name, login: login.clone() };
        let current = secret.read("AWSCURRENT").await?;
        let role = role::plan(&**session, &wanted).await?;
        let change = match current {
            None => PasswordChange::Create,
            Some(current) => match secret.read("AWSPENDING").await?.filter(|pending| pending.id != current.id) {
                Some(pending) => PasswordChange::FinishRotation { current, pending },
                None if self.rotate => PasswordChange::Rotate { current },
                None if !role.is_new && is_accepted(target, &self.role, &current.password).await? => {
                    PasswordChange::Keep(current)
                }
                None => PasswordChange::SetFromSecret(current),
            },
        };
        Ok(Plan { role, secret: Some((secret, change)) })
    }

    /// Asks before any role loses something.
    fn ask(&self, context: &Context, target: &Target, plan: &Plan<'_>) -> anyhow::Result<Consent> {
        let losses = plan.losses();
        let reason = if plan.role.is_new {
            format!("Other roles may rely on their rights in {}; --keep-public leaves them.", target.name())
        } else {
            format!("The role {} exists on {}, and a program may rely on it.", self.role, target.name())
        };
        let question = format!("{reason} This is to {}.", losses.join(", "));
        context.confirm_if(!losses.is_empty(), &question, &self.role)
    }

    /// Makes the changes: those of the role and its password in one transaction.
    async fn apply(
        &self,
        target: &Target,
        session: &mut Session,
        plan: Plan<'_>,
        login: &Login,
        _consent: Consent,
    ) -> anyhow::Result<Environment> {
        if let Some((secret, change)) = &plan.secret {
            change.ensure_up_to_date(secret).await?;
        }
        let applied = role::apply(session, &plan.role).await?;
        let Some((secret, change)) = plan.secret else {
            applied.commit().await?;
            return Ok(Environment::with_tokens(login));
        };
        let arn = match change {
            PasswordChange::Keep(current) => {
                applied.commit().await?;
                current.arn
            }
            PasswordChange::Create => {
                let password = new_password()?;
                applied.set_password(&password).await?;
                // The server has accepted all changes. If this run ends before the commit, the next one finds the password.
                let arn = secret.create(&password).await?;
                applied.commit().await?;
                ensure_accepted(target, &self.role, &password).await?;
                arn
            }
            PasswordChange::SetFromSecret(current) => {
                applied.set_password(&current.password).await?;
                applied.commit().await?;
                ensure_accepted(target, &self.role, &current.password).await?;
                current.arn
            }
            PasswordChange::Rotate { current } => {
                let password = new_password()?;
                // A function that is refused in between finds the new password by its stage.
                let pending = secret.put_pending(&password).await?;
                applied.set_password(&password).await?;
                applied.commit().await?;
                ensure_accepted(target, &self.role, &password).await?;
                secret.promote(&current.id, &pending).await?;
                current.arn
            }
            PasswordChange::FinishRotation { current, pending } => {
                applied.set_password(&pending.password).await?;
                applied.commit().await?;
                ensure_accepted(target, &self.role, &pending.password).await?;
                secret.promote(&current.id, &pending.id).await?;
                current.arn
            }
        };
        Ok(Environment::with_secret(arn))
    }
}

impl PasswordChange {
    /// Fails if the secret was changed since it was read: its password may be another one by now.
    async fn ensure_up_to_date(&self, secret: &RoleSecret<'_>) -> anyhow::Result<()> {
        let id = |version: Option<Version>| version.map(|version| version.id);
        let (current, pending) = (id(secret.read("AWSCURRENT").await?), id(secret.read("AWSPENDING").await?));
        let is_planned = match self {
            Self::Create => current.is_none(),
            Self::Keep(planned) | Self::SetFromSecret(planned) | Self::Rotate { current: planned } => {
                current.as_ref() == Some(&planned.id) && pending.is_none_or(|pending| pending == planned.id)
            }
            Self::FinishRotation { current: planned, pending: other } => {
                current.as_ref() == Some(&planned.id) && pending.as_ref() == Some(&other.id)
            }
        };
        let problem = format!("the secret {} was changed meanwhile, so nothing was done", secret.name);
        ensure!(is_planned, Problem::new(problem, "run this again to see what has to change now"));
        Ok(())
    }
}

impl Plan<'_> {
    fn descriptions(&self) -> Vec<String> {
        let role = self.role.changes.iter().map(|change| change.description.clone());
        role.chain(self.password_description()).collect()
    }

    fn losses(&self) -> Vec<String> {
        let role = self.role.changes.iter().filter(|change| change.is_loss).map(|change| change.description.clone());
        let is_replaced = matches!(&self.secret, Some((_, PasswordChange::Create))) && !self.role.is_new;
        role.chain(is_replaced.then(|| "replace its password".to_owned())).collect()
    }

    fn password_description(&self) -> Option<String> {
        let (secret, change) = self.secret.as_ref()?;
        Some(match change {
            PasswordChange::Keep(_) => return None,
            PasswordChange::Create if self.role.is_new => format!("create its password in the secret {}", secret.name),
            PasswordChange::Create => format!("replace its password by a new one, in the secret {}", secret.name),
            PasswordChange::SetFromSecret(_) => format!("set its password to the one in the secret {}", secret.name),
            PasswordChange::Rotate { .. } => "rotate its password".to_owned(),
            PasswordChange::FinishRotation { .. } => "finish the rotation of its password".to_owned(),
        })
    }

    fn environment(&self, login: &Login) -> Option<Environment> {
        let Some((_, change)) = &self.secret else { return Some(Environment::with_tokens(login)) };
        match change {
            PasswordChange::Create => None,
            PasswordChange::Keep(current)
            | PasswordChange::SetFromSecret(current)
            | PasswordChange::Rotate { current }
            | PasswordChange::FinishRotation { current, .. } => Some(Environment::with_secret(current.arn.clone())),
        }
    }
}

/// Whether the server accepts this password of the role.
async fn is_accepted(target: &Target, role: &str, password: &SecretString) -> anyhow::Result<bool> {
    let login = Login { user: role.to_owned(), password: password.clone(), ..target.login.clone() };
    match target.accepts(login).await {
        Ok(()) => Ok(true),
        Err(Error::CredentialsRejected { .. }) => Ok(false),
        // The server checks the CONNECT privilege and the role's own limit after the password. It checks its own limit
        // before: that proves nothing.
        Err(error) if [Kind::NotAllowed, Kind::TooManyConnections].contains(&error.kind()) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

async fn ensure_accepted(target: &Target, role: &str, password: &SecretString) -> anyhow::Result<()> {
    ensure!(
        is_accepted(target, role, password).await?,
        Problem::new(
            format!("the server refuses {role} with its new password"),
            "check whether it is in rds_iam and so needs IAM tokens, and look for it in pg_hba.conf"
        )
    );
    Ok(())
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

/// 192 random bits, in letters and digits.
fn new_password() -> anyhow::Result<SecretString> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).context("the system has no random numbers")?;
    Ok(hex::encode(bytes).into())
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
