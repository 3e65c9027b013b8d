//! Which database a command works on.

use std::time::Duration;

use anyhow::{Context, ensure};
use db::{Budget, Database, Login, Plaintext, Session, Settings};

use crate::aws::Aws;
use crate::declaration::Declaration;
use crate::instance;

/// How long a server may take to let us in. An operator waits longer than a person who signs up.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// The database that `make db-up` and `infra/compose.yaml` start. Its password is no secret: it listens on 127.0.0.1 alone.
const LOCAL_URL: &str = "postgres://postgres:password@127.0.0.1:5432/app?sslmode=disable";

/// Every server has it, and one must be connected to some database to create or drop another.
const MAINTENANCE_DATABASE: &str = "postgres";

/// A database, and what must be known of it before something is destroyed.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) login: Login,
    pub(crate) is_production: bool,
    /// Its DB instance, where it is on RDS.
    pub(crate) instance: Option<String>,
    /// Where the function finds the server: a tunnel's port is ours alone.
    pub(crate) endpoint_port: u16,
    /// What to say when it cannot be connected to.
    hint: Option<&'static str>,
}

impl Target {
    /// The database in `CONNECTION_URL` or the function's other variables, else the local one.
    pub(crate) async fn development(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
        let mut hint = None;
        let settings = if is_set("DB_SECRET_ID") || is_set("DB_AUTH") {
            Settings::from_variables(&variable)?
        } else {
            let url = variable("CONNECTION_URL").filter(|url| !url.is_empty()).unwrap_or_else(|| {
                hint = Some(
                    "no CONNECTION_URL is set, so this is about the local database: start it with `make db-up`, set \
                     CONNECTION_URL, or add --prod",
                );
                LOCAL_URL.to_owned()
            });
            Settings::from_url("CONNECTION_URL", &url, Plaintext::OnLoopback, &variable)?
        };
        let login = Database::new(settings, "provision").login(Budget::new(CONNECT_LIMIT)).await?;
        let instance = instance_at(&login.host);
        let endpoint_port = login.port;
        // Whatever is on AWS deserves the care for production, however it was named.
        Ok(Self { is_production: instance.is_some() || is_set("DB_SECRET_ID"), login, instance, endpoint_port, hint })
    }

    /// The database in `PROD_CONNECTION_URL`.
    pub(crate) async fn production_url(url: &str, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let settings = Settings::from_url("PROD_CONNECTION_URL", url, Plaintext::Refused, variable)?;
        let login = Database::new(settings, "provision").login(Budget::new(CONNECT_LIMIT)).await?;
        Ok(Self {
            is_production: true,
            instance: instance_at(&login.host),
            endpoint_port: login.port,
            login,
            hint: None,
        })
    }

    /// The declared instance's database, with its master user. `PGHOSTADDR` and `PGPORT` lead through a tunnel.
    pub(crate) async fn production(
        aws: &Aws,
        declaration: &Declaration,
        variable: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let identifier = &declaration.identifier;
        let instance = instance::require_instance(aws, identifier).await?;
        let endpoint = instance.endpoint().context("the DB instance has no endpoint yet; `provision instance wait`")?;
        let host = endpoint.address().context("the DB instance's endpoint has no address yet")?;
        let secret = instance.master_user_secret().and_then(|secret| secret.secret_arn()).with_context(|| {
            format!("{identifier} keeps no password in Secrets Manager (master.password = \"given\"); set PROD_CONNECTION_URL")
        })?;
        let has_tunnel = variable("PGHOSTADDR").is_some_and(|address| !address.is_empty());
        let settings = Settings::from_variables(|name| match name {
            "DB_SECRET_ID" => Some(secret.to_owned()),
            "PGHOST" => Some(host.to_owned()),
            "PGPORT" if !has_tunnel => endpoint.port().map(|port| port.to_string()),
            "PGDATABASE" => Some(declaration.database.clone()),
            "AWS_REGION" => aws.config.region().map(ToString::to_string),
            "CONNECTION_URL" | "DB_AUTH" | "PGUSER" => None,
            _ => variable(name),
        })?;
        let database = Database::new(settings.with_aws(aws.config.clone()), "provision");
        let login = database.login(Budget::new(CONNECT_LIMIT)).await?;
        let endpoint_port = endpoint.port().and_then(|port| port.try_into().ok()).unwrap_or(login.port);
        Ok(Self { login, is_production: true, instance: Some(identifier.clone()), endpoint_port, hint: None })
    }

    /// Connects to the database itself.
    pub(crate) async fn connect(&self) -> anyhow::Result<Session> {
        self.connect_as(self.login.clone()).await
    }

    /// Connects to the same server, to work on the database from outside.
    pub(crate) async fn connect_outside(&self) -> anyhow::Result<Session> {
        ensure!(
            self.login.dbname != MAINTENANCE_DATABASE && !self.login.dbname.starts_with("template"),
            "{} belongs to the server itself; name the application's database",
            self.login.dbname
        );
        self.connect_as(Login { dbname: MAINTENANCE_DATABASE.to_owned(), ..self.login.clone() }).await
    }

    async fn connect_as(&self, login: Login) -> anyhow::Result<Session> {
        let session = Database::new(login.into(), "provision").connect(Budget::new(CONNECT_LIMIT)).await;
        match (session, self.hint) {
            (Err(error @ db::Error::Unreachable { .. }), Some(hint)) => Err(anyhow::Error::from(error).context(hint)),
            (session, _) => Ok(session?),
        }
    }

    /// The database and its server, for people.
    pub(crate) fn name(&self) -> String {
        format!("{} on {}:{}", self.login.dbname, self.login.host, self.login.port)
    }
}

/// The DB instance that this host is the endpoint of, such as `users-db` of `users-db.abc.eu-central-1.rds.amazonaws.com`.
fn instance_at(host: &str) -> Option<String> {
    let is_rds = host.ends_with(".rds.amazonaws.com") || host.ends_with(".rds.amazonaws.com.cn");
    let (instance, rest) = host.split_once('.')?;
    (is_rds && !rest.starts_with("proxy-")).then(|| instance.to_owned())
}
