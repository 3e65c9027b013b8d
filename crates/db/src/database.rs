//! The connection to PostgreSQL: opened in time, kept, and replaced when it breaks.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::{CancelToken, Client, Config, NoTls};

use crate::budget::Step;
use crate::credentials::{Candidate, Credentials};
use crate::settings::{Encryption, Login, Settings};
use crate::tls;
use crate::{Budget, Error, Kind};

/// The longest that a kept session is trusted to be alive. A statement takes some milliseconds; a longer one is most
/// likely on a connection that died while the process was frozen.
const KEPT_LIMIT: Duration = Duration::from_secs(1);

/// The shortest time that is worth another attempt.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(250);

/// First and longest pause between two attempts: long enough that many functions do not retry at once, short beside the
/// time that a user waits.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));

/// Attempts with refused credentials, which are read again for each. A rotation changes them within a second or two.
const CREDENTIAL_ATTEMPTS: u32 = 4;

/// A database, and at most one open session that is kept from one use to the next.
#[derive(Debug)]
pub struct Database {
    credentials: Credentials,
    application_name: &'static str,
    kept: Mutex<Option<Session>>,
}

impl Database {
    /// Makes a database without connecting to it. The server lists its sessions under `application_name`.
    pub fn new(settings: Settings, application_name: &'static str) -> Self {
        let credentials = Credentials::new(settings);
        Self { credentials, application_name, kept: Mutex::new(None) }
    }

    /// Runs `operation` on the kept session, or on a new one that is then kept.
    ///
    /// An error that may pass is retried on a new connection for as long as the budget lasts: a dead or stalled
    /// connection, a failover, a restart, a rotation of the password, too many connections. So `operation` must be
    /// idempotent.
    pub async fn run<T>(
        &self,
        budget: &Budget,
        mut operation: impl AsyncFnMut(&Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut kept = self.kept.lock().await;
        let mut refusals = 0;
        let mut cause = None;
        let (mut pause, longest_pause) = PAUSES;
        loop {
            budget.begin_attempt();
            let mut session = kept.take().filter(|session| !session.is_closed());
            let was_kept = session.is_some();
            let error = match self.attempt(&mut session, budget, &mut operation).await {
                Ok(value) => {
                    *kept = session;
                    return Ok(value);
                }
                Err(error) => error,
            };
            let may_pass = if error.kind() == Kind::CredentialsRejected {
                refusals += 1;
                self.credentials.may_change() && refusals < CREDENTIAL_ATTEMPTS
            } else {
                error.is_transient()
            };
            if !may_pass {
                *kept = session;
                return Err(error);
            }
            // The failure of a kept session says nothing about a new one.
            if was_kept {
                continue;
            }
            // That the last attempt was short of time says less than the error before it.
            cause = match error {
                Error::BudgetExceeded { .. } => cause.or(Some(error)),
                error => Some(error),
            };
            let jittered = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            if let Some(cause) = cause.take_if(|_| budget.remaining() < jittered + SHORTEST_ATTEMPT) {
                return Err(cause);
            }
            tokio::time::sleep(jittered).await;
            pause = (pause * 2).min(longest_pause);
        }
    }

    /// Connects ahead of the first [`Self::run`], which then finds the session.
    pub async fn connect_ahead(&self, budget: &Budget) -> Result<(), Error> {
        self.run(budget, async |_| Ok(())).await
    }

    /// The login that a new connection would use. Costs a request where a secret must be read for it.
    pub async fn login(&self, budget: &Budget) -> Result<Login, Error> {
        Ok(self.credentials.login(Candidate::Current, budget).await?.expect("every source has a current login"))
    }

    /// Opens a session of the caller's own, which the caller closes, see [`Session`].
    pub async fn connect(&self, budget: &Budget) -> Result<Session, Error> {
        let mut refusal = None;
        for candidate in Candidate::ALL {
            let Some(login) = self.credentials.login(candidate, budget).await? else { continue };
            match self.open(&login, budget).await {
                Ok(session) => {
                    self.credentials.accepted(login).await;
                    return Ok(session);
                }
                Err(error @ Error::CredentialsRejected { .. }) => refusal = Some(error),
                Err(error) => {
                    if matches!(error, Error::Unreachable { .. } | Error::BudgetExceeded { .. }) {
                        self.credentials.doubt().await;
                    }
                    return Err(error);
                }
            }
        }
        Err(refusal.expect("every source has a current login"))
    }

    /// Closes the kept session, if there is one and it is idle.
    pub async fn close(&self) {
        let Ok(mut kept) = self.kept.try_lock() else { return };
        if let Some(session) = kept.take() {
            session.close().await;
        }
    }

    /// Makes one attempt, on the session that is there or on a new one that is left there.
    async fn attempt<T>(
        &self,
        session: &mut Option<Session>,
        budget: &Budget,
        operation: &mut impl AsyncFnMut(&Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (session, budget) = if let Some(kept) = session {
            (kept, &budget.at_most(KEPT_LIMIT))
        } else {
            // Half of the rest, so that there is time for another attempt. The statement may take it all: on a new
            // connection it waits for a lock, and would again.
            let half = budget.at_most((budget.remaining() / 2).max(SHORTEST_ATTEMPT));
            (session.insert(self.connect(&half).await?), budget)
        };
        budget.spend(Step::Query, operation(session)).await?
    }

    async fn open(&self, login: &Login, budget: &Budget) -> Result<Session, Error> {
        let mut config = Config::new();
        config
            .dbname(&login.dbname)
            .user(&login.user)
            .password(login.password.expose_secret())
            .application_name(self.application_name);
        let (client, connection) = match &login.encryption {
            Encryption::Verified(roots) => {
                let tls = tls::handshake(roots, &login.host)?;
                authenticate(config.ssl_mode(SslMode::Require), tls, login, budget).await?
            }
            Encryption::Off => authenticate(config.ssl_mode(SslMode::Disable), NoTls, login, budget).await?,
        };
        Ok(Session { client: Some(client), connection, login: login.clone() })
    }
}

async fn authenticate<T>(
    config: &Config,
    tls: T,
    login: &Login,
    budget: &Budget,
) -> Result<(Client, JoinHandle<()>), Error>
where
    T: TlsConnect<TcpStream, Stream: Send + 'static>,
{
    let stream = connect_tcp(login, budget).await?;
    let connected = budget.spend(Step::Authenticate, config.connect_raw(stream, tls)).await?;
    let (client, connection) = connected.map_err(|error| Error::from_connect(error, login))?;
    let connection = tokio::spawn(async move {
        // A statement that waits for an answer gets the error as well, and its caller knows better what it means.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a database connection broke");
        }
    });
    Ok((client, connection))
}

/// Resolves the host's name each time: after a failover it means another server.
async fn connect_tcp(login: &Login, budget: &Budget) -> Result<TcpStream, Error> {
    let Login { host, host_address, port, .. } = login;
    let unreachable =
        |source: std::io::Error| Error::Unreachable { host: host.clone(), port: *port, source: source.into() };
    let mut addresses = if let Some(address) = host_address {
        vec![SocketAddr::new(*address, *port)]
    } else {
        let found = budget.spend(Step::ResolveHost, lookup_host((host.as_str(), *port))).await?;
        found.map_err(unreachable)?.collect()
    };
    let mut failure = unreachable(std::io::Error::other("the host name has no address"));
    addresses.reverse();
    while let Some(address) = addresses.pop() {
        // An address that swallows packets must leave time for the next one.
        let shares = u32::try_from(addresses.len() + 1).unwrap_or(u32::MAX);
        match budget.at_most(budget.remaining() / shares).spend(Step::Connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(unreachable)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failure = unreachable(error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// An open connection; use it as the [`Client`] it holds.
///
/// [`Self::close`] ends it at the server. A session that is dropped instead is cut: the
/// server then ends it too if it is idle, but runs a statement that is under way to its end, unless a [`Canceller`]
/// stops it.
#[derive(Debug)]
pub struct Session {
    client: Option<Client>,
    connection: JoinHandle<()>,
    login: Login,
}

/// Cancels the statement that a session is waiting for, while the session is busy.
pub struct Canceller {
    token: CancelToken,
    login: Login,
}

impl Canceller {
    /// Asks the server to cancel the session's statement, which then fails with SQLSTATE 57014.
    pub async fn cancel(&self, budget: &Budget) -> Result<(), Error> {
        let stream = connect_tcp(&self.login, budget).await?;
        let cancelled = match &self.login.encryption {
            Encryption::Verified(roots) => {
                let tls = tls::handshake(roots, &self.login.host)?;
                budget.spend(Step::Query, self.token.cancel_query_raw(stream, tls)).await?
            }
            Encryption::Off => budget.spend(Step::Query, self.token.cancel_query_raw(stream, NoTls)).await?,
        };
        Ok(cancelled?)
    }
}

impl Session {
    /// Makes a canceller of this session's statements.
    pub fn canceller(&self) -> Canceller {
        Canceller { token: self.cancel_token(), login: self.login.clone() }
    }

    /// Ends the session at the server and waits until the message is sent, so that no session is left behind there.
    pub async fn close(mut self) {
        self.client = None;
        // An error here can only be a panic of the connection's task: it is closed either way.
        let _ = (&mut self.connection).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A stalled connection would otherwise wait for the server, possibly for ever.
        self.connection.abort();
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().expect("only `close` takes the client")
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        self.client.as_mut().expect("only `close` takes the client")
    }
}
