//! `provision instance rotate-password`

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::password_file::read_password;
use super::{WaitArgs, in_full};
use crate::aws::rds::{self, DbInstance};
use crate::cli::Context;
use crate::declaration::{Declaration, Password};
use crate::error::Problem;
use crate::prompt::progress;

/// Replace the master user's password
///
/// A managed password is replaced by RDS, and programs read the new one from its secret. A given one is replaced by that in
/// --password-file.
#[derive(Debug, Args)]
pub(super) struct RotatePassword {
    /// File with the new password, if the password is not managed by RDS; `-` is standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    wait: WaitArgs,
}

/// A password that was replaced.
#[derive(Debug, Serialize)]
pub(super) struct Rotated {
    identifier: String,
    user: String,
    secret_arn: Option<String>,
}

impl RotatePassword {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Rotated> {
        let limit = self.wait.limit.start();
        let password = self.password_file.as_deref().map(read_password).transpose()?;
        let declaration = context.declaration()?;
        let identifier = &declaration.identifier;
        let aws = context.aws().await?;
        let instance = rds::require_own_instance(aws, identifier).await?;
        let user = instance.master_username().unwrap_or_default().to_owned();
        let secret_arn = instance.master_user_secret.as_ref().and_then(|secret| secret.secret_arn.clone());
        let is_managed = instance.master_user_secret.is_some();
        ensure!(
            !is_managed || password.is_none(),
            Problem::new(
                format!("RDS manages the password of {user}"),
                if declaration.master.password == Password::Given {
                    "make it the given one with `provision instance apply --password-file`"
                } else {
                    "leave --password-file out"
                }
            )
        );
        ensure!(
            is_managed || password.is_some(),
            Problem::new(
                format!("the password of {user} is not managed by RDS"),
                "name the file with the new one with --password-file"
            )
        );
        let question = format!("This replaces the password of {user} in {}.", in_full(aws, &instance).await?);
        // RDS rotates only in a request that makes every queued change as well.
        let queue_of = |instance: &DbInstance| if is_managed { queue(instance, declaration) } else { Ok(Vec::new()) };
        let mut asked = queue_of(&instance)?;
        loop {
            let others = if asked.is_empty() {
                String::new()
            } else {
                format!(" RDS makes what is queued at the same time: {}.", asked.join(", "))
            };
            let _consent = context.confirm(&format!("{question}{others}"), "yes")?;
            // An answer and a wait may take hours.
            let found = queue_of(&self.wait.until_modifiable(aws, identifier, limit).await?)?;
            if found.iter().all(|change| asked.contains(change)) {
                break;
            }
            progress("the DB instance has changed meanwhile");
            asked = found;
        }
        match password {
            Some(password) => rds::replace_password(aws, identifier, &password).await?,
            None => rds::rotate_password(aws, identifier).await?,
        }
        if !self.wait.no_wait {
            rds::wait_for_change(aws, identifier, "available", limit, |_| false).await?;
        }
        Ok(Rotated { identifier: identifier.clone(), user, secret_arn })
    }
}

/// What RDS has queued, or may have. Fails if that is another name.
fn queue(instance: &DbInstance, declaration: &Declaration) -> Result<Vec<String>, Problem> {
    let queue = rds::pending_changes(instance);
    if let Some(change) = queue.iter().find(|change| change.attribute == rds::IDENTIFIER) {
        return Err(rds::renaming(&declaration.identifier, &change.to).because("a rotation would carry it out"));
    }
    let mut queue: Vec<String> = queue.iter().map(|change| format!("{} → {}", change.attribute, change.to)).collect();
    let network = declaration.network.kind.name();
    if instance.network_type().is_some_and(|deployed| deployed != network) {
        // RDS does not report it.
        queue.push(format!("network.type → {network}, if it is queued"));
    }
    Ok(queue)
}

impl Display for Rotated {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { identifier, user, secret_arn } = self;
        write!(f, "the password of {user} in {identifier} is replaced")?;
        secret_arn.as_ref().map_or(Ok(()), |secret| write!(f, "; the new one is in {secret}"))
    }
}
