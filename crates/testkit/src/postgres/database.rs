//! A database on a throw-away server, and connections to it.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use native_tls::Certificate;
use postgres_native_tls::MakeTlsConnector;
use serde_json::{Value, json};
use tokio_postgres::Client;

/// The name in the server's certificate.
pub(super) const HOST: &str = "localhost";

/// The server's superuser, who owns every database.
pub(super) const OWNER: &str = "owner";

/// A database on a [`Postgres`](crate::Postgres) server.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    /// Its name.
    pub name: String,
    /// The server's port.
    pub port: u16,
    /// The owner's password.
    pub password: String,
    /// A PEM file with the root that signed the server's certificate.
    pub root_certificate: PathBuf,
}

impl TestDatabase {
    /// The host's name, as the certificate has it.
    pub fn host(&self) -> &'static str {
        HOST
    }

    /// The owner's role.
    pub fn user(&self) -> &'static str {
        OWNER
    }

    /// What `CONNECTION_URL` takes, with the owner's password.
    pub fn url(&self) -> String {
        let password = self.password.replace('@', "%40").replace('/', "%2F");
        format!("postgres://{OWNER}:{password}@{HOST}:{}/{}", self.port, self.name)
    }

    /// The secret that RDS would write for the owner.
    pub fn secret(&self) -> Value {
        json!({
            "engine": "postgres",
            "host": HOST,
            "port": self.port,
            "dbname": self.name,
            "username": OWNER,
            "password": self.password,
        })
    }

    /// Connects as the owner.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        self.connect_as(OWNER, &self.password).await
    }

    /// Connects as this role.
    pub async fn connect_as(&self, user: &str, password: &str) -> anyhow::Result<Client> {
        let root = Certificate::from_pem(&fs::read(&self.root_certificate)?)?;
        let connector =
            native_tls::TlsConnector::builder().disable_built_in_roots(true).add_root_certificate(root).build()?;
        let (client, connection) = tokio_postgres::Config::new()
            .host(HOST)
            .port(self.port)
            .dbname(&self.name)
            .user(user)
            .password(password)
            .ssl_mode(tokio_postgres::config::SslMode::Require)
            .connect(MakeTlsConnector::new(connector))
            .await
            .with_context(|| format!("cannot connect to the throw-away database {}", self.name))?;
        tokio::spawn(connection);
        Ok(client)
    }
}
