//! A database of one scenario's own with the function's role, and the way there.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use db::role::{Authentication, Role};
use serde_json::{Value, json};
use testkit::{PgBouncer, TestDatabase};

use super::scenario::Scenario;
use crate::candidate::Candidate;
use crate::process::Process;
use crate::queue::Queue;
use crate::say;
use crate::scene::Scene;

/// The time limit of the replay, as infra/template.yaml has it.
const REPLAY_TIME_LIMIT: Duration = Duration::from_mins(1);

/// More than there are processes: the server's limit is to be the one that counts.
const CONNECTION_LIMIT: i32 = 1000;

/// Where the functions of a scenario are, and what they meet.
pub(crate) struct Place<'a> {
    pub(crate) scene: &'a Scene,
    candidate: &'a Candidate,
    database: TestDatabase,
    pub(crate) role: String,
    pub(crate) queue: Queue,
    has_queue: bool,
    time_limit: Duration,
    // As long as there are functions.
    _pooler: Option<PgBouncer>,
}

impl<'a> Place<'a> {
    /// Makes the database, the role, and the pooler if there is one.
    pub(crate) fn new(
        scene: &'a Scene,
        candidate: &'a Candidate,
        scenario: &Scenario,
        time_limit: Duration,
    ) -> anyhow::Result<Self> {
        let database = scene.loaded_database()?;
        let role = format!("function_{}", scenario.name);
        let password = "as/any p@ssword";
        scene.wait(async {
            let mut client = database.connect().await?;
            let role = Role {
                name: role.clone(),
                authentication: Authentication::Password,
                connection_limit: Some(CONNECTION_LIMIT),
                keeps_public: false,
            };
            let plan = db::role::plan(&client, &role).await?;
            let applied = db::role::apply(&mut client, &plan).await?;
            applied.set_password(&password.into()).await?;
            applied.commit().await?;
            anyhow::Ok(())
        })?;
        let mut secret = database.secret();
        (secret["username"], secret["password"]) = (json!(role), json!(password));
        let pooler = scenario.pool.map(|size| {
            let mut pooler = PgBouncer::start(&scene.server, &database, size)?;
            pooler.restart(&scene.server, &[(&role, password)])?;
            anyhow::Ok(pooler)
        });
        let pooler = pooler.transpose()?;
        if let Some(pooler) = &pooler {
            secret["port"] = json!(pooler.port());
        }
        scene.aws.put(&role, &secret);
        let (queue, has_queue) = (Queue::start(None)?, scenario.has_queue);
        Ok(Self { scene, candidate, database, role, queue, has_queue, time_limit, _pooler: pooler })
    }

    /// Starts the function.
    pub(crate) fn start(&self) -> anyhow::Result<Process> {
        let queue = if self.has_queue { self.queue.environment() } else { Vec::new() };
        self.launch(queue, self.time_limit)
    }

    /// Starts the replay.
    pub(crate) fn start_replay(&self) -> anyhow::Result<Process> {
        self.launch(self.queue.replay_environment(), REPLAY_TIME_LIMIT)
    }

    fn launch(&self, queue: Vec<(&'static str, String)>, time_limit: Duration) -> anyhow::Result<Process> {
        let root = self.database.root_certificate.to_string_lossy().into_owned();
        let login = vec![("DB_SECRET_ID", self.role.clone()), ("PGSSLROOTCERT", root)];
        let environment = [login, self.scene.aws.environment(), queue].concat();
        Process::start(self.candidate, &environment, time_limit, None)
    }

    /// The type in the body of an error. With a queue nobody should see one: then the function's log is shown.
    pub(crate) fn error_of(&self, process: &mut Process, body: &[u8]) -> String {
        if self.has_queue {
            say(&format!("a sign-up fails: {}", process.end_of_log()));
        }
        let error: Value = serde_json::from_slice(body).unwrap_or_default();
        error["errorType"].as_str().unwrap_or("unknown").to_owned()
    }

    /// How many rows each user has.
    pub(crate) fn rows(&self) -> anyhow::Result<BTreeMap<String, usize>> {
        let rows = self.scene.wait(async {
            let sql = "select cognito_user_id from public.users";
            anyhow::Ok(self.database.connect().await?.query(sql, &[]).await?)
        });
        let mut counts = BTreeMap::new();
        for row in rows.context("the rows cannot be read")? {
            *counts.entry(row.try_get(0)?).or_default() += 1;
        }
        Ok(counts)
    }
}
