//! The snapshot that a production database is dropped after.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use db::Error;
use tokio::time::{Instant, sleep};
use tokio_postgres::types::Type;

use super::drop::{Drop, ensure_same};
use super::obstacles::{self, count_occupants};
use super::removal::{Remains, Removal, saved as saved_in};
use crate::aws::{Aws, rds};
use crate::error::Problem;
use crate::interrupt::{in_spite_of_interruption, until_interrupted};
use crate::prompt::Consent;
use crate::target::{MaintenanceArgs, Session, Target};

/// The time limit for terminated sessions. They roll back first.
const ENDING_LIMIT: Duration = Duration::from_secs(30);

/// The pause between two looks at the sessions that are ending.
const ENDING_PAUSE: Duration = Duration::from_millis(50);

/// The DB instance that the database is on, by the name of its endpoint.
pub(super) fn instance_to_save(target: &Target, is_on_rds: bool) -> anyhow::Result<&str> {
    let host = &target.login.host;
    let instance = target.instance.as_deref().ok_or_else(|| {
        let problem = format!("{host} is not the endpoint of a DB instance, so no snapshot can be made");
        // Nothing but the endpoint, which the certificate proves, tells which instance is behind a tunnel or an alias.
        let remedy = if is_on_rds {
            "connect to the DB instance's own endpoint by its name, with the address of a tunnel in PGHOSTADDR"
        } else {
            "save its data with pg_dump, then add --skip-snapshot"
        };
        Problem::new(problem, remedy)
    })?;
    Ok(instance)
}

/// Fails for an instance by the same name in another region or account.
pub(super) async fn ensure_at_target(target: &Target, aws: &Aws, instance: &str) -> anyhow::Result<()> {
    let host = &target.login.host;
    let found = rds::require_instance(aws, instance).await?;
    let endpoint = found.endpoint().and_then(|endpoint| endpoint.address());
    ensure!(
        endpoint.is_some_and(|endpoint| endpoint.eq_ignore_ascii_case(host)),
        Problem::new(
            format!(
                "the DB instance {instance} of this region and account is not at {host}; its snapshot saves nothing"
            ),
            "choose the right --profile and --region"
        )
    );
    Ok(())
}

/// Drops the database after a snapshot that holds all that was ever committed: from before the snapshot on, the database
/// refuses connections. If it is not dropped in the end, it accepts them again. An interruption ends the saving; the drop, or
/// the opening, goes on to its end.
pub(super) async fn save_and_drop(
    target: &Target,
    aws: &Aws,
    instance: &str,
    options: &Drop,
    oid: u32,
    consent: &Consent,
) -> anyhow::Result<String> {
    let Drop { force, maintenance, .. } = options;
    let snapshot = rds::dated_name(instance)?;
    let is_closed = Cell::new(false);
    let saving = until_interrupted(async {
        // In a session of its own: a tunnel would cut it in the minutes that the snapshot takes.
        let close = async |session: &mut Session| {
            ensure_same(session, target, oid).await?;
            let found = target.find(session).await?;
            let gone = || format!("the database {} was dropped meanwhile, so nothing was done", target.name());
            let found = found.ok_or_else(|| Problem::new(gone(), "look for the snapshot of whoever dropped it"))?;
            // One that was closed before stays closed.
            if found.is_open {
                is_closed.set(true);
                target.allow_connections(session, oid, false).await?;
            }
            end_sessions(session, &target.login.dbname, *force, consent).await?;
            // The question may have waited for long.
            obstacles::examine(target, session, *force).await
        };
        target.with_outside_session(maintenance, close).await?;
        rds::create_snapshot(aws, instance, &snapshot).await?;
        rds::wait_for_snapshot(aws, &snapshot, rds::TimeLimit::default()).await
    });
    let saved = Box::pin(saving).await;
    let ending = async {
        let (snapshot, error) = match saved {
            Some(Ok(())) => {
                let (force, snapshot) = (*force, Some(snapshot.as_str()));
                let removal = Removal { target, maintenance, oid, force, consent, snapshot, remains: Cell::default() };
                let removed = removal.run().await;
                match (removed, removal.remains.get()) {
                    (Ok(()), _) => return Ok(()),
                    (Err(error), Remains::All) => (snapshot, error),
                    // Nothing is left that could be opened.
                    (Err(error), Remains::Half | Remains::Unknown) => return Err(error),
                }
            }
            Some(Err(error)) => (None, error.context("nothing was dropped")),
            None => (None, anyhow!("interrupted: nothing was dropped")),
        };
        if !is_closed.get() {
            return Err(error);
        }
        match open(target, maintenance, oid).await {
            Ok(true) => Err(error),
            Ok(false) => Err(Problem::new(
                format!("the database {} was dropped by another session{}", target.name(), saved_in(snapshot)),
                "look for the snapshot of whoever dropped it",
            )
            .because(error)
            .into()),
            Err(cause) => Err(Problem::new(
                format!("{} refuses connections, because opening it failed ({cause:#})", target.name()),
                "open it with `provision db create`",
            )
            .because(error)
            .into()),
        }
    };
    in_spite_of_interruption(Box::pin(ending)).await.0?;
    Ok(snapshot)
}

/// Makes the database accept connections again, and returns whether it exists.
async fn open(target: &Target, maintenance: &MaintenanceArgs, oid: u32) -> anyhow::Result<bool> {
    let target = target.renewed().await?;
    let open = async |session: &mut Session| {
        target.allow_connections(session, oid, true).await?;
        Ok(target.name_of(session, oid).await?.is_some())
    };
    target.with_outside_session(maintenance, open).await
}

/// Returns once no session is open on the database.
async fn end_sessions(session: &Session, database: &str, force: bool, _consent: &Consent) -> anyhow::Result<()> {
    if force {
        let terminate = include_str!("terminate_sessions.sql");
        session.query_typed(terminate, &[(&database, Type::TEXT)]).await.map_err(Error::from)?;
    }
    let deadline = Instant::now() + ENDING_LIMIT;
    while count_occupants(session, database).await? > 0 {
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

#[cfg(test)]
mod tests {
    use std::thread;

    use aws_sdk_rds::Client;
    use aws_sdk_rds::operation::create_db_snapshot::CreateDbSnapshotOutput;
    use aws_sdk_rds::operation::describe_db_instances::DescribeDbInstancesOutput;
    use aws_sdk_rds::operation::describe_db_snapshots::DescribeDbSnapshotsOutput;
    use aws_sdk_rds::types::{DbInstance, DbSnapshot, Endpoint};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use db::{ConnectionOptions, Encryption, Login, Roots};
    use testkit::{Postgres, TestDatabase};
    use tokio::runtime::Runtime;

    use super::super::create::Create;
    use super::super::drop::Dropped;
    use super::*;
    use crate::cli::Context;
    use crate::error::shown;
    use crate::prompt::confirm_by_name;

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
            options: ConnectionOptions::default(),
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
        let confirm = Some("db".to_owned());
        Drop { force: true, confirm, skip_snapshot: false, maintenance: MaintenanceArgs::default() }.run(&context).await
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
        let found = target
            .with_outside_session(&MaintenanceArgs::default(), async |session| Ok(target.find(session).await?))
            .await;
        assert!(found.expect("an answer").is_none(), "the database is gone");
    }

    #[tokio::test]
    async fn a_database_that_is_opened_meanwhile_is_kept() {
        let (database, target) = production().await;
        let other = target.clone();
        let rds = rds("localhost", "available", move || {
            let create = async || {
                let context = Context::of_test(other.clone(), Aws::with_rds(mock_client!(aws_sdk_rds, [])));
                Create { maintenance: MaintenanceArgs::default() }.run(&context).await
            };
            let created = elsewhere(create).expect("the database exists").to_string();
            assert!(created.ends_with("exists already, and accepts connections again"), "{created}");
        });
        let error = drop_with(&target, &rds).await.expect_err("a client may have written");
        assert!(format!("{error:#}").contains("the database is not dropped: it was opened meanwhile"), "{error:#}");
        database.connect().await.expect("it exists");
    }

    #[tokio::test]
    async fn a_database_that_cannot_be_dropped_after_all_is_open_again() {
        let (database, target) = production().await;
        let protect = format!("alter database {} is_template true", database.name);
        let server = TestDatabase { name: "postgres".to_owned(), ..database.clone() };
        let rds = rds("localhost", "available", move || {
            let protect = async || server.connect().await.expect("it is accepted").batch_execute(&protect).await;
            elsewhere(protect).expect("the database is a template");
        });
        let error = drop_with(&target, &rds).await.expect_err("a template is not dropped");
        assert!(format!("{error:#}").contains("is made, but the database is not dropped: "), "{error:#}");
        database.connect().await.expect("it accepts connections again");
    }

    #[tokio::test]
    async fn what_stops_a_drop_is_found_before_anything_is_closed_or_saved() {
        let postgres = Postgres::start_with("max_prepared_transactions = 1").expect("a server");
        let (database, target) = production_on(&postgres).await;
        let client = database.connect().await.expect("it is accepted");
        let prepare = "begin; create table prepared (); prepare transaction 'gid 1'";
        client.batch_execute(prepare).await.expect("a prepared transaction");
        let rds = rds("localhost", "available", || panic!("a snapshot is made"));
        let error = shown(&drop_with(&target, &rds).await.expect_err("it is in use"));
        assert!(error.starts_with("error: the prepared transaction 'gid 1' holds "), "{error}");
        client.query_one("select 1", &[]).await.expect("the session is open");
        database.connect().await.expect("it accepts connections");
    }

    #[tokio::test]
    async fn a_snapshot_that_fails_leaves_the_database_as_it_was() {
        let (database, target) = production().await;
        let error = drop_with(&target, &rds("localhost", "failed", || ())).await.expect_err("there is no snapshot");
        assert!(format!("{error:#}").starts_with("nothing was dropped: the snapshot db-20"), "{error:#}");
        database.connect().await.expect("it accepts connections again");
    }

    #[tokio::test]
    async fn a_drop_whose_end_nobody_saw_says_so_and_names_the_snapshot() {
        let (_database, target) = production().await;
        let consent = confirm_by_name("", "db", Some("db")).expect("it is confirmed");
        let removal = Removal {
            target: &target,
            maintenance: &MaintenanceArgs::default(),
            oid: 1,
            force: false,
            consent: &consent,
            snapshot: Some("db-2026"),
            remains: Cell::new(Remains::Unknown),
        };
        let error = shown(&removal.explain(anyhow!("the server is gone")));
        assert!(error.contains(" was dropped, and it may be gone; its data is in the snapshot db-2026: "), "{error}");
        assert!(error.contains("\nhint: run `provision db drop` again when the server answers: "), "{error}");
        removal.remains.set(Remains::Half);
        let error = shown(&removal.explain(anyhow!("a refusal")));
        assert!(error.contains(" is half dropped; its data is in the snapshot db-2026: "), "{error}");
    }

    #[tokio::test]
    async fn a_database_that_another_session_drops_during_a_failing_snapshot_is_not_called_kept() {
        let (database, target) = production().await;
        let server = TestDatabase { name: "postgres".to_owned(), ..database.clone() };
        let statement = format!("drop database {}", database.name);
        let rds = rds("localhost", "failed", move || {
            let drop = async || server.connect().await.expect("it is accepted").batch_execute(&statement).await;
            elsewhere(drop).expect("it is dropped");
        });
        let error = shown(&drop_with(&target, &rds).await.expect_err("there is no snapshot"));
        assert!(error.contains(" was dropped by another session: nothing was dropped: "), "{error}");
        assert!(error.ends_with("\nhint: look for the snapshot of whoever dropped it\n"), "{error}");
    }

    #[tokio::test]
    async fn a_database_that_was_closed_before_is_not_opened_by_a_drop_that_fails() {
        let (database, target) = production().await;
        let server = TestDatabase { name: "postgres".to_owned(), ..database.clone() };
        let close = format!("alter database {} allow_connections false", database.name);
        server.connect().await.expect("it is accepted").batch_execute(&close).await.expect("it is closed");
        drop_with(&target, &rds("localhost", "failed", || ())).await.expect_err("there is no snapshot");
        database.connect().await.expect_err("it is closed still");
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
