//! AWS services on this machine: moto, as a server process.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, mpsc};
use std::thread;

use anyhow::Context;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::policy::Call;
use crate::recording::{self, Secret};
use crate::server::environment;
use crate::{HANG_LIMIT, Leash, tool};

/// What the server writes when it listens, before its port.
const LISTENS: &str = "Running on http://127.0.0.1:";

/// A running moto server; it ends when this is dropped or the process ends.
#[derive(Debug)]
pub struct Moto {
    port: u16,
    recording: Option<Recording>,
    _leash: Leash,
}

/// The file that moto appends each request to; a `static` server is never dropped, and the leash deletes its file.
#[derive(Debug)]
struct Recording {
    file: NamedTempFile,
    _leash: Leash,
}

impl Moto {
    /// The server that all tests of one process share.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Moto> = LazyLock::new(|| Moto::start().unwrap_or_else(|error| panic!("{error:?}")));
        &SHARED
    }

    /// In turn the one that all tests share, and a second one: for tests that need nothing of each other, and keep one busy. A
    /// server works on one core.
    pub fn one_of_two() -> &'static Self {
        static SECOND: LazyLock<Moto> = LazyLock::new(|| Moto::start().unwrap_or_else(|error| panic!("{error:?}")));
        static TURN: AtomicBool = AtomicBool::new(false);
        if TURN.fetch_not(Ordering::Relaxed) { &SECOND } else { Self::shared() }
    }

    /// Starts a server on a free port of 127.0.0.1.
    pub fn start() -> anyhow::Result<Self> {
        Self::launch(None)
    }

    /// Starts a server that records every request, for [`calls`](Self::calls).
    pub fn recording() -> anyhow::Result<Self> {
        let file = NamedTempFile::new()?;
        let leash = Leash::new("rm -f \"$1\"", &[&file.path().to_string_lossy()])?;
        Self::launch(Some(Recording { file, _leash: leash }))
    }

    fn launch(recording: Option<Recording>) -> anyhow::Result<Self> {
        let mut command = Command::new(tool("python/bin/python")?);
        command
            .args(["-c", include_str!("moto.py"), "-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // Nearly every role of a function has one of these.
        command.env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
        if let Some(recording) = &recording {
            command.env("MOTO_ENABLE_RECORDING", "1").env("MOTO_RECORDER_FILEPATH", recording.file.path());
        }
        let mut leash = Leash::spawn(&mut command)?;
        let log = leash.take_stderr().context("standard error is a pipe")?;
        let (sender, port) = mpsc::channel();
        thread::spawn(move || {
            let mut log = BufReader::new(log);
            // Nothing waits for the port any more once the limit is over.
            let _ = sender.send(read_port(&mut log));
            // A pipe that nothing reads from would stop the server when it is full.
            let _ = io::copy(&mut log, &mut io::sink());
        });
        let port = port.recv_timeout(HANG_LIMIT).context("moto_server does not listen")??;
        Ok(Self { port, recording, _leash: leash })
    }

    /// The variables that lead an AWS SDK here.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        environment(self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What AWS would check of each request that was signed with this access key id.
    ///
    /// moto accepts any key, so each program that is recorded can have its own.
    pub async fn calls(&self, access_key_id: &str) -> anyhow::Result<Vec<Call>> {
        let recording = self.recording.as_ref().context("this server does not record")?;
        let mut pages = self.secrets().list_secrets().into_paginator().send();
        let mut secrets = Vec::new();
        while let Some(page) = pages.next().await {
            secrets.extend(page?.secret_list.unwrap_or_default().into_iter().map(|secret| {
                let tags = secret.tags.unwrap_or_default();
                let tags = tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect();
                let (arn, name) = (secret.arn.unwrap_or_default(), secret.name.unwrap_or_default());
                Secret { arn, name, kms_key: secret.kms_key_id, tags }
            }));
        }
        recording::calls(&fs::read_to_string(recording.file.path())?, access_key_id, &secrets)
    }

    /// Creates a secret in Secrets Manager.
    pub async fn create_secret(&self, name: &str, secret: &Value) -> anyhow::Result<()> {
        self.secrets().create_secret().name(name).secret_string(secret.to_string()).send().await?;
        Ok(())
    }

    /// Creates a secret that has no value yet, as templates do, with a KMS key of its own if this names one.
    pub async fn declare_secret(&self, name: &str, kms_key: Option<&str>) -> anyhow::Result<()> {
        self.secrets().create_secret().name(name).set_kms_key_id(kms_key.map(str::to_owned)).send().await?;
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

/// Reads the server's log up to the line with its port.
fn read_port(log: &mut impl BufRead) -> anyhow::Result<u16> {
    let mut lines = Vec::new();
    for line in log.by_ref().lines() {
        let line = line?;
        if let Some((_, port)) = line.split_once(LISTENS) {
            let digits = port.split(|character: char| !character.is_ascii_digit()).next().unwrap_or_default();
            return digits.parse().with_context(|| format!("moto_server listens on no port: {line}"));
        }
        lines.push(line);
    }
    anyhow::bail!("moto_server has ended; its log:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_and_the_rest_of_the_log_left() {
        let mut log = "WARNING: a development server\n * Running on http://127.0.0.1:39481\nPress CTRL+C\n".as_bytes();
        assert_eq!(read_port(&mut log).expect("a port"), 39481);
        assert_eq!(log, b"Press CTRL+C\n");
        // The colours of a terminal.
        assert_eq!(read_port(&mut "Running on http://127.0.0.1:5000\x1b[0m\n".as_bytes()).expect("a port"), 5000);
    }

    #[test]
    fn a_server_that_ends_without_a_port_is_an_error_with_its_log() {
        let error = read_port(&mut "ImportError: no moto\n".as_bytes()).expect_err("no port");
        assert_eq!(error.to_string(), "moto_server has ended; its log:\nImportError: no moto");
    }
}
