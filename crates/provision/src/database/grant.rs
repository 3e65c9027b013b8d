//! `provision db grant`

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::{Context, ensure};
use db::role::{self, Entrance};
use db::{Budget, Database, Error, Login, Session};
use secrecy::SecretString;
use serde::Serialize;

use super::secret::{RoleSecret, Version};
use crate::aws::Aws;
use crate::output::Environment;
use crate::talk::confirm;
use crate::target::Target;

/// How long the server may take to let the role in.
const LOGIN_LIMIT: Duration = Duration::from_secs(10);

/// What to grant.
#[derive(Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) role: String,
    pub(crate) connection_limit: i32,
    /// Where the function finds the server, if not where we do.
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    /// Where its password is; without one it logs in with IAM tokens.
    pub(crate) password: Option<PasswordSecret<'a>>,
    /// The operator has agreed beforehand to what an existing role loses.
    pub(crate) agreed: bool,
}

/// The secret with the role's password.
#[derive(Debug)]
pub(crate) struct PasswordSecret<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) name: String,
    /// Make a new password.
    pub(crate) rotate: bool,
}

/// The role as it now is.
#[derive(Debug, Serialize)]
pub(crate) struct Granted {
    role: String,
    changes: Vec<String>,
    environment: Environment,
}

pub(crate) async fn grant(target: &Target, grant: Grant<'_>) -> anyhow::Result<Granted> {
    let Grant { role, connection_limit, host, port, password, agreed } = grant;
    let port = port.or(target.endpoint_port).context(
        "PGHOSTADDR leads through a tunnel, and nothing else tells the server's port; say with --port where the function \
         finds it",
    )?;
    let host = host.unwrap_or_else(|| target.login.host.clone());
    let login = Login { host, port, user: role.clone(), ..target.login.clone() };
    let secret = password.as_ref().map(|PasswordSecret { aws, name, .. }| RoleSecret { aws, name, login: &login });
    let current = match &secret {
        Some(secret) => secret.read("AWSCURRENT").await?,
        None => None,
    };

    let mut session = target.connect().await?;
    let entrance = if secret.is_some() { Entrance::Password } else { Entrance::Iam };
    let restriction = role::restrict(&mut session, &role, entrance, connection_limit).await?;
    let mut losses = restriction.taken.clone();
    if secret.is_some() && current.is_none() && !restriction.is_new {
        losses.push("its password is replaced".to_owned());
    }
    if !losses.is_empty() {
        let question = format!(
            "The role {role} on {} is there already, and somebody may rely on it: {}.",
            target.name(),
            losses.join(", ")
        );
        confirm(&question, &role, agreed)?;
    }
    let mut changes = [restriction.taken.clone(), restriction.given.clone()].concat();

    let Some((secret, PasswordSecret { rotate, .. })) = secret.zip(password.as_ref()) else {
        restriction.commit().await?;
        session.close().await;
        let environment = BTreeMap::from([
            ("DB_AUTH", "iam".to_owned()),
            ("PGHOST", login.host),
            ("PGPORT", login.port.to_string()),
            ("PGDATABASE", login.dbname),
            ("PGUSER", login.user),
        ]);
        return Ok(Granted { role, changes, environment: Environment(environment) });
    };
    let arn = if let Some(current) = current {
        restriction.commit().await?;
        let password = RolePassword { target, session: &session, role: &role };
        changes.extend(password.settle(&secret, &current, *rotate).await?.map(str::to_owned));
        current.arn
    } else {
        let password = new_password()?;
        restriction.set_password(&password).await?;
        // The server has agreed. From a run that ends before the commit, the next one learns the password.
        let arn = secret.create(&password).await?;
        restriction.commit().await?;
        RolePassword { target, session: &session, role: &role }.check(&password).await?;
        changes.push(format!("its password is in the secret {}", secret.name));
        arn
    };
    session.close().await;
    Ok(Granted { role, changes, environment: Environment([("DB_SECRET_ID", arn)].into()) })
}

/// The role's password, as the database has it.
struct RolePassword<'a> {
    target: &'a Target,
    session: &'a Session,
    role: &'a str,
}

impl RolePassword<'_> {
    /// Leaves the database and the secret with the same password, however far an interrupted run had come. Returns what
    /// had to change.
    async fn settle(
        &self,
        secret: &RoleSecret<'_>,
        current: &Version,
        rotate: bool,
    ) -> anyhow::Result<Option<&'static str>> {
        let pending = secret.read("AWSPENDING").await?.filter(|pending| pending.version != current.version);
        if let Some(pending) = pending {
            self.finish(secret, &current.version, &pending.version, &pending.password).await?;
            return Ok(Some("a rotation that had begun is finished"));
        }
        if rotate {
            // A function that is refused in between finds the new password by its stage.
            let password = new_password()?;
            let version = secret.put_pending(&password).await?;
            self.finish(secret, &current.version, &version, &password).await?;
            return Ok(Some("its password is rotated"));
        }
        if self.is_let_in(&current.password).await? {
            return Ok(None);
        }
        role::set_password(self.session, self.role, &current.password).await?;
        self.check(&current.password).await?;
        Ok(Some("its password is set to what the secret holds"))
    }

    async fn finish(
        &self,
        secret: &RoleSecret<'_>,
        old: &str,
        new: &str,
        password: &SecretString,
    ) -> anyhow::Result<()> {
        role::set_password(self.session, self.role, password).await?;
        self.check(password).await?;
        secret.promote(old, new).await
    }

    async fn check(&self, password: &SecretString) -> anyhow::Result<()> {
        ensure!(
            self.is_let_in(password).await?,
            "the server does not let {} in with its new password; see whether it takes IAM tokens alone (rds_iam), or \
             look for the role in pg_hba.conf",
            self.role
        );
        Ok(())
    }

    async fn is_let_in(&self, password: &SecretString) -> anyhow::Result<bool> {
        let login = Login { user: self.role.to_owned(), password: password.clone(), ..self.target.login.clone() };
        match Database::new(login.into(), "provision").connect(&Budget::new(LOGIN_LIMIT)).await {
            Ok(session) => {
                session.close().await;
                Ok(true)
            }
            Err(Error::CredentialsRejected { .. }) => Ok(false),
            // The role's own limit is looked at after its password. The server's is looked at before it, and tells nothing.
            Err(error) if error.kind() == db::Kind::TooManyConnections => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

/// 192 random bits, in letters and digits.
fn new_password() -> anyhow::Result<SecretString> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(hex::encode(bytes).into())
}

impl Display for Granted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            writeln!(f, "the role {} is as it should be", self.role)?;
        }
        for change in &self.changes {
            writeln!(f, "{change}")?;
        }
        write!(f, "\n{}", self.environment)
    }
}
