//! The deployment: what several checks look at, read once.

use std::fmt::Write as _;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use db::{Budget, Database, Login, Settings, is_proxy};
use tokio::sync::OnceCell;

use super::Doctor;
use super::finding::Seen;
use crate::aws::function::{Configuration, FunctionName, find_function};
use crate::aws::queue::{Queue, QueueName, find_queue};
use crate::aws::rds::{DbInstance, Endpoint, find_instance};
use crate::aws::secrets::{Description, describe_secret};
use crate::aws::user_pool::{UserPool, read_user_pool};
use crate::aws::{Aws, Identity};
use crate::cli::{Context, quoted};
use crate::declaration::Declaration;
use crate::error::{Problem, remedy};

/// The time limit of the function's login: as long as an operator waits elsewhere.
pub(super) const LOGIN_LIMIT: Duration = Duration::from_secs(30);

/// The deployment that the command line names.
pub(super) struct Deployment<'a> {
    pub(super) context: &'a Context,
    pub(super) pool_id: String,
    pub(super) function_name: FunctionName,
    queue_name: Option<QueueName>,
    /// Whether every user is looked at.
    pub(super) full: bool,
    /// How long a user may be without a row.
    pub(super) settle: Duration,
    identity: Fact<(Result<Identity, Unknown>, Option<SystemTime>)>,
    instance: Fact<Option<DbInstance>>,
    function: Fact<Option<Configuration>>,
    secret: Fact<Option<Description>>,
    login: Fact<Login>,
    pool: Fact<UserPool>,
    queue: Fact<Option<Queue>>,
}

/// What is read when the first check needs it, and not again.
struct Fact<T>(OnceCell<Result<T, Unknown>>);

/// Why something is not known.
#[derive(Clone, Debug)]
pub(super) struct Unknown {
    problem: String,
    remedy: Option<String>,
}

impl<T> Fact<T> {
    fn new() -> Self {
        Self(OnceCell::new())
    }

    // Boxed: the SDK's futures are large.
    async fn get(&self, read: Pin<Box<dyn Future<Output = anyhow::Result<T>> + '_>>) -> anyhow::Result<&T> {
        let known = self.0.get_or_init(async || read.await.map_err(|error| Unknown::of(&error))).await;
        known.as_ref().map_err(Unknown::error)
    }
}

impl Unknown {
    pub(super) fn of(error: &anyhow::Error) -> Self {
        Self { problem: format!("{error:#}"), remedy: remedy(error) }
    }

    pub(super) fn error(&self) -> anyhow::Error {
        match &self.remedy {
            Some(remedy) => Problem::new(&self.problem, remedy).into(),
            None => anyhow!("{}", self.problem),
        }
    }
}

impl<'a> Deployment<'a> {
    pub(super) fn new(context: &'a Context, pool_id: String, command: Doctor) -> Self {
        let Doctor { function, queue, full, settle, pool: _ } = command;
        Self {
            context,
            pool_id,
            function_name: function,
            queue_name: queue,
            full,
            settle,
            identity: Fact::new(),
            instance: Fact::new(),
            function: Fact::new(),
            secret: Fact::new(),
            login: Fact::new(),
            pool: Fact::new(),
            queue: Fact::new(),
        }
    }

    pub(super) async fn aws(&self) -> anyhow::Result<&Aws> {
        self.context.aws().await
    }

    pub(super) fn declaration(&self) -> anyhow::Result<&Declaration> {
        self.context.declaration()
    }

    /// Whose credentials these are, and the time at AWS.
    pub(super) async fn identity(&self) -> anyhow::Result<&(Result<Identity, Unknown>, Option<SystemTime>)> {
        let read = Box::pin(async {
            let (identity, time) = self.aws().await?.identity().await;
            Ok((identity.map_err(|error| Unknown::of(&error)), time))
        });
        self.identity.get(read).await
    }

    /// Account and region, once they are known.
    pub(super) fn known_place(&self) -> Option<String> {
        let (identity, _) = self.identity.0.get()?.as_ref().ok()?;
        Some(identity.as_ref().ok()?.place.to_string())
    }

    /// The declared DB instance, if it exists.
    pub(super) async fn find_instance(&self) -> anyhow::Result<Option<&DbInstance>> {
        let read = Box::pin(async { find_instance(self.aws().await?, &self.declaration()?.identifier).await });
        Ok(self.instance.get(read).await?.as_ref())
    }

    /// The function, if it exists.
    pub(super) async fn find_function(&self) -> anyhow::Result<Option<&Configuration>> {
        let read = Box::pin(async {
            let aws = self.aws().await?;
            self.function_name.ensure_in(aws.region().as_deref())?;
            find_function(aws, &self.function_name).await
        });
        Ok(self.function.get(read).await?.as_ref())
    }

    /// The function, for a check that needs one.
    pub(super) async fn function(&self) -> anyhow::Result<&Configuration> {
        let name = &self.function_name;
        let absent = || Problem::new(format!("there is no function {name}"), "see the check `function`");
        Ok(self.find_function().await?.ok_or_else(absent)?)
    }

    /// The settings of the database in the function's variables, read as the function reads them. A tunnel and roots are
    /// those of this machine.
    pub(super) async fn settings(&self) -> anyhow::Result<Settings> {
        let function = self.function().await?;
        let region = self.aws().await?.region();
        let local = ["PGHOSTADDR", "PGPORT", "PGSSLROOTCERT"].map(|name| self.context.variable(name));
        let [address, port, roots] = local;
        let (address, port, roots) = (address?, port?, roots?);
        function.ensure_readable()?;
        let settings = Settings::from_variables(|name| match name {
            "AWS_REGION" => region.clone(),
            "PGHOSTADDR" if address.is_some() => address.clone(),
            "PGPORT" if address.is_some() && port.is_some() => port.clone(),
            // The function's own file is in its zip.
            "PGSSLROOTCERT" => roots.clone(),
            _ => function.variable(name).map(str::to_owned),
        })?;
        Ok(settings.with_aws(self.aws().await?.config()))
    }

    /// The function's login, with its secret.
    pub(super) async fn login(&self) -> anyhow::Result<&Login> {
        self.login.get(Box::pin(self.read_login())).await
    }

    /// The same, read anew, with an error as it came.
    pub(super) async fn read_login(&self) -> anyhow::Result<Login> {
        Ok(Box::pin(self.database().await?.login(&Budget::new(LOGIN_LIMIT))).await?)
    }

    /// The database as the function reaches it.
    pub(super) async fn database(&self) -> anyhow::Result<Database> {
        Ok(Database::new(self.settings().await?, "provision"))
    }

    /// The function's secret, if it has one and that exists.
    pub(super) async fn find_secret(&self) -> anyhow::Result<Option<&Description>> {
        // What is no name of a secret may be its content, which goes nowhere.
        self.settings().await?;
        let function = self.function().await?;
        let read = Box::pin(async {
            match function.variable("DB_SECRET_ID") {
                Some(id) => describe_secret(self.aws().await?, id).await,
                None => Ok(None),
            }
        });
        Ok(self.secret.get(read).await?.as_ref())
    }

    pub(super) async fn pool(&self) -> anyhow::Result<&UserPool> {
        self.pool.get(Box::pin(async { read_user_pool(self.aws().await?, &self.pool_id).await })).await
    }

    /// The name of the spill queue; none if the function has none.
    pub(super) async fn queue_name(&self) -> anyhow::Result<Option<QueueName>> {
        if let Some(name) = &self.queue_name {
            return Ok(Some(name.clone()));
        }
        let wrong = |problem| {
            let remedy = "correct the variable of the function, or name the queue with --queue";
            Problem::new(format!("SPILL_QUEUE_URL of the function: {problem}"), remedy)
        };
        let function = self.function().await?;
        function.ensure_readable()?;
        let url = function.variable("SPILL_QUEUE_URL");
        Ok(url.map(|url| url.parse().map_err(wrong)).transpose()?)
    }

    /// The spill queue, if the function has one and that exists.
    pub(super) async fn find_queue(&self) -> anyhow::Result<Option<&Queue>> {
        let read = Box::pin(async {
            match self.queue_name().await? {
                Some(name) => find_queue(self.aws().await?, &name).await,
                None => Ok(None),
            }
        });
        Ok(self.queue.get(read).await?.as_ref())
    }

    /// The region of the requests, and so of the deployment.
    pub(super) async fn region(&self) -> anyhow::Result<String> {
        Ok(self.aws().await?.region().unwrap_or_default())
    }

    /// Whether an RDS Proxy stands between the function and the server.
    pub(super) async fn has_proxy(&self) -> anyhow::Result<bool> {
        match self.function().await?.variable("PGHOST") {
            Some(host) => Ok(is_proxy(host)),
            None => Ok(self.login().await.is_ok_and(|login| is_proxy(&login.host))),
        }
    }

    /// The command that makes the function's role what it should be, and keeps how it logs in.
    pub(super) async fn grant(&self, options: &str) -> anyhow::Result<String> {
        let function = self.function().await?;
        let mut command = "db grant --prod".to_owned();
        let is_iam = function.variable("DB_AUTH").is_some();
        let instance = self.find_instance().await.ok().flatten();
        let master = instance.and_then(DbInstance::master_username);
        if let Ok(login) = self.login().await
            && master != Some(login.user.as_str())
        {
            let _ = write!(command, " --role {}", quoted(&login.user));
            if let (false, Ok(Some(secret))) = (is_iam, self.find_secret().await) {
                let _ = write!(command, " --secret {}", quoted(&secret.name));
            }
            let target = self.context.target().await?;
            if !login.host.eq_ignore_ascii_case(&target.login.host) {
                let _ = write!(command, " --host {}", quoted(&login.host));
            }
            let port = function.variable("PGPORT").and_then(|port| port.parse().ok());
            let port = port.or(instance.and_then(DbInstance::endpoint).and_then(Endpoint::port));
            if let (None, Some(port)) = (target.endpoint_port, port) {
                let _ = write!(command, " --port {port}");
            }
        }
        if is_iam {
            command.push_str(" --iam");
        }
        Ok(self.command(&format!("{command}{options}")))
    }

    /// This command line with another command.
    pub(super) fn command(&self, command: &str) -> String {
        format!("`{}`", self.context.command_line(command))
    }
}

/// What a check says where the declared DB instance does not exist.
pub(super) fn without_instance() -> Seen {
    Seen::off("the declared DB instance does not exist")
}

/// What a check says where the function has no spill queue.
pub(super) fn without_queue() -> Seen {
    Seen::off("the function has no spill queue (SPILL_QUEUE_URL)")
}
