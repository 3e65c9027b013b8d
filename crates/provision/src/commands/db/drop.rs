//! `provision db drop`

use std::cell::Cell;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::{anyhow, ensure};
use clap::Args;
use db::{Error, Session};
use postgres_protocol::escape::escape_identifier;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use tokio_postgres::types::{ToSql, Type};

use crate::aws::{Aws, rds};
use crate::cli::Context;
use crate::error::Problem;
use crate::interrupt::unless_interrupted;
use crate::output::counted;
use crate::prompt::{Consent, confirm_by_name};
use crate::target::Target;

/// The time limit for terminated sessions. They roll back first.
const ENDING_LIMIT: Duration = Duration::from_secs(30);

/// The pause between two looks at the sessions that are ending.
const ENDING_PAUSE: Duration = Duration::from_millis(50);

/// Drop the database with all its data
///
/// Asks for the database's name first. In production it asks for the DB instance's name, or the host's if there is no
/// instance, then refuses connections and makes a snapshot. A server on Amazon RDS is production, with or without --prod.
#[derive(Debug, Args)]
pub(super) struct Drop {
    /// End the sessions that are open
    #[arg(long)]
    pub(super) force: bool,
    /// Confirm a drop in production beforehand, with the name that the question asks for; --yes is not enough there
    #[arg(long, value_name = "NAME")]
    pub(super) confirm: Option<String>,
    /// Make no snapshot of production first; without one all data is lost
    #[arg(long)]
    pub(super) skip_snapshot: bool,
}

/// The result of a drop.
#[derive(Debug, Serialize)]
pub(super) struct Dropped {
    database: String,
    host: String,
    dropped: bool,
    snapshot: Option<String>,
}

impl Drop {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Dropped> {
        let target = context.target().await?;
        let database = target.login.dbname.clone();
        let host = target.login.host.clone();
        let Some(sessions) = self.examine(target).await? else {
            return Ok(Dropped { database, host, dropped: false, snapshot: None });
        };
        let saved_by = if target.is_production && !self.skip_snapshot {
            let aws = context.aws().await?;
            Some((aws, instance_to_save(target, aws).await?))
        } else {
            None
        };
        let consent = self.ask(context, target, &sessions)?;
        // The question may have waited for longer than a token is valid.
        let target = &target.renewed().await?;
        let snapshot = if let Some((aws, instance)) = saved_by {
            Some(save_and_drop(target, aws, instance, self.force, &consent).await?)
        } else {
            let drop = async |session: &mut Session| drop_database(session, &database, self.force, &consent).await;
            target.with_outside_session(drop).await?;
            None
        };
        Ok(Dropped { database, host, dropped: true, snapshot })
    }

    /// The open sessions in words, or none if the database does not exist. Fails if it must not be dropped.
    async fn examine(&self, target: &Target) -> anyhow::Result<Option<String>> {
        target
            .with_outside_session(async |session| {
                let Some(found) = target.find(session).await? else { return Ok(None) };
                ensure!(
                    target.is_production || !found.is_on_rds,
                    Problem::new(
                        format!("{} is on Amazon RDS, and counts as production", target.name()),
                        "name it with --prod or in PROD_CONNECTION_URL"
                    )
                );
                let open = count_sessions(session, &target.login.dbname).await?;
                if open == 0 {
                    return Ok(Some("no session is open".to_owned()));
                }
                let sessions = counted(open, "session is open", "sessions are open");
                ensure!(
                    self.force,
                    Problem::new(
                        format!("the database {} is in use: {sessions}", target.name()),
                        "list them with `provision db sessions`, and add --force to end them"
                    )
                );
                Ok(Some(sessions))
            })
            .await
    }

    fn ask(&self, context: &Context, target: &Target, sessions: &str) -> anyhow::Result<Consent> {
        let question = format!("This drops the database {} with all its data; {sessions}.", target.name());
        if target.is_production {
            let expected = target.instance.as_deref().unwrap_or(&target.login.host);
            confirm_by_name(&question, expected, self.confirm.as_deref())
        } else {
            context.confirm(&question, &target.login.dbname)
        }
    }
}

/// The DB instance that the database is on. An instance by the same name in another region or account is none.
async fn instance_to_save<'a>(target: &'a Target, aws: &Aws) -> anyhow::Result<&'a str> {
    let host = &target.login.host;
    let instance = target.instance.as_deref().ok_or_else(|| {
        let problem = format!("{host} is not the endpoint of a DB instance, so no snapshot can be made");
        Problem::new(problem, "add --skip-snapshot to drop without one")
    })?;
    let found = rds::require_instance(aws, instance).await?;
    let endpoint = found.endpoint().and_then(|endpoint| endpoint.address());
    ensure!(
        endpoint.is_some_and(|endpoint| endpoint.eq_ignore_ascii_case(host)),
        Problem::new(
            format!(
                "the DB instance {instance} of this region and account is not at {host}; its snapshot saves nothing"
            ),
            "choose the right --profile and --region, or add --skip-snapshot to drop without one"
        )
    );
    Ok(instance)
}

/// Drops the database after a snapshot that holds all that was ever committed: from before the snapshot on, the database
/// refuses connections. If it is not dropped in the end, it accepts them again.
async fn save_and_drop(
    target: &Target,
    aws: &Aws,
    instance: &str,
    force: bool,
    consent: &Consent,
) -> anyhow::Result<String> {
    let snapshot = rds::dated_name(instance);
    let is_closed = Cell::new(false);
    let saving = unless_interrupted(async {
        // In a session of its own: a tunnel would cut it in the minutes that the snapshot takes.
        let close = async |session: &mut Session| {
            is_closed.set(true);
            target.allow_connections(session, false).await?;
            end_sessions(session, &target.login.dbname, force, consent).await
        };
        target.with_outside_session(close).await?;
        rds::create_snapshot(aws, instance, &snapshot).await?;
        rds::wait_for_snapshot(aws, &snapshot, rds::TimeLimit::default()).await
    });
    let error = match saving.await {
        Some(Ok(())) => match drop_closed(target, force, consent).await {
            Ok(()) => return Ok(snapshot),
            Err(error) => error.context(format!("the snapshot {snapshot} is made, but the database is not dropped")),
        },
        Some(Err(error)) => error.context("nothing was dropped"),
        None => anyhow!("interrupted: nothing was dropped"),
    };
    if !is_closed.get() {
        return Err(error);
    }
    match open(target).await {
        Ok(()) => Err(error),
        Err(cause) => Err(Problem::new(
            format!("{} refuses connections, because opening it failed ({cause:#})", target.name()),
            "open it with `provision db create`",
        )
        .because(error)
        .into()),
    }
}

/// Drops the database, unless another operator has opened it: clients may have written to it since the snapshot.
async fn drop_closed(target: &Target, force: bool, consent: &Consent) -> anyhow::Result<()> {
    let target = target.renewed().await?;
    target
        .with_outside_session(async |session| {
            ensure!(
                target.find(session).await?.is_none_or(|found| !found.is_open),
                Problem::new(
                    "it was opened meanwhile, and the snapshot lacks what was written since",
                    "find out who opened it, and drop it again"
                )
            );
            drop_database(session, &target.login.dbname, force, consent).await
        })
        .await
}

async fn open(target: &Target) -> anyhow::Result<()> {
    let target = target.renewed().await?;
    target.with_outside_session(async |session| Ok(target.allow_connections(session, true).await?)).await
}

async fn drop_database(session: &Session, name: &str, force: bool, _consent: &Consent) -> anyhow::Result<()> {
    let force = if force { " with (force)" } else { "" };
    let statement = format!("drop database if exists {}{force}", escape_identifier(name));
    Ok(session.batch_execute(&statement).await.map_err(Error::from)?)
}

/// Returns once no session is open on the database.
async fn end_sessions(session: &Session, database: &str, force: bool, _consent: &Consent) -> anyhow::Result<()> {
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&database, Type::TEXT)];
    if force {
        session.query_typed(include_str!("terminate_sessions.sql"), &parameters).await.map_err(Error::from)?;
    }
    let deadline = Instant::now() + ENDING_LIMIT;
    while count_sessions(session, database).await? > 0 {
        ensure!(
            force,
            Problem::new(
                format!("a client has connected to {database} meanwhile"),
                "try again, or add --force to end sessions"
            )
        );
        ensure!(
            Instant::now() < deadline,
            Problem::new(format!("a session on {database} does not end"), "look at it with `provision db sessions`")
        );
        sleep(ENDING_PAUSE).await;
    }
    Ok(())
}

async fn count_sessions(session: &Session, database: &str) -> Result<i64, Error> {
    let rows = session.query_typed(include_str!("count_sessions.sql"), &[(&database, Type::TEXT)]).await?;
    Ok(rows.first().map_or(0, |row| row.get("open")))
}

impl Display for Dropped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { database, host, dropped, snapshot } = self;
        let outcome = if *dropped { "is dropped" } else { "did not exist" };
        write!(f, "the database {database} on {host} {outcome}")?;
        match snapshot {
            Some(snapshot) => write!(
                f,
                "; its data is in the snapshot {snapshot}, and `provision db create` opens the restored database"
            ),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use aws_sdk_rds::Client;
    use aws_sdk_rds::operation::create_db_snapshot::CreateDbSnapshotOutput;
    use aws_sdk_rds::operation::describe_db_instances::DescribeDbInstancesOutput;
    use aws_sdk_rds::operation::describe_db_snapshots::DescribeDbSnapshotsOutput;
    use aws_sdk_rds::types::{DbInstance, DbSnapshot, Endpoint};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use db::{Encryption, Login, Roots};
    use testkit::{Postgres, TestDatabase};
    use tokio::runtime::Runtime;

    use super::super::create::Create;
    use super::*;
    use crate::error::shown;

    /// A database of production, on the DB instance `db`.
    async fn production() -> (TestDatabase, Target) {
        production_on(Postgres::shared()).await
    }

    async fn production_on(postgres: &Postgres) -> (TestDatabase, Target) {
        let database = postgres.database().await.expect("a new database");
        let login = Login {
            host: database.host().to_owned(),
            host_address: None,
            port: database.port,
            dbname: database.name.clone(),
            user: database.user().to_owned(),
            password: database.password.clone().into(),
            encryption: Encryption::Verified(Roots::File(database.root_certificate.clone())),
        };
        (database, Target::of_test(login, "db").await)
    }

    /// An RDS whose instance has this endpoint, whose snapshots end like this, and work that is done before they do.
    fn rds(host: &'static str, status: &'static str, meanwhile: impl Fn() + Send + Sync + 'static) -> Aws {
        let instance = mock!(Client::describe_db_instances).then_output(move || {
            let endpoint = Endpoint::builder().address(host).build();
            let instance = DbInstance::builder().endpoint(endpoint).build();
            DescribeDbInstancesOutput::builder().db_instances(instance).build()
        });
        let creation = mock!(Client::create_db_snapshot).then_output(move || {
            meanwhile();
            CreateDbSnapshotOutput::builder().build()
        });
        let look = mock!(Client::describe_db_snapshots).then_output(move || {
            let snapshot = DbSnapshot::builder().status(status).build();
            DescribeDbSnapshotsOutput::builder().db_snapshots(snapshot).build()
        });
        Aws::with_rds(mock_client!(aws_sdk_rds, RuleMode::MatchAny, [&instance, &creation, &look]))
    }

    /// Work of another program, at a place that cannot await it.
    fn elsewhere<T: Send, F: Future<Output = T>>(work: impl FnOnce() -> F + Send) -> T {
        let run = || Runtime::new().expect("a runtime").block_on(work());
        thread::scope(|scope| scope.spawn(run).join().expect("it ends"))
    }

    async fn drop_with(target: &Target, aws: &Aws) -> anyhow::Result<Dropped> {
        let context = Context::of_test(target.clone(), aws.clone());
        Drop { force: true, confirm: Some("db".to_owned()), skip_snapshot: false }.run(&context).await
    }

    #[tokio::test]
    async fn a_database_refuses_connections_between_its_snapshot_and_its_drop() {
        let (database, target) = production().await;
        let writer = database.connect().await.expect("it is accepted");
        let other = target.clone();
        let rds = rds("localhost", "available", move || {
            let error = elsewhere(|| other.with_session(async |_| Ok(()))).expect_err("the database is closed");
            assert!(shown(&error).contains("or open it with `provision db create`"), "{error:#}");
        });
        assert!(
            drop_with(&target, &rds).await.expect("it is dropped").snapshot.expect("its name").starts_with("db-20")
        );
        writer.query_one("select 1", &[]).await.expect_err("the session was ended before");
        let found = target.with_outside_session(async |session| Ok(target.find(session).await?)).await;
        assert!(found.expect("an answer").is_none(), "the database is gone");
    }

    #[tokio::test]
    async fn a_database_that_is_opened_meanwhile_is_kept() {
        let (database, target) = production().await;
        let other = target.clone();
        let rds = rds("localhost", "available", move || {
            let create = async || {
                let context = Context::of_test(other.clone(), Aws::with_rds(mock_client!(aws_sdk_rds, [])));
                Create {}.run(&context).await
            };
            let created = elsewhere(create).expect("the database exists").to_string();
            assert!(created.ends_with("exists already, and accepts connections again"), "{created}");
        });
        let error = drop_with(&target, &rds).await.expect_err("a client may have written");
        assert!(format!("{error:#}").contains("the database is not dropped: it was opened meanwhile"), "{error:#}");
        database.connect().await.expect("it exists");
    }

    #[tokio::test]
    async fn a_database_that_cannot_be_dropped_is_open_again() {
        let postgres = Postgres::start_with("max_prepared_transactions = 1").expect("a server");
        let (database, target) = production_on(&postgres).await;
        let client = database.connect().await.expect("it is accepted");
        let prepare = "begin; create table prepared (); prepare transaction 'prepared'";
        client.batch_execute(prepare).await.expect("a transaction that forbids to drop the database");
        let error = drop_with(&target, &rds("localhost", "available", || ())).await.expect_err("it is in use");
        assert!(format!("{error:#}").contains("is made, but the database is not dropped: "), "{error:#}");
        database.connect().await.expect("it accepts connections again");
    }

    #[tokio::test]
    async fn a_snapshot_that_fails_leaves_the_database_as_it_was() {
        let (database, target) = production().await;
        let error = drop_with(&target, &rds("localhost", "failed", || ())).await.expect_err("there is no snapshot");
        assert!(format!("{error:#}").starts_with("nothing was dropped: the snapshot db-20"), "{error:#}");
        database.connect().await.expect("it accepts connections again");
    }

    #[tokio::test]
    async fn an_instance_elsewhere_by_the_same_name_saves_nothing() {
        let (database, target) = production().await;
        let rds = rds("other.example.com", "available", || ());
        let error = drop_with(&target, &rds).await.expect_err("another instance");
        assert!(shown(&error).contains("hint: choose the right --profile and --region"), "{error}");
        database.connect().await.expect("nothing was done");
    }
}
