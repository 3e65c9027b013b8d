//! A PostgreSQL for development, without Docker.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::cluster::{self, Cluster};
use crate::{Authority, Postgres};

/// A password for every role, from this machine alone, with TLS or without.
const AUTHENTICATION: &str = "host all all 127.0.0.1/32 scram-sha-256\n";

/// A server for development, with TLS and without, that runs until it is stopped.
#[derive(Debug)]
pub struct LocalServer {
    directory: PathBuf,
}

impl LocalServer {
    /// The superuser and the password, which is no secret: the server listens on 127.0.0.1 alone.
    pub const LOGIN: (&str, &str) = ("postgres", "password");

    /// Creates a server, with its files in a new directory, and starts it on this port.
    pub fn start(port: u16) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("local-postgres-")?;
        let (user, password) = Self::LOGIN;
        let cluster =
            Cluster::create(directory.path(), password, &Authority::new(Postgres::AUTHORITY)?, AUTHENTICATION, "")?;
        cluster.run_single_user(&format!("create role {user} superuser login password '{password}'"))?;
        cluster.start(port)?;
        Ok(Self { directory: directory.keep() })
    }

    /// The server whose files are in this directory.
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A PEM file with the root that signed its certificate, which is for `localhost`.
    pub fn root_certificate(&self) -> PathBuf {
        cluster::root_certificate(&self.directory)
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.cluster().is_ok_and(|cluster| cluster.is_running())
    }

    /// Starts it again on this port, with its data.
    pub fn start_again(&self, port: u16) -> anyhow::Result<()> {
        self.cluster()?.start(port)
    }

    /// Stops it.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.cluster()?.stop("fast")
    }

    /// Stops it, if it runs, and deletes all its files.
    pub fn delete(self) -> anyhow::Result<()> {
        if self.is_running() {
            self.stop()?;
        }
        Ok(fs::remove_dir_all(&self.directory)?)
    }

    fn cluster(&self) -> anyhow::Result<Cluster> {
        Cluster::at(&self.directory)
    }
}
