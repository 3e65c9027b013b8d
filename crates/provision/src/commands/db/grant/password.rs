//! The password of the function's role: in the database and in its secret.

use anyhow::{Context as _, ensure};
use db::role::Applied;
use db::{Error, Kind, Login};
use secrecy::SecretString;

use crate::aws::secrets::{RoleSecret, Version};
use crate::error::Problem;
use crate::target::Target;

/// The change of the role's password.
pub(super) enum PasswordChange {
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

impl PasswordChange {
    /// Reads what decides about it. `exists` is whether the role does.
    pub(super) async fn plan(
        target: &Target,
        secret: &RoleSecret<'_>,
        exists: bool,
        rotate: bool,
    ) -> anyhow::Result<Self> {
        let Some(current) = secret.read("AWSCURRENT").await? else { return Ok(Self::Create) };
        if let Some(pending) = secret.read("AWSPENDING").await?.filter(|pending| pending.id != current.id) {
            return Ok(Self::FinishRotation { current, pending });
        }
        if rotate {
            return Ok(Self::Rotate { current });
        }
        let is_known = exists && refusal(target, &secret.login.user, &current.password).await?.is_none();
        Ok(if is_known { Self::Keep(current) } else { Self::SetFromSecret(current) })
    }

    /// Makes the change together with the others, and returns the secret's ARN.
    pub(super) async fn apply(
        self,
        applied: Applied<'_>,
        target: &Target,
        secret: &RoleSecret<'_>,
    ) -> anyhow::Result<String> {
        self.ensure_up_to_date(secret).await?;
        let commit = async |applied: Applied<'_>, password: &SecretString| {
            applied.set_password(password).await?;
            applied.commit().await?;
            ensure_accepted(target, &secret.login.user, password).await
        };
        Ok(match self {
            Self::Keep(current) => {
                applied.commit().await?;
                current.arn
            }
            Self::Create => {
                let password = new_password()?;
                applied.set_password(&password).await?;
                // The server has accepted all changes. If this run ends before the commit, the next one finds the password.
                let arn = secret.create(&password).await?;
                applied.commit().await?;
                ensure_accepted(target, &secret.login.user, &password).await?;
                arn
            }
            Self::SetFromSecret(current) => {
                commit(applied, &current.password).await?;
                current.arn
            }
            Self::Rotate { current } => {
                let password = new_password()?;
                // A function that is refused in between finds the new password by its stage.
                let pending = secret.put_pending(&password).await?;
                commit(applied, &password).await?;
                secret.promote(&current.id, &pending).await?;
                current.arn
            }
            Self::FinishRotation { current, pending } => {
                commit(applied, &pending.password).await?;
                secret.promote(&current.id, &pending.id).await?;
                current.arn
            }
        })
    }

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

    /// The change in words, if there is one.
    pub(super) fn description(&self, secret: &str, is_new_role: bool) -> Option<String> {
        Some(match self {
            Self::Keep(_) => return None,
            Self::Create if is_new_role => format!("create its password in the secret {secret}"),
            Self::Create => format!("replace its password by a new one, in the secret {secret}"),
            Self::SetFromSecret(_) => format!("set its password to the one in the secret {secret}"),
            Self::Rotate { .. } => "rotate its password".to_owned(),
            Self::FinishRotation { .. } => "finish the rotation of its password".to_owned(),
        })
    }

    /// Whether it replaces a password that another secret may hold. A rotation keeps those who follow the secret.
    pub(super) fn replaces_unknown(&self) -> bool {
        matches!(self, Self::Create | Self::SetFromSecret(_))
    }

    /// The ARN of the secret, if it exists.
    pub(super) fn arn(&self) -> Option<&str> {
        match self {
            Self::Create => None,
            Self::Keep(current)
            | Self::SetFromSecret(current)
            | Self::Rotate { current }
            | Self::FinishRotation { current, .. } => Some(&current.arn),
        }
    }
}

/// The server's refusal of this password of the role, if it refuses it.
async fn refusal(target: &Target, role: &str, password: &SecretString) -> anyhow::Result<Option<Error>> {
    let login = Login { user: role.to_owned(), password: password.clone(), ..target.login.clone() };
    match target.accepts(login).await {
        Ok(()) => Ok(None),
        Err(error @ Error::CredentialsRejected { .. }) => Ok(Some(error)),
        // The server checks the CONNECT privilege and the role's own limit after the password. It checks its own limit
        // before: that proves nothing.
        Err(error) if [Kind::NotAllowed, Kind::TooManyConnections].contains(&error.kind()) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn ensure_accepted(target: &Target, role: &str, password: &SecretString) -> anyhow::Result<()> {
    let Some(error) = refusal(target, role, password).await? else { return Ok(()) };
    let remedy = match error.sqlstate() {
        // A pooler's own.
        Some("08P01") => "add the role to the pooler's auth_file, or name the server itself, then run this again",
        _ => "check whether it is in rds_iam and so needs IAM tokens, and look for it in pg_hba.conf",
    };
    let problem = format!("{role} is granted, but refused with its new password");
    Err(Problem::new(problem, remedy).because(error).into())
}

/// 192 random bits, in letters and digits.
fn new_password() -> anyhow::Result<SecretString> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).context("the system has no random numbers")?;
    Ok(hex::encode(bytes).into())
}
