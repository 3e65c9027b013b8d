//! `provision db drop`

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use db::{Error, Session};
use postgres_protocol::escape::escape_identifier;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use tokio_postgres::types::{ToSql, Type};

use crate::aws::Aws;
use crate::instance;
use crate::interrupt::unless_interrupted;
use crate::output::counted;
use crate::talk::{confirm, confirm_by_name};
use crate::target::{Found, Target};

/// How long sessions may take to end when they are told to. They roll back first.
const ENDING_LIMIT: Duration = Duration::from_secs(30);

/// How often it is looked whether they have.
const ENDING_PAUSE: Duration = Duration::from_millis(50);

/// How to drop.
#[derive(Debug)]
pub(crate) struct Dropping<'a> {
    /// End the sessions that are open.
    pub(crate) force: bool,
    /// The operator has agreed beforehand; in production that is not enough.
    pub(crate) agreed: bool,
    /// The DB instance's name as the operator gave it beforehand.
    pub(crate) named: Option<&'a str>,
    /// Who makes the snapshot that production gets first, unless that was refused.
    pub(crate) snapshot: Option<&'a Aws>,
}

/// What is left of a database.
#[derive(Debug, Serialize)]
pub(crate) struct Dropped {
    database: String,
    host: String,
    dropped: bool,
    snapshot: Option<String>,
}

pub(crate) async fn drop(target: &Target, how: Dropping<'_>) -> anyhow::Result<Dropped> {
    let name = &target.login.dbname;
    let session = target.connect_outside().await?;
    let mut snapshot = None;
    let found = target.find(&session).await?;
    let dropped = found.is_some();
    if let Some(Found { is_on_rds, .. }) = found {
        ensure!(
            target.is_production || !is_on_rds,
            "{} is on Amazon RDS, and counts as production; name it with --prod or in PROD_CONNECTION_URL",
            target.name()
        );
        let sessions = match count_sessions(&session, name).await? {
            0 => "nobody is connected to it".to_owned(),
            open => {
                let sessions = counted(open, "session is open", "sessions are open");
                ensure!(
                    how.force,
                    "the database {} is in use: {sessions}; add --force to end them, see `provision db sessions`",
                    target.name()
                );
                sessions
            }
        };
        let saved_by = match how.snapshot {
            Some(aws) => Some((aws, instance_to_save(target, aws).await?)),
            None => None,
        };
        let question = format!("This drops the database {} with all that is in it; {sessions}.", target.name());
        if target.is_production {
            let expected = target.instance.as_deref().unwrap_or(&target.login.host);
            confirm_by_name(&question, expected, how.named)?;
        } else {
            confirm(&question, name, how.agreed)?;
        }
        if let Some((aws, instance)) = saved_by {
            snapshot = Some(save_and_drop(target, session, aws, instance, how.force).await?);
        } else {
            drop_database(&session, name, how.force).await?;
            session.close().await;
        }
    } else {
        session.close().await;
    }
    Ok(Dropped { database: name.clone(), host: target.login.host.clone(), dropped, snapshot })
}

/// The DB instance that the database is on, and no other by its name in another region or account.
async fn instance_to_save<'a>(target: &'a Target, aws: &Aws) -> anyhow::Result<&'a str> {
    let host = &target.login.host;
    let instance = target.instance.as_deref().with_context(|| {
        format!(
            "{host} is no DB instance's endpoint, so that no snapshot can be made; add --skip-snapshot to do without"
        )
    })?;
    let found = instance::require_instance(aws, instance).await?;
    ensure!(
        found.endpoint().and_then(|endpoint| endpoint.address()).is_some_and(|found| found.eq_ignore_ascii_case(host)),
        "the DB instance {instance} of this region and account is not at {host}, so that its snapshot would save nothing; \
         choose the right --profile and --region, or add --skip-snapshot to do without"
    );
    Ok(instance)
}

/// Drops the database after a snapshot that holds all that was ever written to it: nobody can connect to it any more
/// meanwhile. If it is not dropped in the end, everybody can again.
async fn save_and_drop(
    target: &Target,
    session: Session,
    aws: &Aws,
    instance: &str,
    force: bool,
) -> anyhow::Result<String> {
    target.allow_connections(&session, false).await?;
    let saving = unless_interrupted(async {
        end_sessions(&session, &target.login.dbname, force).await?;
        // A tunnel would cut it in the minutes to come.
        session.close().await;
        instance::snapshot_and_wait(aws, instance).await
    });
    let error = match saving.await {
        Some(Ok(snapshot)) => match drop_closed(target, force).await {
            Ok(()) => return Ok(snapshot),
            Err(error) => error.context(format!("the snapshot {snapshot} is made, but the database is not dropped")),
        },
        Some(Err(error)) => error.context("nothing was dropped"),
        None => anyhow!("interrupted: nothing was dropped"),
    };
    match open(target).await {
        Ok(()) => Err(error),
        Err(why) => Err(error.context(format!(
            "nobody can connect to {}, because opening it failed ({why:#}); `provision db create` opens it",
            target.name()
        ))),
    }
}

/// Drops the database, unless somebody has opened it, and may have written to it.
async fn drop_closed(target: &Target, force: bool) -> anyhow::Result<()> {
    let session = target.renewed().await?.connect_outside().await?;
    ensure!(
        target.find(&session).await?.is_none_or(|found| !found.is_open),
        "somebody has opened it meanwhile: what was written since is not in the snapshot"
    );
    drop_database(&session, &target.login.dbname, force).await?;
    session.close().await;
    Ok(())
}

async fn open(target: &Target) -> anyhow::Result<()> {
    let session = target.renewed().await?.connect_outside().await?;
    target.allow_connections(&session, true).await?;
    session.close().await;
    Ok(())
}

async fn drop_database(session: &Session, name: &str, force: bool) -> Result<(), Error> {
    let force = if force { " with (force)" } else { "" };
    Ok(session.batch_execute(&format!("drop database if exists {}{force}", escape_identifier(name))).await?)
}

/// Returns once nobody is connected any more.
async fn end_sessions(session: &Session, database: &str, force: bool) -> anyhow::Result<()> {
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&database, Type::TEXT)];
    if force {
        let terminate = include_str!("../../sql/terminate_sessions.sql");
        session.query_typed(terminate, &parameters).await.map_err(Error::from)?;
    }
    let deadline = Instant::now() + ENDING_LIMIT;
    while count_sessions(session, database).await? > 0 {
        ensure!(force, "somebody has connected to {database} meanwhile; try again, or add --force to end sessions");
        ensure!(Instant::now() < deadline, "a session on {database} does not end; see `provision db sessions`");
        sleep(ENDING_PAUSE).await;
    }
    Ok(())
}

async fn count_sessions(session: &Session, database: &str) -> Result<i64, Error> {
    let count = include_str!("../../sql/count_sessions.sql");
    let rows = session.query_typed(count, &[(&database, Type::TEXT)]).await?;
    Ok(rows.first().map_or(0, |row| row.get("open")))
}

impl Display for Dropped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { database, host, dropped, snapshot } = self;
        let what = if *dropped { "is dropped" } else { "was not there" };
        write!(f, "the database {database} on {host} {what}")?;
        match snapshot {
            Some(snapshot) => write!(
                f,
                "; the snapshot {snapshot} holds what was in it, and `provision db create` opens it once restored"
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

    use super::super::create;
    use super::*;

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

    /// An RDS whose instance has this endpoint, whose snapshots end like this, and what happens before they do.
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

    /// What somebody else does, while nobody here can wait for it.
    fn elsewhere<T: Send>(work: impl Future<Output = T> + Send) -> T {
        let run = || Runtime::new().expect("a runtime").block_on(work);
        thread::scope(|scope| scope.spawn(run).join().expect("it ends"))
    }

    async fn drop_with(target: &Target, aws: &Aws) -> anyhow::Result<Dropped> {
        drop(target, Dropping { force: true, agreed: false, named: Some("db"), snapshot: Some(aws) }).await
    }

    #[tokio::test]
    async fn nobody_writes_between_the_snapshot_and_the_drop() {
        let (database, target) = production().await;
        let writer = database.connect().await.expect("it is let in");
        let other = target.clone();
        let rds = rds("localhost", "available", move || {
            let error = elsewhere(other.connect()).expect_err("the database is closed");
            assert!(format!("{error:#}").contains("wait for the drop, or open it with"), "{error:#}");
        });
        assert!(
            drop_with(&target, &rds).await.expect("it is dropped").snapshot.expect("its name").starts_with("db-20")
        );
        writer.query_one("select 1", &[]).await.expect_err("the session was ended before");
        let outside = target.connect_outside().await.expect("the server is up");
        assert!(target.find(&outside).await.expect("an answer").is_none(), "the database is gone");
    }

    #[tokio::test]
    async fn a_database_that_somebody_opens_meanwhile_is_kept() {
        let (database, target) = production().await;
        let other = target.clone();
        let rds = rds("localhost", "available", move || {
            let created = elsewhere(create(&other)).expect("the database is there").to_string();
            assert!(created.ends_with("was there already, and lets everybody in again"), "{created}");
        });
        let error = drop_with(&target, &rds).await.expect_err("somebody may have written");
        assert!(format!("{error:#}").contains("the database is not dropped: somebody has opened it"), "{error:#}");
        database.connect().await.expect("it is there");
    }

    #[tokio::test]
    async fn a_database_that_cannot_be_dropped_is_open_again() {
        let postgres = Postgres::start_with("max_prepared_transactions = 1").expect("a server");
        let (database, target) = production_on(&postgres).await;
        let client = database.connect().await.expect("it is let in");
        let prepare = "begin; create table prepared (); prepare transaction 'prepared'";
        client.batch_execute(prepare).await.expect("a transaction that forbids to drop the database");
        let error = drop_with(&target, &rds("localhost", "available", || ())).await.expect_err("it is in use");
        assert!(format!("{error:#}").contains("is made, but the database is not dropped: "), "{error:#}");
        database.connect().await.expect("everybody is let in again");
    }

    #[tokio::test]
    async fn a_snapshot_that_fails_leaves_the_database_as_it_was() {
        let (database, target) = production().await;
        let error = drop_with(&target, &rds("localhost", "failed", || ())).await.expect_err("there is no snapshot");
        assert!(format!("{error:#}").starts_with("nothing was dropped: the snapshot db-20"), "{error:#}");
        database.connect().await.expect("everybody is let in again");
    }

    #[tokio::test]
    async fn an_instance_elsewhere_by_the_same_name_saves_nothing() {
        let (database, target) = production().await;
        let rds = rds("other.example.com", "available", || ());
        let error = drop_with(&target, &rds).await.expect_err("another instance");
        assert!(error.to_string().contains("choose the right --profile and --region"), "{error}");
        database.connect().await.expect("nothing was done");
    }
}
