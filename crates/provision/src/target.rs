//! Which database a command works on.

mod database;
mod endpoint;
mod maintenance;
mod operator;
mod server;
mod session;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use db::{AddressOf, Budget, Database, Error, Login, Parameters, Plaintext, Settings, utf8};

pub(crate) use self::database::Found;
pub(crate) use self::maintenance::MaintenanceArgs;
pub(crate) use self::server::Server;
pub(crate) use self::session::Session;

use self::endpoint::{instance_at, is_on_rds};

use crate::aws::Aws;
use crate::aws::rds::{self, DbInstance};
use crate::declaration::Declaration;
use crate::error::Problem;
use crate::interrupt::unless_interrupted;
use crate::libpq;

/// The time limit for one connection. An operator waits longer than a person who signs up.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// The time limit for the request that cancels a statement.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// The database that `make db-up` and `infra/compose.yaml` start. Its password is no secret: it listens on 127.0.0.1
/// alone.
const LOCAL_URL: &str = "postgres://postgres:password@127.0.0.1:5432/app?sslmode=disable";

/// The databases that `initdb` makes for the server: others are copied from them, or programs connect to them first.
/// <https://www.postgresql.org/docs/current/manage-ag-templatedbs.html>
const SERVER_DATABASES: [&str; 3] = ["postgres", "template0", "template1"];

/// The name of this program's sessions at the server.
const APPLICATION_NAME: &str = "provision";

/// A database, with the facts that matter before something in it is destroyed.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    settings: Settings,
    pub(crate) login: Login,
    /// Whether the operator has named it as one of production. What the server says counts as well: [`Session`] knows both.
    is_production: bool,
    /// Its DB instance, where it is on RDS.
    pub(crate) instance: Option<String>,
    /// The server's port, for the function. None through a tunnel to a URL: only the operator has the tunnel's port.
    pub(crate) endpoint_port: Option<u16>,
    /// Whether it is the local database that no variable names.
    is_local_default: bool,
    /// How TLS is turned off, where it may be.
    plaintext: Option<&'static str>,
}

impl Target {
    /// The database in `CONNECTION_URL`, else the one that libpq's variables name, else the local one.
    pub(crate) async fn development(variable: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Self> {
        let url = variable("CONNECTION_URL").map(|url| utf8("CONNECTION_URL", url)).transpose()?;
        let is_local_default = url.is_none() && libpq::NAMING.iter().all(|name| variable(name).is_none());
        let url = match &url {
            _ if is_local_default => Some(Parameters::of_url("the local database", LOCAL_URL)?),
            Some(url) => Some(Parameters::of_url("CONNECTION_URL", url)?),
            None => None,
        };
        let plaintext = match &url {
            Some(_) => "write sslmode=disable in CONNECTION_URL",
            None if variable("PGSERVICE").is_some() => "write sslmode=disable in PGSERVICE's service",
            None => "set PGSSLMODE to `disable`",
        };
        let target = Self::with(login(url, Plaintext::OnLoopback, Some("localhost"), variable)?).await?;
        // A database on RDS deserves the care for production, whatever variable names it.
        let is_production = is_on_rds(&target.login.host);
        let plaintext = target.login.is_local().then_some(plaintext);
        Ok(Self { is_production, is_local_default, plaintext, ..target })
    }

    /// The database that the function's own variables name, by a secret or an IAM token.
    pub(crate) async fn of_function(aws: &Aws, variable: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Self> {
        let settings = Settings::from_variables(|name| match name {
            "AWS_REGION" => aws.region().map(OsString::from),
            _ => variable(name),
        })?;
        Self::with(settings.with_aws(aws.config())).await
    }

    /// The database in `PROD_CONNECTION_URL`.
    pub(crate) async fn production_url(url: &str, variable: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Self> {
        let url = Parameters::of_url("PROD_CONNECTION_URL", url)?;
        Self::with(login(Some(url), Plaintext::Refused, None, variable)?).await
    }

    /// The database of the declared DB instance, as its master user. `PGHOSTADDR` and `PGPORT` name a tunnel.
    pub(crate) async fn production(
        aws: &Aws,
        declaration: &Declaration,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> anyhow::Result<Self> {
        let identifier = &declaration.identifier;
        let instance = rds::require_instance(aws, identifier).await?;
        ensure_running(&instance, identifier)?;
        let endpoint = instance.endpoint().and_then(|endpoint| Some((endpoint.address()?, endpoint.port())));
        let (host, port) = endpoint.ok_or_else(|| {
            Problem::new(format!("the DB instance {identifier} has no endpoint yet"), "run `provision instance wait`")
        })?;
        let secret = instance.master_user_secret().and_then(|secret| secret.secret_arn()).ok_or_else(|| {
            let problem = format!("{identifier} has no password in Secrets Manager (master.password = \"given\")");
            Problem::new(problem, "set PROD_CONNECTION_URL")
        })?;
        let tunnel_port = variable("PGPORT").filter(|_| variable("PGHOSTADDR").is_some());
        let settings = Settings::from_variables(|name| match name {
            "DB_SECRET_ID" => Some(secret.into()),
            "PGHOST" => Some(host.into()),
            "PGPORT" => tunnel_port.clone().or(port.map(|port| port.to_string().into())),
            "PGDATABASE" => Some(declaration.database.clone().into()),
            "AWS_REGION" => aws.region().map(OsString::from),
            "CONNECTION_URL" | "DB_AUTH" | "PGUSER" => None,
            _ => variable(name),
        })?;
        let target = Self::with(settings.with_aws(aws.config())).await?;
        let endpoint_port = port.and_then(|port| port.try_into().ok());
        Ok(Self { instance: Some(identifier.clone()), endpoint_port, ..target })
    }

    async fn with(settings: Settings) -> anyhow::Result<Self> {
        let login = log_in(settings.clone()).await?;
        let endpoint_port = Some(login.port).filter(|_| login.host_address.is_none());
        Ok(Self {
            instance: instance_at(&login.host),
            is_production: true,
            endpoint_port,
            is_local_default: false,
            plaintext: None,
            settings,
            login,
        })
    }

    /// The same database with current credentials: a token expires after 15 minutes, and a password may change.
    pub(crate) async fn renewed(&self) -> Result<Self, Error> {
        Ok(Self { login: log_in(self.settings.clone()).await?, ..self.clone() })
    }

    /// The database itself, for work that outlasts a connection: it finds its credentials anew.
    pub(crate) fn database(&self) -> Database {
        Database::new(self.settings.clone(), APPLICATION_NAME)
    }

    /// Does the work in a session on the database, and closes the session however the work ends.
    pub(crate) async fn with_session<T>(
        &self,
        work: impl AsyncFnOnce(&mut Session) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.open(self.login.clone()).await?.closing(work).await
    }

    /// The same for work that writes what belongs to the application, which the server's own databases and those in
    /// another encoding than UTF8 are not for.
    pub(crate) async fn with_writing_session<T>(
        &self,
        work: impl AsyncFnOnce(&mut Session) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.ensure_of_application()?;
        let session = self.open(self.login.clone()).await?;
        session
            .closing(async |session| {
                session.ensure_utf8(self)?;
                work(session).await
            })
            .await
    }

    /// The same, or `None` as soon as it is interrupted. The statement that is under way is cancelled then: the server would
    /// finish it before it notices the closed connection.
    pub(crate) async fn with_interruptible_session<T>(
        &self,
        work: impl AsyncFnOnce(&mut Session) -> anyhow::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        let canceller = OnceCell::new();
        // Kept until the request is dealt with: a pooler forgets one whose session is gone.
        let mut session = pin!(self.with_writing_session(async |session| {
            let _ = canceller.set(session.canceller());
            work(session).await
        }));
        let Some(outcome) = unless_interrupted(&mut session).await else {
            if let Some(canceller) = canceller.get() {
                canceller.cancel(&Budget::new(CANCEL_LIMIT)).await.context("interrupted, and not cancelled")?;
            }
            return Ok(None);
        };
        outcome.map(Some)
    }

    /// Does the work in a session outside the database, on the same server, as is needed to create or drop it.
    pub(crate) async fn with_outside_session<T>(
        &self,
        maintenance: &MaintenanceArgs,
        work: impl AsyncFnOnce(&mut Session) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.ensure_of_application()?;
        let session = maintenance.open(self).await?;
        session
            .closing(async |session| {
                session.set(include_str!("target/outside.sql")).await?;
                let outcome = work(session).await;
                // Where it fails, the connection is lost.
                let _ = session.set(include_str!("target/inside.sql")).await;
                outcome
            })
            .await
    }

    fn ensure_of_application(&self) -> anyhow::Result<()> {
        let dbname = &self.login.dbname;
        ensure!(
            !SERVER_DATABASES.contains(&dbname.as_str()),
            Problem::new(format!("{dbname} is a database of the server itself"), "name the application's database")
        );
        Ok(())
    }

    /// Whether the server accepts this login for the database.
    pub(crate) async fn accepts(&self, login: Login) -> Result<(), Error> {
        let session = Database::new(login.into(), APPLICATION_NAME).connect(&Budget::new(CONNECT_LIMIT)).await?;
        session.close().await;
        Ok(())
    }

    async fn open(&self, login: Login) -> anyhow::Result<Session> {
        match Database::new(login.into(), APPLICATION_NAME).connect(&Budget::new(CONNECT_LIMIT)).await {
            Err(error @ Error::Unreachable { .. }) if self.is_local_default => Err(Problem::new(
                "CONNECTION_URL is not set, and the local database does not run",
                "start it with `make db-up`, set CONNECTION_URL, or add --prod",
            )
            .because(error)
            .into()),
            Err(error) => Err(self.explained(error)),
            Ok(session) => Session::new(session, self).await,
        }
    }

    /// The error of a connection, with the way out that this target has.
    fn explained(&self, error: Error) -> anyhow::Error {
        let problem = error.to_string();
        let is_without_tls = error.is_without_tls();
        match (error, self.plaintext) {
            (Error::TlsRefused { remedy, source, .. }, Some(plaintext)) if is_without_tls => {
                let remedy = format!("{remedy}, or, for a development database, {plaintext}");
                Problem::new(problem, remedy).because(source).into()
            }
            (error, _) => error.into(),
        }
    }

    /// Whether the host is an endpoint of Amazon RDS.
    #[cfg(feature = "instance")]
    pub(crate) fn is_on_rds(&self) -> bool {
        is_on_rds(&self.login.host)
    }

    /// The database and its server, for questions and errors.
    pub(crate) fn name(&self) -> String {
        let Login { dbname, host, host_address, port, .. } = &self.login;
        let address = AddressOf { host, address: *host_address };
        // As in a URL.
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        format!("{dbname} on {host}:{port}{address}")
    }

    /// The server, for results.
    pub(crate) fn server(&self) -> Server {
        Server::of(&self.login)
    }
}

/// The login in a URL. What it leaves out comes from libpq's service, then from its variables, and a password at last from
/// its password file. As for libpq, without a host an address is one.
fn login(
    url: Option<Parameters>,
    plaintext: Plaintext,
    default_host: Option<&str>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> anyhow::Result<Settings> {
    let sets: Vec<_> = url.into_iter().chain(libpq::service(&variable)?).collect();
    let address = sets.iter().find_map(Parameters::host_address);
    let address = address.or_else(|| variable("PGHOSTADDR")?.to_str()?.trim().parse().ok());
    let default_host = default_host.map(|host| address.map_or(host.to_owned(), |address: IpAddr| address.to_string()));
    let host = |name: &str| default_host.clone().filter(|_| name == "PGHOST").map(OsString::from);
    let variable = |name: &str| variable(name).or_else(|| host(name));
    let settings = Settings::from_parameters(&sets, plaintext, variable)?;
    settings.with_password_from(|login| libpq::password(login, &variable))
}

async fn log_in(settings: Settings) -> Result<Login, Error> {
    Database::new(settings, APPLICATION_NAME).login(&Budget::new(CONNECT_LIMIT)).await
}

/// Fails for an instance that does not run: the network could only report that nothing answers.
fn ensure_running(instance: &DbInstance, identifier: &str) -> anyhow::Result<()> {
    let status = instance.db_instance_status().unwrap_or("unknown");
    let remedy = match status {
        "stopped" | "stopping" => "run `provision instance start`",
        "creating" | "starting" | "rebooting" | "deleting" => "run `provision instance wait`",
        _ => return Ok(()),
    };
    bail!(Problem::new(format!("the DB instance {identifier} is {status}"), remedy))
}

#[cfg(test)]
impl Target {
    /// The database at this login, as production on a DB instance.
    pub(crate) async fn of_test(login: Login, instance: &str) -> Self {
        let target = Self::with(login.into()).await.expect("the login is known");
        Self { instance: Some(instance.to_owned()), ..target }
    }
}

#[cfg(test)]
mod tests {
    use testkit::Port;

    use super::*;
    use crate::error::shown;

    #[tokio::test]
    async fn the_local_database_that_does_not_run_is_reported_with_the_ways_on() {
        let port = Port::reserve().expect("a port");
        let url = LOCAL_URL.replace("5432", &port.number().to_string());
        let none = |_: &str| None::<OsString>;
        let settings = Settings::from_url("CONNECTION_URL", &url, Plaintext::OnLoopback, none).expect("a URL");
        let target = Target { is_local_default: true, ..Target::with(settings).await.expect("the login is known") };
        let error = target.with_session(async |_| Ok(())).await.expect_err("nothing listens");
        let shown = shown(&error);
        assert!(
            shown.starts_with("error: CONNECTION_URL is not set, and the local database does not run: cannot reach"),
            "{shown}"
        );
        assert!(shown.contains("hint: start it with `make db-up`, set CONNECTION_URL, or add --prod"), "{shown}");
    }

    #[test]
    fn an_instance_that_does_not_run_is_reported_before_a_connection() {
        for (status, expected) in [
            ("stopped", Some("run `provision instance start`")),
            ("starting", Some("run `provision instance wait`")),
            ("available", None),
            ("backing-up", None),
            ("modifying", None),
        ] {
            let instance = DbInstance::builder().db_instance_status(status).build();
            let error = ensure_running(&instance, "db").err().map(|error| shown(&error));
            let expected = expected.map(|remedy| format!("error: the DB instance db is {status}\nhint: {remedy}\n"));
            assert_eq!(error, expected, "{status}");
        }
    }
}
