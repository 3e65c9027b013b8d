//! What every candidate meets: one PostgreSQL, one AWS, one relay.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use testkit::{IamGateway, Postgres, TestDatabase};
use tokio::runtime::Runtime;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::aws::{Aws, Scheme};
use crate::candidate::{Candidate, Settings, Use};
use crate::process::Process;
use crate::queue::Queue;
use crate::relay::Relay;
use crate::runtime::TIME_LIMIT;
use crate::share::Share;

/// TLS as RDS speaks it today.
const CONFIGURATION: &str = "ssl_min_protocol_version = 'TLSv1.3'\n";

/// The way to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Straight: nothing but the candidate and the server is measured.
    Direct,
    /// Through the relay, which counts and delays.
    Relay,
}

/// The stand-ins.
pub(crate) struct Scene {
    pub(crate) relay: Relay,
    runtime: Runtime,
    pub(crate) server: Postgres,
    pub(crate) aws: Aws,
    pub(crate) queue: Queue,
    /// Before the server, for logins with a token.
    gateway: IamGateway,
    administration: Client,
    event: Value,
}

impl Scene {
    /// Starts them, the server with these lines in its configuration.
    pub(crate) fn start(scheme: Scheme, configuration: &str) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let server = Postgres::start_durable(&format!("{CONFIGURATION}{configuration}"))?;
        let (port, gateway, administration) = runtime.block_on(async {
            let database = server.database().await?;
            let administration = database.connect().await?;
            // All others log in as a superuser as well.
            administration.batch_execute(&format!("create role {} login superuser", IamGateway::ROLE)).await?;
            anyhow::Ok((database.port, IamGateway::start(&database).await?, administration))
        })?;
        let mut samples = testkit::samples()?;
        let event = serde_json::from_str(&samples.swap_remove(0).event)?;
        let (relay, aws) = (Relay::start(port)?, Aws::start(scheme)?);
        let queue = aws.queue()?;
        Ok(Self { relay, runtime, server, aws, queue, gateway, administration, event })
    }

    /// Waits for what is asynchronous.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A database with the schema.
    pub(crate) fn loaded_database(&self) -> anyhow::Result<TestDatabase> {
        let load = async |database: &TestDatabase| {
            db::schema::load(&mut database.connect().await?).await?;
            Ok(())
        };
        self.wait(self.server.loaded_database(load))
    }

    /// A database for the candidate alone, whose tables are as long as those of the others, and its secrets.
    pub(crate) fn database(&self, name: &str) -> anyhow::Result<TestDatabase> {
        let database = self.loaded_database()?;
        let mut secret = database.secret();
        self.aws.put(&format!("{name}-{:?}", Way::Direct), &secret);
        secret["port"] = json!(self.relay.port());
        self.aws.put(&format!("{name}-{:?}", Way::Relay), &secret);
        Ok(database)
    }

    /// Starts a candidate.
    pub(crate) fn launch(
        &self,
        candidate: &Candidate,
        database: &TestDatabase,
        way: Way,
        share: Option<&Share>,
    ) -> anyhow::Result<Process> {
        let (host, port) = (database.host(), if way == Way::Relay { self.relay.port() } else { database.port });
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let secret = ("DB_SECRET_ID", format!("{}-{way:?}", candidate.name));
        let ahead = ("DB_CONNECT_AHEAD", format!("{host}:{port}"));
        let root = ("PGSSLROOTCERT", text(&database.root_certificate));
        let mut environment = match candidate.settings {
            Settings::Secret => vec![secret, root],
            Settings::Server => vec![secret, root, ahead],
            Settings::ServerAndQueue => [vec![secret, root, ahead], self.queue.environment()].concat(),
            Settings::Gateway => vec![
                ("DB_AUTH", "iam".to_owned()),
                ("PGHOST", host.to_owned()),
                ("PGPORT", self.gateway.port().to_string()),
                ("PGUSER", IamGateway::ROLE.to_owned()),
                ("PGDATABASE", database.name.clone()),
                ("PGSSLROOTCERT", text(&self.gateway.root_certificate())),
            ],
            Settings::Login => {
                let (user, password, name) = (database.user(), &database.password, &database.name);
                let login =
                    format!("host={host} port={port} user={user} password={password} dbname={name} sslmode=require");
                vec![("DATABASE", login), root]
            }
        };
        environment.extend(self.aws.environment());
        let processes = share.map(Share::processes);
        Process::start(candidate, &environment, TIME_LIMIT, processes.as_deref()).with_context(|| candidate.label)
    }

    /// The confirmed sign-up of somebody new.
    pub(crate) fn event(&self) -> String {
        self.sign_up().1
    }

    /// The confirmed sign-up of somebody new, after that user's id.
    pub(crate) fn sign_up(&self) -> (String, String) {
        let id = Uuid::new_v4();
        (id.to_string(), self.event_of(id))
    }

    /// The confirmed sign-up of this user.
    pub(crate) fn event_of(&self, id: Uuid) -> String {
        let (id, mut event) = (id.to_string(), self.event.clone());
        event["userName"] = json!(id);
        let attributes = &mut event["request"]["userAttributes"];
        attributes["sub"] = json!(id);
        attributes["preferred_username"] = json!(format!("ada-{id}"));
        attributes["email"] = json!(format!("{id}@example.com"));
        event.to_string()
    }

    /// Ends all sessions in the database while the process is frozen, so that it wakes with a dead connection.
    pub(crate) fn cut(&self, process: &Process, database: &TestDatabase) -> anyhow::Result<()> {
        process.freeze()?;
        self.runtime.block_on(async {
            let end = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
            self.administration.execute(end, &[&database.name]).await?;
            let left = "select count(*) from pg_stat_activity where datname = $1";
            while self.administration.query_one(left, &[&database.name]).await?.get::<_, i64>(0) > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            anyhow::Ok(())
        })?;
        // The gateway passes the end on.
        std::thread::sleep(Duration::from_millis(5));
        process.thaw()
    }

    /// How many sessions this role has at the server.
    pub(crate) fn sessions(&self, role: &str) -> anyhow::Result<usize> {
        let count = "select count(*) from pg_stat_activity where usename = $1";
        let count: i64 = self.wait(self.administration.query_one(count, &[&role]))?.try_get(0)?;
        Ok(usize::try_from(count)?)
    }

    /// Fails unless the candidate has written so many rows: each measured call is a sign-up that was written.
    pub(crate) fn expect_rows(&self, candidate: &Candidate, database: &TestDatabase, calls: i64) -> anyhow::Result<()> {
        let expected = if candidate.database == Use::None { 0 } else { calls };
        let rows = self.runtime.block_on(async {
            let count = "select count(*) from public.users";
            anyhow::Ok(database.connect().await?.query_one(count, &[]).await?.get::<_, i64>(0))
        })?;
        anyhow::ensure!(
            rows == expected,
            "{}: expected {expected} rows after as many calls, not {rows}",
            candidate.label
        );
        Ok(())
    }
}
