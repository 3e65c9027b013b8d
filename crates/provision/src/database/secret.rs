//! The secret with the function's login, in the shape that RDS writes.

use anyhow::{Context, anyhow, bail, ensure};
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use db::Login;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::aws::{Aws, Explain};

/// A secret in Secrets Manager, and what it must say but for the password.
#[derive(Debug)]
pub(super) struct RoleSecret<'a> {
    pub(super) aws: &'a Aws,
    pub(super) name: &'a str,
    pub(super) login: &'a Login,
}

/// One version of it.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) arn: String,
    pub(super) version: String,
    pub(super) password: SecretString,
}

#[derive(Deserialize)]
struct Content {
    host: String,
    port: u16,
    dbname: String,
    username: String,
    password: SecretString,
}

impl RoleSecret<'_> {
    /// The version at this stage, if there is one.
    ///
    /// Fails if the secret is not this role's at this database: somebody else needs it as it is.
    pub(super) async fn read(&self, stage: &str) -> anyhow::Result<Option<Version>> {
        let answer = self.aws.secrets.get_secret_value().secret_id(self.name).version_stage(stage).send().await;
        if answer.as_ref().is_err_and(|error| error.code() == Some("ResourceNotFoundException")) {
            return Ok(None);
        }
        if answer.as_ref().is_err_and(|error| error.code() == Some("InvalidRequestException")) {
            bail!(
                "the secret {} is marked for deletion (InvalidRequestException); restore it with `aws secretsmanager \
                 restore-secret`, or name another with --secret",
                self.name
            );
        }
        let answer = answer.explain("secretsmanager:GetSecretValue")?;
        // The parser's own message may quote the secret.
        let content: Content =
            answer.secret_string().and_then(|text| serde_json::from_str(text).ok()).ok_or_else(|| {
                anyhow!("the secret {} holds no login of this shape; name another with --secret", self.name)
            })?;
        let Login { host, port, dbname, user, .. } = self.login;
        ensure!(
            (&content.host, &content.port, &content.dbname, &content.username) == (host, port, dbname, user),
            "the secret {} is for {} on {}:{} as {}; name another with --secret, or say with --host and --port where \
             the function finds the server",
            self.name,
            content.dbname,
            content.host,
            content.port,
            content.username
        );
        Ok(Some(Version {
            arn: answer.arn.context("AWS names no ARN")?,
            version: answer.version_id.context("AWS names no version")?,
            password: content.password,
        }))
    }

    /// Creates it, or gives it its first value, and returns its ARN.
    pub(super) async fn create(&self, password: &SecretString) -> anyhow::Result<String> {
        let request = self.aws.secrets.create_secret().name(self.name).secret_string(self.content(password));
        let request = request.description("The login of the PostConfirmation function, by `provision db grant`");
        let answer = request.send().await;
        let arn = if answer.as_ref().is_err_and(|error| error.code() == Some("ResourceExistsException")) {
            // Somebody has declared it elsewhere, and had no password to put in.
            let request = self.aws.secrets.put_secret_value().secret_id(self.name);
            let request = request.secret_string(self.content(password));
            request.send().await.explain("secretsmanager:PutSecretValue")?.arn
        } else {
            answer.explain("secretsmanager:CreateSecret")?.arn
        };
        arn.context("AWS names no ARN")
    }

    /// Writes a version that waits to become the current one, and returns its id.
    pub(super) async fn put_pending(&self, password: &SecretString) -> anyhow::Result<String> {
        let request = self.aws.secrets.put_secret_value().secret_id(self.name).secret_string(self.content(password));
        let answer = request.version_stages("AWSPENDING").send().await.explain("secretsmanager:PutSecretValue")?;
        answer.version_id.context("AWS names no version")
    }

    /// Makes the version `new` the current one, in place of `old`.
    pub(super) async fn promote(&self, old: &str, new: &str) -> anyhow::Result<()> {
        let request = || self.aws.secrets.update_secret_version_stage().secret_id(self.name);
        let current = request().version_stage("AWSCURRENT").move_to_version_id(new).remove_from_version_id(old);
        current.send().await.explain("secretsmanager:UpdateSecretVersionStage")?;
        request()
            .version_stage("AWSPENDING")
            .remove_from_version_id(new)
            .send()
            .await
            .explain("secretsmanager:UpdateSecretVersionStage")?;
        Ok(())
    }

    fn content(&self, password: &SecretString) -> String {
        let Login { host, port, dbname, user, .. } = self.login;
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
