//! Sign-ups on this machine: cognito-local, as a server process. It calls the triggers Post confirmation and Post
//! authentication as Cognito does, but never twice, and it takes every sign-up for one that went well.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::Context;
use serde_json::json;
use tempfile::TempDir;

use crate::server::{self, environment};
use crate::{Leash, Port, tool};

/// The code that confirms every sign-up.
const CODE: &str = "123456";

/// A running cognito-local server with one user pool; it ends when this is dropped or the process ends.
#[derive(Debug)]
pub struct CognitoLocal {
    _leash: Leash,
    // Deleted after the server has ended.
    _directory: TempDir,
    port: Port,
}

impl CognitoLocal {
    /// The id of its client.
    pub const CLIENT: &str = "1a2b3c4d5e6f7g8h9i0j1k2l3m";

    /// Starts a server on a free port of 127.0.0.1. Its pool, with this id, calls this function of the Lambda at `endpoint`
    /// for these triggers, such as `PostConfirmation`.
    pub fn start(pool: &str, endpoint: &str, function: &str, triggers: &[&str]) -> anyhow::Result<Self> {
        let (directory, port) = (TempDir::with_prefix("cognito-local-")?, Port::reserve()?);
        let data = directory.path().join(".cognito");
        fs::create_dir_all(data.join("db"))?;
        let credentials = json!({ "accessKeyId": "testing", "secretAccessKey": "testing" });
        let functions: serde_json::Map<_, _> =
            triggers.iter().map(|&trigger| (trigger.to_owned(), function.into())).collect();
        let config = json!({
            "LambdaClient": { "endpoint": endpoint, "region": "eu-central-1", "credentials": credentials },
            "TriggerFunctions": functions,
            "UserPoolDefaults": { "UsernameAttributes": [] },
        });
        fs::write(data.join("config.json"), config.to_string())?;
        // The server chooses ids that no pool of AWS has.
        let content = json!({ "Users": {}, "Options": {
            "Id": pool,
            "Arn": format!("arn:aws:cognito-idp:eu-central-1:123456789012:userpool/{pool}"),
            "LambdaConfig": {}, "UsernameAttributes": [], "MfaConfiguration": "OFF",
            "Policies": { "PasswordPolicy": { "MinimumLength": 8 } },
        } });
        fs::write(data.join(format!("db/{pool}.json")), content.to_string())?;
        let client = json!({ "ClientId": Self::CLIENT, "ClientName": "application", "UserPoolId": pool,
            "TokenValidityUnits": { "AccessToken": "hours", "IdToken": "minutes", "RefreshToken": "days" } });
        fs::write(data.join("db/clients.json"), json!({ "Clients": { (Self::CLIENT): client } }).to_string())?;

        let program = tool("cognito-local/node_modules/cognito-local/lib/bin/start.js")
            .context("run `infra/dev/tools.sh cognito-local`")?;
        let mut command = Command::new("node");
        command
            .arg(program.canonicalize()?)
            .current_dir(directory.path())
            .env("HOST", "127.0.0.1")
            .env("PORT", port.number().to_string())
            .env("CODE", CODE)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let leash = Leash::spawn(&mut command)?;
        let server = Self { _leash: leash, _directory: directory, port };
        server::wait_until_it_listens(server.port.number(), "cognito-local")?;
        Ok(server)
    }

    /// The code that confirms every sign-up, and every forgotten password.
    pub fn code(&self) -> &'static str {
        CODE
    }

    /// The variables that lead an AWS SDK here.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        environment(self.port.number())
    }
}
