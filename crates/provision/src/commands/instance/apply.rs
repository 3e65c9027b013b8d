//! `provision instance apply`

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use secrecy::SecretString;
use serde::Serialize;

use super::WaitArgs;
use super::plan::{Changes, Deployed};
use crate::aws::rds::{self, ATTRIBUTES, DbInstance, When};
use crate::aws::{Aws, ec2};
use crate::cli::Context;
use crate::declaration::{Declaration, Password};
use crate::environment::Environment;
use crate::error::Problem;
use crate::prompt::progress;

/// Create or change the DB instance as declared
///
/// Each step adopts what exists, so a second run continues an interrupted one.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// Make changes at once that would wait for the maintenance window, with their interruption
    #[arg(long)]
    now: bool,
    /// File with the master password, if the declaration says "given"; `-` is standard input
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
}

impl Apply {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Applied> {
        let mut declaration = context.declaration()?.clone();
        let limit = self.wait.limit.start();
        let identifier = declaration.identifier.clone();
        let aws = context.aws().await?;
        let password = self.password_file.as_deref().map(read_password).transpose()?;
        let deployed = Deployed::find(aws, &declaration).await?;
        let plan = Changes::new(&declaration, &deployed);
        ensure_possible(&identifier, &plan)?;
        ensure!(
            declaration.master.password == Password::Managed || password.is_some() || deployed.instance.is_some(),
            Problem::new(
                "master.password is \"given\", and there is no password",
                "name its file with --password-file; `-` is standard input"
            )
        );
        if !plan.is_empty() {
            progress(&plan.to_string());
            let _consent =
                context.confirm(&format!("This changes {identifier} ({}) as shown.", aws.place().await?), "yes")?;
        }

        if declaration.network.security_group.is_none() {
            let group = match deployed.security_group {
                Some(group) => group,
                None => create_security_group(aws, &declaration).await?,
            };
            declaration.network.security_group = Some(group);
        }
        ensure_parameters(aws, &declaration, deployed.parameters).await?;
        match &deployed.instance {
            None => {
                if rds::create_instance(aws, &declaration, password).await? {
                    progress(&format!("{identifier} is being created; that takes about ten minutes"));
                }
            }
            Some(instance) => {
                if !self.wait.no_wait && plan.changes.iter().any(|change| change.subject == "instance") {
                    rds::wait_until_modifiable(aws, &identifier, limit).await?;
                }
                modify_instance(aws, &declaration, instance, self.now).await?;
            }
        }
        let instance = if self.wait.no_wait {
            rds::require_instance(aws, &identifier).await?
        } else if plan.is_empty() {
            rds::wait_for_status(aws, &identifier, "available", limit).await?
        } else {
            let is_queued = !self.now && plan.changes.iter().any(|change| change.when != When::AtOnce);
            let is_visible = |instance: &DbInstance| {
                ATTRIBUTES.iter().all(|attribute| attribute.difference(&declaration, instance).is_none())
                    && (is_queued || rds::pending_changes(instance).is_empty())
            };
            rds::wait_for_change(aws, &identifier, "available", limit, is_visible).await?
        };
        Ok(Applied::new(&declaration, instance))
    }
}

fn read_password(file: &Path) -> anyhow::Result<SecretString> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.with_context(|| format!("cannot read the password from {}", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).into())
}

fn ensure_possible(identifier: &str, plan: &Changes) -> anyhow::Result<()> {
    let replaced: Vec<_> = plan.changes.iter().filter(|change| change.when == When::Replace).collect();
    for change in &replaced {
        progress(&change.to_string());
    }
    ensure!(
        replaced.is_empty(),
        Problem::new(
            format!("{identifier} cannot be changed to match the declaration"),
            "correct the declaration, or snapshot, delete and apply again"
        )
    );
    Ok(())
}

async fn create_security_group(aws: &Aws, declaration: &Declaration) -> anyhow::Result<String> {
    let name = &declaration.identifier;
    if let Some(group) = ec2::create_security_group(aws, declaration).await? {
        progress(&format!("created the security group {group} ({name}); open it with `provision access allow`"));
        return Ok(group);
    }
    ec2::find_security_group(aws, declaration)
        .await?
        .ok_or_else(|| Problem::new(format!("the security group {name} existed a moment ago"), "run this again").into())
}

async fn ensure_parameters(
    aws: &Aws,
    declaration: &Declaration,
    deployed: Option<BTreeMap<String, String>>,
) -> anyhow::Result<()> {
    let name = &declaration.identifier;
    if deployed.is_none() && rds::create_parameter_group(aws, declaration).await? {
        progress(&format!("created the parameter group {name}"));
    }
    let deployed = deployed.unwrap_or_default();
    let changed = declaration.parameters.iter().filter(|(key, value)| deployed.get(*key) != Some(value));
    rds::set_parameters(aws, name, changed).await
}

async fn modify_instance(aws: &Aws, declaration: &Declaration, instance: &DbInstance, now: bool) -> anyhow::Result<()> {
    for at_once in [true, false] {
        let keys = rds::modify_instance(aws, declaration, instance, at_once, now).await?;
        if !keys.is_empty() {
            progress(&format!("{}: changed {}", declaration.identifier, keys.join(", ")));
        }
    }
    rds::add_tags(aws, declaration, instance).await
}

impl Applied {
    fn new(declaration: &Declaration, instance: DbInstance) -> Self {
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
        Self { identifier: declaration.identifier.clone(), status, host, port, secret_arn, environment }
    }
}

impl Display for Applied {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { identifier, status, environment, .. } = self;
        write!(f, "{identifier} is {status}\n\n{environment}")?;
        if self.secret_arn.is_some() {
            f.write_str(
                "\n\nThis is the master user's login. `provision db grant --prod` creates a role with fewer privileges.",
            )?;
        }
        Ok(())
    }
}
