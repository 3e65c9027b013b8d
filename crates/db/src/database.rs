//! The connection to PostgreSQL.

use std::ops::{Deref, DerefMut};

use aws_config::BehaviorVersion;
use secrecy::ExposeSecret;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard, OnceCell};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config};

use crate::credentials::Secret;
use crate::settings::{CredentialSource, Login};
use crate::{Error, Settings, tls};

/// A database, and at most one open session to it that outlives its uses.
#[derive(Debug)]
pub struct Database {
    settings: Settings,
    application_name: &'static str,
    secrets: OnceCell<aws_sdk_secretsmanager::Client>,
    kept: Mutex<Option<Session>>,
}

impl Database {
    /// A database that nothing has connected to yet. The server lists its sessions under `application_name`.
    pub fn new(settings: Settings, application_name: &'static str) -> Self {
        Self { settings, application_name, secrets: OnceCell::new(), kept: Mutex::new(None) }
    }

    /// The kept session, opened first where there is none or it has been closed.
    pub async fn session(&self) -> Result<MappedMutexGuard<'_, Session>, Error> {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_none_or(|session| session.is_closed()) {
            *kept = None;
            *kept = Some(self.connect().await?);
        }
        Ok(MutexGuard::map(kept, |kept| kept.as_mut().expect("a session was just put there")))
    }

    /// Opens a session of the caller's own.
    pub async fn connect(&self) -> Result<Session, Error> {
        let connector = tls::connector(&self.settings.root_certificates)?;
        let Login { host, port, dbname, user, password } = self.login().await?;
        let (client, connection) = Config::new()
            .host(&host)
            .port(port)
            .dbname(&dbname)
            .user(&user)
            .password(password.expose_secret())
            .ssl_mode(SslMode::Require)
            .application_name(self.application_name)
            .connect(connector)
            .await
            .map_err(|error| Error::from_connect(error, &host, port, &user, &dbname))?;
        let connection = tokio::spawn(async move {
            // Whoever waits for an answer is told as well, and knows better what it means.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a database connection broke");
            }
        });
        Ok(Session { client, connection })
    }

    async fn login(&self) -> Result<Login, Error> {
        let id = match &self.settings.credentials {
            CredentialSource::Url(login) => return Ok(login.clone()),
            CredentialSource::Secret(id) => id,
        };
        let secrets = self.secrets.get_or_init(async || {
            aws_sdk_secretsmanager::Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await)
        });
        let secret = Secret::fetch(secrets.await, id).await?;
        self.settings.login(secret.address(id)?, secret.password)
    }
}

/// An open connection; use it as the [`Client`] it holds.
#[derive(Debug)]
pub struct Session {
    client: Client,
    connection: JoinHandle<()>,
}

impl Session {
    /// Says goodbye to the server and waits until that is sent, so that no session is left behind there.
    pub async fn close(self) {
        drop(self.client);
        // An error here can only be the connection's own panic: it is closed either way.
        let _ = self.connection.await;
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}
