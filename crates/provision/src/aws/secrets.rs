//! AWS Secrets Manager: the secret with the function's login, in the shape that RDS writes.

#[cfg(feature = "instance")]
use std::time::SystemTime;

use anyhow::{Context, bail};
#[cfg(feature = "instance")]
use aws_sdk_secretsmanager::config::{Builder, Region};
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
#[cfg(feature = "instance")]
use db::AwsError;
use db::{Login, role};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

#[cfg(feature = "instance")]
use super::Place;
use super::{Aws, Explain};
use crate::error::Problem;

/// The secret of a role: its name, and the login that it must hold. Only the password is its own.
#[derive(Debug)]
pub(crate) struct RoleSecret<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) name: String,
    pub(crate) login: Login,
}

/// What is known of a secret without its content.
#[cfg(feature = "instance")]
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) arn: String,
    pub(crate) name: String,
    /// Whether it is marked for deletion.
    pub(crate) is_deleted: bool,
    /// The KMS key of its own, if it has one.
    pub(crate) kms_key: Option<String>,
    pub(crate) is_rotated: bool,
    /// The time by which the next rotation is due.
    pub(crate) next_rotation: Option<SystemTime>,
    /// When the version was written that waits for its turn, if one does.
    pub(crate) pending_since: Option<SystemTime>,
}

/// One version of a secret.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) arn: String,
    pub(crate) id: String,
    pub(crate) password: SecretString,
}

#[derive(Deserialize)]
struct Content {
    host: String,
    port: Port,
    dbname: String,
    username: String,
    /// Empty in a secret that was declared before there was a password.
    password: SecretString,
}

/// A port as the function reads it: some writers quote it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

impl Content {
    /// The parser's own message may quote the secret.
    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn port(&self) -> Option<u16> {
        match &self.port {
            Port::Number(port) => Some(*port),
            Port::Text(text) => text.trim().parse().ok(),
        }
    }

    /// Whether it is for this server and database, whoever logs in.
    fn is_at(&self, Login { host, port, dbname, .. }: &Login) -> bool {
        self.host.eq_ignore_ascii_case(host) && self.port() == Some(*port) && self.dbname == *dbname
    }
}

/// The user in the secret by this name, if there is such a secret for this server and database. One that may not be read
/// counts as absent: a policy allows the function's secret alone.
pub(crate) async fn user_of(aws: &Aws, name: &str, address: &Login) -> anyhow::Result<Option<String>> {
    let answer = aws.secrets.get_secret_value().secret_id(name).send().await;
    let absent = ["AccessDeniedException", "InvalidRequestException", "ResourceNotFoundException"];
    if answer.as_ref().err().and_then(|error| error.code()).is_some_and(|code| absent.contains(&code)) {
        return Ok(None);
    }
    let answer = answer.explain("secretsmanager:GetSecretValue")?;
    let content = answer.secret_string().and_then(Content::parse).filter(|content| content.is_at(address));
    Ok(content.map(|content| content.username))
}

/// Describes the secret with this name or ARN; none if there is none.
#[cfg(feature = "instance")]
pub(crate) async fn describe_secret(aws: &Aws, id: &str) -> anyhow::Result<Option<Description>> {
    let answer = aws.secrets.describe_secret().secret_id(id).customize().config_override(in_region_of(id)).send().await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("ResourceNotFoundException")) {
        return Ok(None);
    }
    let secret = answer.explain("secretsmanager:DescribeSecret")?;
    let is_pending = |stages: &[String]| {
        stages.iter().any(|stage| stage == "AWSPENDING") && !stages.iter().any(|stage| stage == "AWSCURRENT")
    };
    let stages = secret.version_ids_to_stages.unwrap_or_default();
    let pending = stages.into_iter().find(|(_, stages)| is_pending(stages)).map(|(version, _)| version);
    let pending_since = match pending {
        Some(version) => Some(created_at(aws, id, &version).await?),
        None => None,
    };
    Ok(Some(Description {
        arn: secret.arn.unwrap_or_default(),
        name: secret.name.unwrap_or_default(),
        is_deleted: secret.deleted_date.is_some(),
        kms_key: secret.kms_key_id.filter(|key| !key.is_empty()),
        is_rotated: secret.rotation_enabled.unwrap_or_default(),
        next_rotation: secret.next_rotation_date.and_then(|time| time.try_into().ok()),
        pending_since,
    }))
}

/// The configuration for the region of an ARN, which may be another one than that of the other requests.
#[cfg(feature = "instance")]
fn in_region_of(id: &str) -> Builder {
    Builder::default().region(Place::of_arn(id).map(|place| Region::new(place.region)))
}

/// When this version was written, or now if AWS does not tell.
#[cfg(feature = "instance")]
async fn created_at(aws: &Aws, id: &str, version: &str) -> Result<SystemTime, AwsError> {
    let request = aws.secrets.list_secret_version_ids().secret_id(id);
    let answer = request.customize().config_override(in_region_of(id)).send().await;
    let versions = answer.explain("secretsmanager:ListSecretVersionIds")?.versions.unwrap_or_default();
    let created = versions.into_iter().find(|entry| entry.version_id.as_deref() == Some(version));
    Ok(created.and_then(|entry| entry.created_date?.try_into().ok()).unwrap_or_else(SystemTime::now))
}

impl RoleSecret<'_> {
    /// The version at this stage, if there is one and it has a password.
    ///
    /// Fails if the secret holds another login: another program needs it as it is.
    pub(crate) async fn read(&self, stage: &str) -> anyhow::Result<Option<Version>> {
        let Self { aws, name, login } = self;
        let answer = aws.secrets.get_secret_value().secret_id(name).version_stage(stage).send().await;
        match answer.as_ref().err().and_then(|error| error.code()) {
            Some("ResourceNotFoundException") => return Ok(None),
            Some("InvalidRequestException") => bail!(Problem::new(
                format!("the secret {name} is marked for deletion (InvalidRequestException)"),
                "restore it with `aws secretsmanager restore-secret`, or name another one with --secret"
            )),
            _ => {}
        }
        let answer = answer.explain("secretsmanager:GetSecretValue")?;
        let content = answer.secret_string().and_then(Content::parse).ok_or_else(|| {
            Problem::new(format!("the secret {name} holds no login of a role"), "name another secret with --secret")
        })?;
        if !content.is_at(login) || content.username != login.user {
            let Content { host, dbname, username, .. } = &content;
            let port = content.port().map_or_else(|| "?".to_owned(), |port| port.to_string());
            let usual = role::usual_name(&login.dbname);
            let remedy = if *dbname != login.dbname && login.user != usual && usual.len() <= role::LONGEST_NAME {
                format!("give this database a role of its own with --role {usual}")
            } else if *dbname != login.dbname || *username != login.user {
                "name another secret with --secret".to_owned()
            } else {
                "name another secret with --secret, or set the function's server with --host and --port".to_owned()
            };
            let problem = format!("the secret {name} is for the role {username} in {dbname} on {host}:{port}");
            bail!(Problem::new(problem, remedy));
        }
        if content.password.expose_secret().is_empty() {
            return Ok(None);
        }
        Ok(Some(Version {
            arn: answer.arn.context("AWS returned no ARN")?,
            id: answer.version_id.context("AWS returned no version id")?,
            password: content.password,
        }))
    }

    /// Creates the secret, or writes the first version of one that has none, and returns its ARN.
    pub(crate) async fn create(&self, password: &SecretString) -> anyhow::Result<String> {
        let request = self.aws.secrets.create_secret().name(&self.name).secret_string(self.content(password));
        let request = request.description("The login of the PostConfirmation function, by `provision db grant`");
        let answer = request.send().await;
        let arn = if answer.as_ref().is_err_and(|error| error.code() == Some("ResourceExistsException")) {
            // A template has declared it and had no password to put in.
            let request = self.aws.secrets.put_secret_value().secret_id(&self.name);
            let request = request.secret_string(self.content(password));
            request.send().await.explain("secretsmanager:PutSecretValue")?.arn
        } else {
            answer.explain("secretsmanager:CreateSecret")?.arn
        };
        arn.context("AWS returned no ARN")
    }

    /// Writes a version at the stage `AWSPENDING`, and returns its id.
    pub(crate) async fn put_pending(&self, password: &SecretString) -> anyhow::Result<String> {
        let request = self.aws.secrets.put_secret_value().secret_id(&self.name).secret_string(self.content(password));
        let answer = request.version_stages("AWSPENDING").send().await.explain("secretsmanager:PutSecretValue")?;
        answer.version_id.context("AWS returned no version id")
    }

    /// Moves the stage `AWSCURRENT` from the version `old` to the version `new`, which is pending no longer.
    pub(crate) async fn promote(&self, old: &str, new: &str) -> anyhow::Result<()> {
        let request = || self.aws.secrets.update_secret_version_stage().secret_id(&self.name);
        let current = request().version_stage("AWSCURRENT").move_to_version_id(new).remove_from_version_id(old);
        current.send().await.explain("secretsmanager:UpdateSecretVersionStage")?;
        let pending = request().version_stage("AWSPENDING").remove_from_version_id(new);
        pending.send().await.explain("secretsmanager:UpdateSecretVersionStage")?;
        Ok(())
    }

    fn content(&self, password: &SecretString) -> String {
        let Login { host, port, dbname, user, .. } = &self.login;
        json!({
            "engine": "postgres",
            "host": host,
            "port": port,
            "dbname": dbname,
            "username": user,
            "password": password.expose_secret(),
        })
        .to_string()
    }
}
