//! AWS services on this machine: moto, as a server process.

use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::ensure;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use serde_json::Value;

use crate::{Leash, free_port, tool};

/// How long Python may take to import moto on a busy machine.
const START_LIMIT: Duration = Duration::from_mins(1);

/// A running moto server; it ends when this is dropped or the process ends.
#[derive(Debug)]
pub struct Moto {
    port: u16,
    _leash: Leash,
}

impl Moto {
    /// The server that all tests of one process share.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Moto> = LazyLock::new(|| Moto::start().unwrap_or_else(|error| panic!("{error:?}")));
        &SHARED
    }

    /// Starts a server on a free port of 127.0.0.1.
    pub fn start() -> anyhow::Result<Self> {
        let port = free_port()?;
        let leash = Leash::spawn(
            Command::new(tool("python/bin/moto_server")?)
                .args(["-H", "127.0.0.1", "-p", &port.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        )?;
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            ensure!(started.elapsed() < START_LIMIT, "moto_server does not listen after {START_LIMIT:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { port, _leash: leash })
    }

    /// The variables that lead an AWS SDK here.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
        ]
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Creates a secret in Secrets Manager.
    pub async fn create_secret(&self, name: &str, secret: &Value) -> anyhow::Result<()> {
        self.secrets().create_secret().name(name).secret_string(secret.to_string()).send().await?;
        Ok(())
    }

    /// Creates a secret that has no value yet, as templates do.
    pub async fn declare_secret(&self, name: &str) -> anyhow::Result<()> {
        self.secrets().create_secret().name(name).send().await?;
        Ok(())
    }

    /// Marks a secret for deletion.
    pub async fn delete_secret(&self, name: &str) -> anyhow::Result<()> {
        self.secrets().delete_secret().secret_id(name).send().await?;
        Ok(())
    }

    /// Writes a new version of a secret and lets it be `stage`, `AWSCURRENT` or `AWSPENDING`.
    pub async fn put_secret(&self, name: &str, stage: &str, secret: &Value) -> anyhow::Result<()> {
        let version = self.secrets().put_secret_value().secret_id(name).secret_string(secret.to_string());
        version.version_stages(stage).send().await?;
        Ok(())
    }

    /// What the version of a secret at this stage holds, if there is one.
    pub async fn secret(&self, name: &str, stage: &str) -> anyhow::Result<Option<Value>> {
        let answer = self.secrets().get_secret_value().secret_id(name).version_stage(stage).send().await;
        if answer.as_ref().is_err_and(|error| error.code() == Some("ResourceNotFoundException")) {
            return Ok(None);
        }
        Ok(answer?.secret_string().map(serde_json::from_str).transpose()?)
    }

    fn secrets(&self) -> Client {
        let [(_, endpoint), (_, region), ..] = self.environment();
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(region))
            .credentials_provider(Credentials::new("testing", "testing", None, None, "testkit"));
        Client::from_conf(config.build())
    }
}
