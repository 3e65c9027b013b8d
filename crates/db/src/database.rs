//! The connection to PostgreSQL: opened in time, kept, and replaced when it breaks.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use secrecy::ExposeSecret;
use tokio::sync::{Notify, RwLock};
use tokio_postgres::Config;
use tokio_postgres::config::ChannelBinding;

use crate::attempt::Patience;
use crate::budget::Step;
use crate::connection_options::TargetSession;
use crate::credentials::Credentials;
use crate::line::{Established, Line, LineAhead};
use crate::login::Login;
use crate::row::Columns;
use crate::settings::Settings;
use crate::{Budget, Error, Session};

/// A database, and at most one open session that is kept from one use to the next.
#[derive(Debug)]
pub struct Database {
    pub(crate) credentials: Credentials,
    application_name: &'static str,
    kept: Mutex<Option<Session>>,
    /// Told of each session that is kept.
    given_back: Notify,
    /// Locked for writing by a use that opens a connection, as long as it does.
    pub(crate) opening: RwLock<()>,
    pub(crate) patience: Patience,
    /// True once a line was opened ahead of its login: the first time alone, since later ones know their login.
    was_ahead: AtomicBool,
}

impl Database {
    /// Makes a database without connecting to it. The server lists its sessions under `application_name`.
    pub fn new(settings: Settings, application_name: &'static str) -> Self {
        let credentials = Credentials::new(settings);
        Self {
            credentials,
            application_name,
            kept: Mutex::new(None),
            given_back: Notify::new(),
            opening: RwLock::default(),
            patience: Patience::default(),
            was_ahead: AtomicBool::new(false),
        }
    }

    /// Connects ahead of the first [`Self::run`], which then finds the session, also when that one begins before this has
    /// ended. Tries nothing again.
    pub async fn connect_ahead(&self, budget: &Budget) -> Result<(), Error> {
        let session = self.session(budget).await?;
        self.keep(session);
        Ok(())
    }

    /// The login that a new connection would use. Costs a request where a secret must be read for it.
    pub async fn login(&self, budget: &Budget) -> Result<Login, Error> {
        let login = self.credentials.next(&mut self.credentials.round(), budget).await?;
        Ok(login.expect("every source has a login"))
    }

    /// Opens a session of the caller's own, which the caller closes, see [`Session`].
    ///
    /// Whatever fails, the secret is read again, and another login in it tried: it may name another server by now.
    pub async fn connect(&self, budget: &Budget) -> Result<Session, Error> {
        self.log_in(budget, false).await
    }

    /// Opens a session with one login after another; `in_turn` if not while another use opens one, see [`Self::turn`].
    pub(crate) async fn log_in(&self, budget: &Budget, in_turn: bool) -> Result<Session, Error> {
        let mut round = self.credentials.round();
        let mut ahead = self.line_ahead(budget);
        loop {
            let next = self.credentials.next(&mut round, budget);
            let login = match &mut ahead {
                Some(line) => line.beside(next).await?,
                None => next.await?,
            };
            let Some(login) = login else { break };
            // Boxed: the future of a handshake is large, and rarely run.
            match Box::pin(self.open(&login, ahead.take(), budget, in_turn)).await {
                Ok(session) => {
                    self.credentials.accepted(login);
                    return Ok(session);
                }
                Err(error) => round.failed(login, error),
            }
        }
        self.credentials.doubt();
        Err(round.into_failure())
    }

    /// Closes the kept session, if there is one and it is idle. Takes no longer than [`Session::close`].
    pub async fn close(&self) {
        if let Some(session) = self.take_kept() {
            session.close().await;
        }
    }

    /// The kept session, if it is idle and its connection still stands.
    pub(crate) fn take_kept(&self) -> Option<Session> {
        let kept = self.kept.lock().expect("no panic while it is locked").take()?;
        if kept.is_closed() {
            // The server may have ended it because it moves.
            self.credentials.doubt();
            return None;
        }
        Some(kept)
    }

    /// Waits for a session that another use keeps, as long as there is time for it.
    pub(crate) async fn given_back(&self, budget: &Budget) -> Session {
        loop {
            if !budget.remaining().is_zero()
                && let Some(session) = self.take_kept()
            {
                return session;
            }
            self.given_back.notified().await;
        }
    }

    /// Keeps the session for the next use. One is enough: where two ran at once, the later one is closed, which no answer
    /// waits for.
    pub(crate) fn keep(&self, session: Session) {
        let surplus = {
            let mut kept = self.kept.lock().expect("no panic while it is locked");
            if kept.is_none() { kept.replace(session) } else { Some(session) }
        };
        self.given_back.notify_one();
        if let Some(session) = surplus {
            tokio::spawn(session.close());
        }
    }

    /// A line to where the first login of the process probably leads: its secret is read, or its token made, meanwhile.
    fn line_ahead(&self, budget: &Budget) -> Option<LineAhead> {
        let destination = self.credentials.likely_destination().filter(|_| !self.was_ahead.swap(true, Relaxed))?;
        Some(LineAhead::new(destination, budget))
    }

    async fn open(
        &self,
        login: &Login,
        ahead: Option<LineAhead>,
        budget: &Budget,
        in_turn: bool,
    ) -> Result<Session, Error> {
        let _turn = if in_turn { self.turn(budget).await? } else { None };
        let limited = login.options.connect_timeout.map(|limit| budget.at_most(limit));
        let budget = limited.as_ref().unwrap_or(budget);
        let mut config = Config::new();
        config
            .dbname(&login.dbname)
            .user(&login.user)
            .application_name(login.options.application_name.as_deref().unwrap_or(self.application_name))
            .channel_binding(login.options.channel_binding.unwrap_or(ChannelBinding::Prefer));
        // Without one, the driver says that the server asks for it.
        if !login.password.expose_secret().is_empty() {
            config.password(login.password.expose_secret());
        }
        let destination = login.destination();
        let ahead = match ahead {
            Some(ahead) => ahead.to(&destination).await,
            None => None,
        };
        let line = match ahead {
            Some(Ok(line)) => line,
            // It may be reached by now.
            Some(Err(Error::Unreachable { .. })) | None => Line::open(&destination, budget).await?,
            Some(Err(error)) => return Err(error),
        };
        let (mode, negotiation) = line.stream.modes();
        let session = authenticate(config.ssl_mode(mode).ssl_negotiation(negotiation), line, login, budget).await?;
        check_target(&session, budget).await?;
        Ok(session)
    }
}

/// Checks that the session is on the server that `target_session_attrs` asks for. Costs a round trip if it asks for one.
async fn check_target(session: &Session, budget: &Budget) -> Result<(), Error> {
    let Login { host, options, .. } = session.login();
    let target = options.target_session;
    if target == TargetSession::Any {
        return Ok(());
    }
    let server = budget.spend(Step::Authenticate, session.query_typed(include_str!("../sql/session/target.sql"), &[]));
    let rows = server.await??;
    let server = rows.first().expect("one row");
    if target == TargetSession::Primary && !server.column::<bool>("is_primary")? {
        return Err(Error::AnotherTarget { host: host.clone(), wanted: "a primary" });
    }
    if target == TargetSession::ReadWrite && !server.column::<bool>("writes")? {
        return Err(Error::AnotherTarget { host: host.clone(), wanted: "writable" });
    }
    Ok(())
}

async fn authenticate(config: &Config, line: Line, login: &Login, budget: &Budget) -> Result<Session, Error> {
    let Line { stream, address, socket } = line;
    let connected = budget.spend(Step::Authenticate, config.connect_raw(stream, Established)).await?;
    let (client, connection) = connected.map_err(|error| Error::from_connect(error, login))?;
    let connection = tokio::spawn(async move {
        // A statement that waits for an answer gets the error as well, and its caller knows better what it means.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a database connection broke");
        }
    });
    // After a failover the name means another server; a request to cancel is for this one.
    let login = Login { host_address: Some(address), ..login.clone() };
    Ok(Session::new(client, connection, socket, login))
}
