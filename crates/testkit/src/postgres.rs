//! A throw-away PostgreSQL server that accepts connections over TLS alone.

mod cluster;
mod database;
mod local_server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;
use uuid::Uuid;

pub use self::database::TestDatabase;
pub use self::local_server::LocalServer;

use self::cluster::{Cluster, path};
use self::database::HOST;
use crate::{Authority, HANG_LIMIT, Keys, Leash, Port};

/// TLS and a password for every role but the one of an [`IamGateway`](crate::IamGateway), which has checked its token.
const AUTHENTICATION: &str = "\
hostnossl all iam_user 127.0.0.1/32 trust
hostssl all all 127.0.0.1/32 scram-sha-256
";

/// A running server with its own certificate authority. It is stopped and its files are deleted when this is dropped
/// or the process ends.
#[derive(Debug)]
pub struct Postgres {
    password: String,
    cluster: Cluster,
    authority: Authority,
    databases: AtomicU32,
    template: OnceCell<String>,
    // Stopped before its port is free.
    _leash: Leash,
    port: Port,
}

impl Postgres {
    /// The name of the authority that signs a server's certificate.
    pub const AUTHORITY: &str = "throw-away root";

    /// The server that all tests of one process share.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Postgres> =
            LazyLock::new(|| Postgres::start().unwrap_or_else(|error| panic!("{error:?}")));
        &SHARED
    }

    /// Starts a server on a free port of 127.0.0.1.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with("")
    }

    /// Starts a server with these lines in its configuration.
    pub fn start_with(configuration: &str) -> anyhow::Result<Self> {
        Self::launch(Keys::default(), configuration, |cluster| cluster)
    }

    /// The same, but each commit is on the disk before it is answered (`fsync`), as in production: for measurements.
    pub fn start_durable(configuration: &str) -> anyhow::Result<Self> {
        Self::launch(Keys::default(), configuration, Cluster::durable)
    }

    /// Starts a server whose certificate, and whose authority's, have keys of this kind.
    pub fn start_with_keys(keys: Keys) -> anyhow::Result<Self> {
        Self::launch(keys, "", |cluster| cluster)
    }

    fn launch(keys: Keys, configuration: &str, adapt: impl FnOnce(Cluster) -> Cluster) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("postgres-")?.keep();
        let leash = Leash::new(
            "kill -s QUIT \"$(head -n 1 \"$1/data/postmaster.pid\")\" && \
             while [ -e \"$1/data/postmaster.pid\" ]; do sleep 0.02; done; rm -rf \"$1\"",
            &[path(&directory)?],
        )?;
        // Characters that a URL has to encode, so that every test proves that it does.
        let password = format!("p@ss/{}", Uuid::new_v4());
        let authority = Authority::with_keys(Self::AUTHORITY, keys)?;
        let cluster = Cluster::create(&directory, &password, &authority, AUTHENTICATION, configuration)?;
        let (cluster, port) = (adapt(cluster), Port::reserve()?);
        cluster.start(port.number())?;
        let (databases, template) = (AtomicU32::new(0), OnceCell::new());
        Ok(Self { password, cluster, authority, databases, template, _leash: leash, port })
    }

    /// Restarts the server with a certificate that has expired.
    pub fn let_certificate_expire(&self) -> anyhow::Result<()> {
        self.stop("fast")?;
        self.cluster.write_identity(self.authority.issue_expired(HOST)?)?;
        self.start_again()
    }

    /// Gives the running server these settings, by name, and waits until new sessions have them.
    pub async fn configure(&self, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let (session, logged) = (self.administration().await?, self.log()?.len());
        for (name, value) in settings {
            session.batch_execute(&format!("alter system set {name} = '{value}'")).await?;
        }
        session.batch_execute("select pg_reload_conf()").await?;
        let (names, values): (Vec<&str>, Vec<&str>) = settings.iter().copied().unzip();
        let are_set = "select bool_and(current_setting(name) = value) \
                       from unnest($1::text[], $2::text[]) as settings (name, value)";
        let taken_over = async {
            while !self.administration().await?.query_one(are_set, &[&names, &values]).await?.get::<_, bool>(0) {
                sleep(Duration::from_millis(10)).await;
            }
            anyhow::Ok(())
        };
        timeout(HANG_LIMIT, taken_over).await.context("the server does not take its settings over")??;
        // A session that is newer than all that the server does about it: with settings of TLS that do not work it keeps
        // what it had.
        self.administration().await?;
        let log = self.log()?;
        ensure!(!log[logged..].contains("SSL configuration was not reloaded"), "{}", &log[logged..]);
        Ok(())
    }

    /// Stops the server: `immediate` as a crash would, `fast` as an operator does.
    pub fn stop(&self, mode: &str) -> anyhow::Result<()> {
        self.cluster.stop(mode)
    }

    /// Whether the server runs.
    pub fn is_running(&self) -> bool {
        self.cluster.is_running()
    }

    /// Starts the stopped server again, on the same port.
    pub fn start_again(&self) -> anyhow::Result<()> {
        self.cluster.start(self.port.number())
    }

    /// A program that came with the server, such as `pgbench`, if it did.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        self.cluster.program(name)
    }

    /// Everything the server has logged.
    pub fn log(&self) -> anyhow::Result<String> {
        self.cluster.log()
    }

    /// A program that is run as the server's user, because it refuses root as well.
    pub(crate) fn command_as_server_user(&self, program: &Path) -> Command {
        self.cluster.run_as_server_user(Command::new(program))
    }

    /// Makes the server's user the owner of `path` and of everything in it.
    pub(crate) fn give_to_server_user(&self, path: &Path) -> anyhow::Result<()> {
        self.cluster.give_to_server_user(path)
    }

    /// A directory that is deleted with the server and that its user may read.
    pub(crate) fn directory(&self) -> &Path {
        self.cluster.directory()
    }

    /// Creates an empty database.
    pub async fn database(&self) -> anyhow::Result<TestDatabase> {
        let database = self.database_named(format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed)));
        self.administration().await?.batch_execute(&format!("create database {}", database.name)).await?;
        Ok(database)
    }

    /// Creates a database that holds what `load` writes into an empty one.
    ///
    /// `load` runs once for each server; every database is a copy of what it left. So each call on one server must
    /// pass the same.
    pub async fn loaded_database(
        &self,
        load: impl AsyncFnOnce(&TestDatabase) -> anyhow::Result<()>,
    ) -> anyhow::Result<TestDatabase> {
        let template = self.template.get_or_try_init(async || self.make_template(load).await).await?;
        let database = self.database_named(format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed)));
        let administration = self.administration().await?;
        administration.batch_execute(&format!("create database {} template {template}", database.name)).await?;
        // What was granted and revoked on the database itself is not copied.
        let rights =
            "update pg_database set datacl = (select datacl from pg_database where datname = $1) where datname = $2";
        administration.execute(rights, &[template, &database.name]).await?;
        Ok(database)
    }

    async fn make_template(
        &self,
        load: impl AsyncFnOnce(&TestDatabase) -> anyhow::Result<()>,
    ) -> anyhow::Result<String> {
        let template = self.database().await?;
        load(&template).await?;
        // A database that has a session cannot be copied, and the server ends one some time after its client has gone.
        let administration = self.administration().await?;
        let close = format!("alter database {} allow_connections false", template.name);
        administration.batch_execute(&close).await?;
        let sessions = "select count(*) from pg_stat_activity where datname = $1";
        let ended = async {
            while administration.query_one(sessions, &[&template.name]).await?.get::<_, i64>(0) > 0 {
                sleep(Duration::from_millis(10)).await;
            }
            anyhow::Ok(())
        };
        timeout(HANG_LIMIT, ended).await.context("the template's sessions do not end")??;
        Ok(template.name)
    }

    fn database_named(&self, name: String) -> TestDatabase {
        TestDatabase {
            name,
            port: self.port.number(),
            password: self.password.clone(),
            root_certificate: cluster::root_certificate(self.cluster.directory()),
        }
    }

    /// A connection to the database that every server has.
    async fn administration(&self) -> anyhow::Result<Client> {
        self.database_named("postgres".to_owned()).connect().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[tokio::test]
    async fn a_loaded_database_is_a_copy_with_its_rights_and_is_loaded_once() {
        let loaded = AtomicBool::new(false);
        let load = async |database: &TestDatabase| {
            assert!(!loaded.swap(true, Ordering::Relaxed), "it is loaded once");
            let statements = "create table loaded (); do $$ begin
                execute format('revoke temporary on database %I from public', current_database()); end $$";
            Ok(database.connect().await?.batch_execute(statements).await?)
        };
        let postgres = Postgres::shared();
        let (first, second) = tokio::join!(postgres.loaded_database(load), postgres.loaded_database(load));
        let (first, second) = (first.expect("a database"), second.expect("a database"));
        assert_ne!(first.name, second.name);
        for database in [first, second] {
            let client = database.connect().await.expect("the database is up");
            client.query("select from loaded", &[]).await.expect("what was loaded is there");
            let public = "select has_database_privilege(0::oid, current_database(), 'temporary')";
            let granted: bool = client.query_one(public, &[]).await.expect("an answer").get(0);
            assert!(!granted, "what was revoked from PUBLIC is revoked in the copy");
        }
    }

    #[tokio::test]
    async fn a_server_keeps_its_port_and_its_databases_when_it_is_stopped() {
        let postgres = Postgres::start().expect("a server");
        let database = postgres.database().await.expect("a database");
        postgres.stop("fast").expect("the server stops");
        assert!(!postgres.is_running());
        database.connect().await.expect_err("the server is stopped");
        postgres.start_again().expect("the server starts");
        assert!(postgres.is_running());
        database.connect().await.expect("the server accepts connections on the same port");
    }
}
