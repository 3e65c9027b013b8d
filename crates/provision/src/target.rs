//! Which database a command works on.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use aws_sdk_rds::types::DbInstance;
use db::{Budget, Database, Error, Login, Plaintext, Session, Settings};
use postgres_protocol::escape::escape_identifier;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::aws::Aws;
use crate::declaration::Declaration;
use crate::instance;

/// How long a server may take to let us in. An operator waits longer than a person who signs up.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// The database that `make db-up` and `infra/compose.yaml` start. Its password is no secret: it listens on 127.0.0.1
/// alone.
const LOCAL_URL: &str = "postgres://postgres:password@127.0.0.1:5432/app?sslmode=disable";

/// Every server has it, and one must be connected to some database to create or drop another.
const MAINTENANCE_DATABASE: &str = "postgres";

/// A database, and what must be known of it before something is destroyed.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    settings: Settings,
    pub(crate) login: Login,
    pub(crate) is_production: bool,
    /// Its DB instance, where it is on RDS.
    pub(crate) instance: Option<String>,
    /// Where the function finds the server, unless only a tunnel's port is known, which is ours alone.
    pub(crate) endpoint_port: Option<u16>,
    /// What to say when it cannot be connected to.
    hint: Option<&'static str>,
}

/// A database that is there.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) encoding: String,
    /// Whether anybody is let in.
    pub(crate) is_open: bool,
    /// Whether the server is one of Amazon RDS, as no name of a tunnel tells.
    pub(crate) is_on_rds: bool,
}

impl Target {
    /// The database in `CONNECTION_URL`, else the local one.
    pub(crate) async fn development(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let mut hint = None;
        let url = variable("CONNECTION_URL").unwrap_or_else(|| {
            hint = Some(
                "no CONNECTION_URL is set, so this is about the local database: start it with `make db-up`, set \
                 CONNECTION_URL, or add --prod",
            );
            LOCAL_URL.to_owned()
        });
        let settings = Settings::from_url("CONNECTION_URL", &url, Plaintext::OnLoopback, variable)?;
        let target = Self::with(settings).await?;
        // What is on RDS deserves the care for production, however it was named.
        Ok(Self { is_production: is_on_rds(&target.login.host), hint, ..target })
    }

    /// The database that the function's own variables lead to, by a secret or an IAM token.
    pub(crate) async fn of_function(aws: &Aws, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let settings = Settings::from_variables(|name| match name {
            "AWS_REGION" => aws.region(),
            _ => variable(name),
        })?;
        Self::with(settings.with_aws(aws.config.clone())).await
    }

    /// The database in `PROD_CONNECTION_URL`.
    pub(crate) async fn production_url(url: &str, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        Self::with(Settings::from_url("PROD_CONNECTION_URL", url, Plaintext::Refused, variable)?).await
    }

    /// The declared instance's database, with its master user. `PGHOSTADDR` and `PGPORT` lead through a tunnel.
    pub(crate) async fn production(
        aws: &Aws,
        declaration: &Declaration,
        variable: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let identifier = &declaration.identifier;
        let instance = instance::require_instance(aws, identifier).await?;
        ensure_running(&instance, identifier)?;
        let endpoint = instance.endpoint().context("the DB instance has no endpoint yet; `provision instance wait`")?;
        let host = endpoint.address().context("the DB instance's endpoint has no address yet")?;
        let port = endpoint.port();
        let secret = instance.master_user_secret().and_then(|secret| secret.secret_arn()).with_context(|| {
            format!("{identifier} keeps no password in Secrets Manager (master.password = \"given\"); set PROD_CONNECTION_URL")
        })?;
        let tunnel_port = variable("PGPORT").filter(|_| variable("PGHOSTADDR").is_some());
        let settings = Settings::from_variables(|name| match name {
            "DB_SECRET_ID" => Some(secret.to_owned()),
            "PGHOST" => Some(host.to_owned()),
            "PGPORT" => tunnel_port.clone().or(port.map(|port| port.to_string())),
            "PGDATABASE" => Some(declaration.database.clone()),
            "AWS_REGION" => aws.region(),
            "CONNECTION_URL" | "DB_AUTH" | "PGUSER" => None,
            _ => variable(name),
        })?;
        let target = Self::with(settings.with_aws(aws.config.clone())).await?;
        let endpoint_port = port.and_then(|port| port.try_into().ok());
        Ok(Self { instance: Some(identifier.clone()), endpoint_port, ..target })
    }

    async fn with(settings: Settings) -> anyhow::Result<Self> {
        let login = log_in(settings.clone()).await?;
        let endpoint_port = Some(login.port).filter(|_| login.host_address.is_none());
        Ok(Self { instance: instance_at(&login.host), is_production: true, endpoint_port, hint: None, settings, login })
    }

    /// The same, with the credentials of this moment: a token ends after a quarter of an hour, and a password may change.
    pub(crate) async fn renewed(&self) -> Result<Self, Error> {
        Ok(Self { login: log_in(self.settings.clone()).await?, ..self.clone() })
    }

    /// Connects to the database itself.
    pub(crate) async fn connect(&self) -> anyhow::Result<Session> {
        self.connect_as(self.login.clone()).await
    }

    /// Connects to the same server, to work on the database from outside.
    pub(crate) async fn connect_outside(&self) -> anyhow::Result<Session> {
        ensure!(
            ![MAINTENANCE_DATABASE, "template0", "template1"].contains(&self.login.dbname.as_str()),
            "{} belongs to the server itself; name the application's database",
            self.login.dbname
        );
        self.connect_as(Login { dbname: MAINTENANCE_DATABASE.to_owned(), ..self.login.clone() }).await
    }

    /// The database as the server knows it, if there is such a database; the session is one from outside.
    pub(crate) async fn find(&self, session: &Session) -> Result<Option<Found>, Error> {
        let database = include_str!("../sql/database.sql");
        let rows = session.query_typed(database, &[(&self.login.dbname, Type::TEXT)]).await?;
        let found = |row: &Row| Found {
            encoding: row.get("encoding"),
            is_open: row.get("is_open"),
            is_on_rds: row.get("is_on_rds"),
        };
        Ok(rows.first().map(found))
    }

    /// Lets everybody in who has the right to connect, or nobody; the session is one from outside.
    pub(crate) async fn allow_connections(&self, session: &Session, allow: bool) -> Result<(), Error> {
        let name = escape_identifier(&self.login.dbname);
        Ok(session.batch_execute(&format!("alter database {name} allow_connections {allow}")).await?)
    }

    async fn connect_as(&self, login: Login) -> anyhow::Result<Session> {
        let session = Database::new(login.into(), "provision").connect(&Budget::new(CONNECT_LIMIT)).await;
        match (session, self.hint) {
            (Err(error @ Error::Unreachable { .. }), Some(hint)) => Err(anyhow::Error::from(error).context(hint)),
            (session, _) => Ok(session?),
        }
    }

    /// The database and its server, for people.
    pub(crate) fn name(&self) -> String {
        format!("{} on {}:{}", self.login.dbname, self.login.host, self.login.port)
    }
}

async fn log_in(settings: Settings) -> Result<Login, Error> {
    Database::new(settings, "provision").login(&Budget::new(CONNECT_LIMIT)).await
}

/// Nobody answers at an instance that does not run, and RDS knows better why than the network does.
fn ensure_running(instance: &DbInstance, identifier: &str) -> anyhow::Result<()> {
    match instance.db_instance_status() {
        Some(status @ ("stopped" | "stopping")) => {
            bail!("the DB instance {identifier} is {status}; run `provision instance start`")
        }
        Some(status @ ("creating" | "starting" | "rebooting" | "deleting")) => {
            bail!("the DB instance {identifier} is {status}; see `provision instance wait`")
        }
        _ => Ok(()),
    }
}

/// The DB instance that this host is the endpoint of, such as `users-db` of
/// `users-db.abc.eu-central-1.rds.amazonaws.com`.
fn instance_at(host: &str) -> Option<String> {
    let (instance, rest) = host.split_once('.')?;
    let is_shared = ["proxy-", "cluster-"].iter().any(|kind| rest.starts_with(kind));
    (is_on_rds(host) && !is_shared).then(|| instance.to_ascii_lowercase())
}

fn is_on_rds(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.ends_with(".rds.amazonaws.com") || host.ends_with(".rds.amazonaws.com.cn")
}

#[cfg(test)]
impl Target {
    /// What is at this login, as production.
    pub(crate) async fn of_test(login: Login, instance: &str) -> Self {
        let target = Self::with(login.into()).await.expect("the login is known");
        Self { instance: Some(instance.to_owned()), ..target }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_does_not_run_is_not_connected_to() {
        for (status, expected) in [
            ("stopped", Some("run `provision instance start`")),
            ("starting", Some("see `provision instance wait`")),
            ("available", None),
            ("backing-up", None),
            ("modifying", None),
        ] {
            let instance = DbInstance::builder().db_instance_status(status).build();
            let told = ensure_running(&instance, "db").err().map(|error| error.to_string());
            match expected {
                Some(expected) => assert!(told.as_ref().is_some_and(|told| told.contains(expected)), "{told:?}"),
                None => assert_eq!(told, None, "{status}"),
            }
        }
    }

    #[test]
    fn the_instance_is_told_by_its_endpoint() {
        for (host, instance) in [
            ("users-db.abc123.eu-central-1.rds.amazonaws.com", Some("users-db")),
            ("Users-DB.abc123.EU-CENTRAL-1.RDS.amazonaws.com", Some("users-db")),
            ("users-db.abc123.cn-north-1.rds.amazonaws.com.cn", Some("users-db")),
            ("proxy.proxy-abc123.eu-central-1.rds.amazonaws.com", None),
            ("cluster.cluster-abc123.eu-central-1.rds.amazonaws.com", None),
            ("users-db.example.com", None),
            ("rds.amazonaws.com.example.com", None),
            ("localhost", None),
        ] {
            assert_eq!(instance_at(host).as_deref(), instance, "{host}");
        }
    }
}
