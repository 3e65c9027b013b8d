//! `provision db grant`

use std::fmt::{self, Display, Formatter};

use anyhow::{Context, bail};
use db::role::{self, Entrance};
use db::{Budget, Database, Error, Login};
use secrecy::SecretString;
use serde::Serialize;

use super::secret::RoleSecret;
use super::target::Target;
use crate::aws::Aws;

/// How long the server may take to let the role in.
const LOGIN_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// What to grant.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) role: String,
    pub(crate) connection_limit: i32,
    /// Where the function finds the server, if not where we do.
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
}

/// How the role is to log in.
#[derive(Debug)]
pub(crate) enum Entry<'a> {
    Iam,
    /// With the password in this secret; `rotate` makes a new one.
    Secret {
        aws: &'a Aws,
        name: String,
        rotate: bool,
    },
}

/// The role as it now is.
#[derive(Debug, Serialize)]
pub(crate) struct Granted {
    role: String,
    changes: Vec<String>,
    /// What the function's environment needs.
    environment: Vec<(&'static str, String)>,
}

pub(crate) async fn grant(target: &Target, grant: Grant, entry: Entry<'_>) -> anyhow::Result<Granted> {
    let Grant { role, connection_limit, host, port } = grant;
    let mut session = target.connect().await?;
    let entrance = if matches!(entry, Entry::Iam) { Entrance::Iam } else { Entrance::Password };
    let mut changes = role::restrict(&mut session, &role, entrance, connection_limit).await?;

    let login = Login {
        host: host.unwrap_or_else(|| target.login.host.clone()),
        port: port.unwrap_or(target.endpoint_port),
        user: role.clone(),
        ..target.login.clone()
    };
    let environment = match entry {
        Entry::Iam => vec![
            ("DB_AUTH", "iam".to_owned()),
            ("PGHOST", login.host),
            ("PGPORT", login.port.to_string()),
            ("PGDATABASE", login.dbname),
            ("PGUSER", login.user),
        ],
        Entry::Secret { aws, name, rotate } => {
            let keys = Keys { target, session: &session, role: &role };
            let secret = RoleSecret { aws, name: &name, login: &login };
            let (arn, more) = keys.settle(&secret, rotate).await?;
            changes.extend(more);
            vec![("DB_SECRET_ID", arn)]
        }
    };
    session.close().await;
    Ok(Granted { role, changes, environment })
}

/// Both ends of a password: the database and the secret.
struct Keys<'a> {
    target: &'a Target,
    session: &'a db::Session,
    role: &'a str,
}

impl Keys<'_> {
    /// Leaves the database and the secret with the same password, however far an interrupted run had come. Returns the
    /// secret's ARN and what had to change.
    async fn settle(&self, secret: &RoleSecret<'_>, rotate: bool) -> anyhow::Result<(String, Vec<String>)> {
        let Some(current) = secret.read("AWSCURRENT").await? else {
            // The secret first: from a run that ends here the next one learns the password.
            let password = new_password()?;
            let arn = secret.create(&password).await?;
            role::set_password(self.session, self.role, &password).await?;
            self.check(&password).await?;
            return Ok((arn, vec![format!("made a password and the secret {}", secret.name)]));
        };
        let pending = secret.read("AWSPENDING").await?.filter(|pending| pending.version != current.version);
        if let Some(pending) = pending {
            self.finish(secret, &current.version, &pending.version, &pending.password).await?;
            return Ok((current.arn, vec!["finished a rotation that had begun".to_owned()]));
        }
        if rotate {
            // A function that is refused in between finds the new password by its stage.
            let password = new_password()?;
            let version = secret.put_pending(&password).await?;
            self.finish(secret, &current.version, &version, &password).await?;
            return Ok((current.arn, vec!["rotated the password".to_owned()]));
        }
        if self.is_let_in(&current.password).await? {
            return Ok((current.arn, Vec::new()));
        }
        role::set_password(self.session, self.role, &current.password).await?;
        self.check(&current.password).await?;
        Ok((current.arn, vec!["set the password that the secret holds".to_owned()]))
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
        if !self.is_let_in(password).await? {
            bail!("the server does not let {} in with its new password; look for it in pg_hba.conf", self.role);
        }
        Ok(())
    }

    async fn is_let_in(&self, password: &SecretString) -> anyhow::Result<bool> {
        let login = Login { user: self.role.to_owned(), password: password.clone(), ..self.target.login.clone() };
        match Database::new(login.into(), "provision").connect(Budget::new(LOGIN_LIMIT)).await {
            Ok(session) => {
                session.close().await;
                Ok(true)
            }
            Err(Error::CredentialsRejected { .. }) => Ok(false),
            // It was let in, and then there was no connection left for it.
            Err(error) if error.kind() == "TooManyConnections" => Ok(true),
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
        write!(f, "for the function's environment:")?;
        for (name, value) in &self.environment {
            write!(f, "\n  {name}={value}")?;
        }
        Ok(())
    }
}
