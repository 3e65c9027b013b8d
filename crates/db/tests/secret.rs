//! A secret is followed: what it says now counts, whatever the server that it named before still answers. Time is moved
//! on, never slept.

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::config::Credentials;
use cognito::UserEvent;
use db::users::Ensured;
use db::{Budget, Database, Error, Session, Settings, Step};
use serde_json::Value;
use testkit::{Fault, Moto, Postgres, Proxy, TestDatabase};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

/// Far more than a slow machine needs: what is tested is where a statement goes.
const LIMIT: Duration = Duration::from_secs(20);

/// Longer than a server is used after the secret has named another one.
const A_MINUTE: Duration = Duration::from_mins(1);

/// How often a case is run that a slow machine disturbs: a look that takes longer than the process waits for it finds
/// nothing, and the next one is as good.
const TRIES: usize = 10;

/// Fails the case, and not the test, unless both are equal.
macro_rules! ensure_eq {
    ($left:expr, $right:expr) => {
        ensure_eq!($left, $right, "{}", stringify!($left))
    };
    ($left:expr, $right:expr, $($message:tt)+) => {{
        let (left, right) = (&$left, &$right);
        anyhow::ensure!(left == right, "{}: {left:?}, expected {right:?}", format!($($message)+));
    }};
}

/// Runs the case, again where a slow machine may have disturbed it. A defect disturbs every run.
async fn undisturbed(case: impl AsyncFn() -> anyhow::Result<()>) {
    let mut disturbances = Vec::new();
    for _ in 0..TRIES {
        match case().await {
            Ok(()) => return,
            Err(disturbance) => disturbances.push(disturbance),
        }
    }
    panic!("disturbed {TRIES} times in a row: {disturbances:#?}");
}

/// A secret, Secrets Manager behind a proxy, and the process that follows the secret.
struct Follower {
    id: String,
    secrets: Proxy,
    database: Database,
}

impl Follower {
    /// One whose secret holds this.
    async fn of(secret: &Value) -> Self {
        Self::with(secret, |_| None).await
    }

    /// One that is told that its secret probably names this server.
    async fn ahead_of(secret: &Value, server: &Proxy) -> Self {
        let server = format!("localhost:{}", server.port());
        Self::with(secret, |name| (name == "DB_CONNECT_AHEAD").then(|| server.clone())).await
    }

    async fn with(secret: &Value, more: impl Fn(&str) -> Option<String>) -> Self {
        let id = format!("followed-{}", uuid::Uuid::new_v4());
        Moto::shared().create_secret(&id, secret).await.expect("a new secret");
        let secrets = Proxy::start(Moto::shared().port()).await.expect("a proxy");
        let aws = aws(secrets.port()).await;
        let postgres = Postgres::shared().database().await.expect("a database");
        let settings = Settings::from_variables(|name| match name {
            "DB_SECRET_ID" => Some(id.clone()),
            "PGSSLROOTCERT" => Some(postgres.root_certificate.to_string_lossy().into_owned()),
            _ => more(name),
        });
        let database = Database::new(settings.expect("settings").with_aws(aws), "test");
        Self { id, secrets, database }
    }

    async fn write(&self, secret: &Value) {
        Moto::shared().put_secret(&self.id, "AWSCURRENT", secret).await.expect("a new version");
    }

    async fn run(&self) -> Result<(), Error> {
        self.execute("select 1").await
    }

    async fn run_within(&self, limit: Duration) -> Result<(), Error> {
        self.database.run(&Budget::new(limit), async |_: &Session| Ok(())).await
    }

    async fn execute(&self, sql: &str) -> Result<(), Error> {
        let statement = async |session: &Session| Ok(session.batch_execute(sql).await?);
        self.database.run(&Budget::new(LIMIT), statement).await
    }
}

/// The configuration that leads the SDK to this port, in the region eu-central-1.
async fn aws(port: u16) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("testing", "testing", None, None, "test"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .load()
        .await
}

/// Two ways to one server, which a secret tells apart.
struct Ways {
    old: Proxy,
    new: Proxy,
    secret: Value,
}

impl Ways {
    async fn new() -> Self {
        let database = database().await;
        let way = async || Proxy::start(database.port).await.expect("a proxy");
        Self { old: way().await, new: way().await, secret: database.secret() }
    }

    fn through(&self, proxy: &Proxy) -> Value {
        let mut secret = self.secret.clone();
        secret["port"] = proxy.port().into();
        secret
    }
}

async fn database() -> TestDatabase {
    Postgres::shared().database().await.expect("a database")
}

/// Moves the clock on, for everything in this process.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_kept_session_is_replaced_once_the_secret_names_another_server() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::of(&ways.through(&ways.old)).await;
        follower.run().await.context("the old server answers")?;
        follower.write(&ways.through(&ways.new)).await;
        pass(A_MINUTE).await;
        let before = ways.old.round_trips();
        follower.run().await.context("the new server answers")?;
        ensure_eq!(ways.old.round_trips(), before, "a statement went to the server that the secret no longer names");
        ensure_eq!(ways.new.connections(), 1);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_new_connection_is_made_to_the_server_that_the_secret_names_now() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::of(&ways.through(&ways.old)).await;
        follower.run().await.context("the old server answers")?;
        follower.write(&ways.through(&ways.new)).await;
        pass(Duration::from_secs(2)).await;
        follower.database.close().await;
        follower.run().await.context("the new server answers")?;
        ensure_eq!((ways.old.connections(), ways.new.connections()), (1, 1));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn nothing_goes_to_the_old_server_while_the_new_one_is_away() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::of(&ways.through(&ways.old)).await;
        follower.run().await.context("the old server answers")?;
        follower.write(&ways.through(&ways.new)).await;
        pass(A_MINUTE).await;
        ways.new.refuse(true);
        let before = ways.old.round_trips();
        let error = follower.run_within(Duration::from_secs(2)).await.expect_err("the new server is away");
        ensure_eq!(error.kind().as_str(), "DatabaseUnreachable", "{error}");
        follower.secrets.refuse(true);
        follower.secrets.cut();
        follower
            .run_within(Duration::from_secs(2))
            .await
            .expect_err("the new server is away, and Secrets Manager as well");
        ensure_eq!(ways.old.round_trips(), before, "a statement went to the server that the secret no longer names");
        ways.new.refuse(false);
        follower.run().await.context("the new server is back")?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn another_password_alone_does_not_end_a_session() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::of(&ways.through(&ways.old)).await;
        follower.run().await.context("the server answers")?;
        let mut rotated = ways.through(&ways.old);
        rotated["password"] = "another".into();
        follower.write(&rotated).await;
        pass(A_MINUTE).await;
        follower.run().await.context("the session is kept")?;
        ensure_eq!(ways.old.connections(), 1);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_login_that_still_works_is_used_although_the_secret_has_another_password() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::of(&ways.through(&ways.old)).await;
        follower.run().await.context("the server answers")?;
        let mut early = ways.through(&ways.old);
        early["password"] = "not yet".into();
        follower.write(&early).await;
        pass(A_MINUTE).await;
        follower.database.close().await;
        follower.run().await.context("the login that was accepted last is tried, too")?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_kept_session_costs_one_request_in_45_seconds_at_most() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::of(&ways.through(&ways.old)).await;
        follower.run().await.context("the server answers")?;
        let requests = || follower.secrets.round_trips() - u32::try_from(follower.secrets.connections()).expect("few");
        let first = requests();
        for (passed, expected) in [(0, 0), (40, 0), (6, 1), (0, 1), (40, 1), (6, 2)] {
            pass(Duration::from_secs(passed)).await;
            follower.run().await.context("the server answers")?;
            ensure_eq!(requests() - first, expected, "requests {passed} s later");
        }
        ensure_eq!(ways.old.connections(), 1);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_secrets_manager_that_hangs_is_waited_for_once_and_then_heard() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::of(&ways.through(&ways.old)).await;
        follower.run().await.context("the server answers")?;
        follower.write(&ways.through(&ways.new)).await;
        follower.secrets.silence(true);
        follower.secrets.cut();
        pass(A_MINUTE).await;
        for _ in 0..3 {
            follower.run().await.context("the known server answers")?;
        }
        ensure_eq!((ways.old.connections(), ways.new.connections()), (1, 0));
        follower.secrets.silence(false);
        follower.secrets.cut();
        pass(A_MINUTE).await;
        follower.run().await.context("the new server answers")?;
        ensure_eq!(ways.new.connections(), 1);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_although_secrets_manager_hangs() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::of(&ways.through(&ways.old)).await;
        follower.run().await.context("the server answers")?;
        follower.secrets.silence(true);
        follower.secrets.cut();
        ways.old.refuse(true);
        ways.old.cut();
        let come_back = async {
            ways.old.until_refused(3).await.expect("it tries again and again");
            ways.old.refuse(false);
        };
        let (answer, ()) = tokio::join!(follower.run(), come_back);
        answer.expect("the server is back");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_is_being_read_ahead_is_waited_for_within_the_budget_of_each_use() {
    for limit in [Duration::from_millis(100), Duration::from_millis(2750)] {
        let follower = Follower::of(&Ways::new().await.secret).await;
        follower.secrets.silence(true);
        // Nothing here waits for another process: tokio jumps to the next timer.
        tokio::time::pause();
        let (ahead, budget, started) = (Budget::new(LIMIT), Budget::new(limit), Instant::now());
        let error = tokio::select! {
            biased;
            ahead = follower.database.connect_ahead(&ahead) => panic!("expected the use to end first: {ahead:?}"),
            answer = follower.database.run(&budget, async |_: &Session| Ok(())) => answer.expect_err("no login"),
        };
        assert!(matches!(error, Error::BudgetExceeded { step: Step::ReadSecret }), "{error}");
        assert!(started.elapsed() <= limit + Duration::from_millis(1), "{limit:?}: {:?}", started.elapsed());
        let reading = budget.spent().steps[Step::ReadSecret as usize];
        assert!(reading >= limit, "{limit:?}: reading the secret is reported to have taken {reading:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn uses_at_once_share_one_read_of_the_secret() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::of(&ways.secret).await;
        let uses = (0..3).map(|_| follower.run());
        futures::future::try_join_all(uses).await.context("the server answers")?;
        let connections = u32::try_from(follower.secrets.connections()).expect("few");
        ensure_eq!(follower.secrets.round_trips() - connections, 1, "requests");
        Ok(())
    })
    .await;
}

/// Runs a statement that only the new database can, after the old one, in the state of `before`, has had this `change`
/// (from a session elsewhere, where `{old}` is its name), and the secret names the new one.
async fn follow(change: &str, before: &str, statement: &str) -> anyhow::Result<()> {
    let (old, new) = (database().await, database().await);
    let table = "create table moved (n int); \
                 create function move() returns void language sql as 'insert into moved values (1)'";
    let admin = new.connect().await.expect("a session");
    admin.batch_execute(table).await.expect("the new state");
    old.connect().await.expect("a session").batch_execute(before).await.expect("the old state");
    let follower = Follower::of(&old.secret()).await;
    follower.run().await.context("the old database answers")?;
    for change in change.replace("{old}", &old.name).split(';') {
        admin.batch_execute(change).await.expect("the change");
    }
    follower.write(&new.secret()).await;
    follower.execute(statement).await.with_context(|| format!("{before}; {change}"))?;
    let rows = admin.query("select from moved", &[]).await.expect("the rows");
    ensure_eq!(rows.len(), 1, "{before}; {change}");
    Ok(())
}

const INSERT: &str = "insert into moved (n) values (1)";

/// Ends the sessions of the old database.
const END: &str = "select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = '{old}'";

#[tokio::test]
async fn a_database_that_was_closed_dropped_or_made_read_only_is_left() {
    let table = "create table moved (n int)";
    let read_only = format!("alter database {{old}} set default_transaction_read_only = on; {END}");
    let closed = format!("alter database {{old}} with allow_connections false; {END}");
    for change in [read_only.as_str(), closed.as_str(), "drop database {old} with (force)"] {
        undisturbed(async || follow(change, table, INSERT).await).await;
    }
}

#[tokio::test]
async fn a_database_whose_error_no_data_explains_is_left() {
    for before in [
        "select 1",
        "create table moved (another int)",
        "create schema hidden; create table hidden.moved (n int)",
        "create view moved as select 1 as n union all select 2",
    ] {
        undisturbed(async || follow("select 1", before, INSERT).await).await;
    }
    // Missing schema, table, column and function, no right, read-only, raised by the application, internal.
    for sqlstate in ["3F000", "42P01", "42703", "42883", "42501", "25006", "P0001", "XX000"] {
        let raise = format!(
            "create function move() returns void language plpgsql as $$ begin raise sqlstate '{sqlstate}'; end $$"
        );
        undisturbed(async || follow("select 1", &raise, "select move()").await).await;
    }
}

/// A database whose contract does this, and notes each event for which it is done.
async fn contract(body: &str) -> TestDatabase {
    let database = database().await;
    let statements = format!(
        "create schema cognito; create table public.ensured (sub text); \
         create function cognito.ensure_user(event jsonb) returns text language plpgsql as $$ begin {body} \
         insert into public.ensured values (event->>'sub'); return 'created'; end $$"
    );
    database.connect().await.expect("a session").batch_execute(&statements).await.expect("a contract");
    database
}

/// Ensures these users in one round trip. Returns a word for each, or the SQLSTATE.
async fn ensure_each(follower: &Follower, subs: &[&str]) -> anyhow::Result<Vec<String>> {
    let event = |sub: &&str| {
        let attributes = [("sub".to_owned(), (*sub).to_owned())].into();
        UserEvent::of_pool_user("eu-central-1_aB3dE5gH7", sub, attributes, SystemTime::now()).expect("a sub")
    };
    let events: Vec<UserEvent> = subs.iter().map(event).collect();
    let ensure = async |session: &Session| db::users::ensure_each(session, &events).await;
    let answers = follower.database.run_each(&Budget::new(LIMIT), ensure).await?;
    let word = |answer: Result<Ensured, Error>| match answer {
        Ok(ensured) => ensured.as_str().to_owned(),
        Err(error) => error.sqlstate().unwrap_or_default().to_owned(),
    };
    Ok(answers.into_iter().map(word).collect())
}

#[tokio::test]
async fn a_batch_leaves_a_database_whose_errors_no_data_explains() {
    for sqlstate in ["3F000", "42P01", "42703", "42883", "42501", "25006", "P0001", "XX000"] {
        undisturbed(async || {
            let (old, new) = (contract(&format!("raise sqlstate '{sqlstate}';")).await, contract("").await);
            let follower = Follower::of(&old.secret()).await;
            follower.run().await.context("the old database answers")?;
            follower.write(&new.secret()).await;
            ensure_eq!(ensure_each(&follower, &["a", "b"]).await?, ["created", "created"], "{sqlstate}");
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_session_that_only_reads_is_left_by_a_batch_although_some_rows_are_right() {
    undisturbed(async || {
        let right = |body: &str| format!("if event->>'sub' = 'right' then return 'unchanged'; end if; {body}");
        let old = contract(&right("raise read_only_sql_transaction;")).await;
        let new = contract(&right("")).await;
        let follower = Follower::of(&old.secret()).await;
        follower.run().await.context("the old database answers")?;
        follower.write(&new.secret()).await;
        ensure_eq!(ensure_each(&follower, &["right", "new"]).await?, ["unchanged", "created"]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn of_a_batch_that_fails_each_event_has_its_own_error() {
    undisturbed(async || {
        let body = "if event->>'sub' = 'data' then raise check_violation; end if; raise 'no';";
        let follower = Follower::of(&contract(body).await.secret()).await;
        follower.run().await.context("the database answers")?;
        for _ in 0..2 {
            ensure_eq!(ensure_each(&follower, &["data", "raised", "data"]).await?, ["23514", "P0001", "23514"]);
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_error_of_one_event_costs_the_others_of_its_batch_no_new_session() {
    undisturbed(async || {
        let database = contract("if event->>'sub' = 'raised' then raise 'no'; end if;").await;
        let way = Proxy::start(database.port).await.expect("a proxy");
        let mut secret = database.secret();
        secret["port"] = way.port().into();
        let follower = Follower::of(&secret).await;
        follower.run().await.context("the database answers")?;
        for _ in 0..2 {
            ensure_eq!(ensure_each(&follower, &["raised", "a", "b"]).await?, ["P0001", "created", "created"]);
        }
        ensure_eq!(way.connections(), 1);
        let ensured = database.connect().await?.query("select from public.ensured", &[]).await?.len();
        ensure_eq!(ensured, 4, "each is sent once");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_port_that_another_service_has_taken_is_left() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::of(&ways.through(&ways.old)).await;
        follower.run().await.context("the server answers")?;
        follower.write(&ways.through(&ways.new)).await;
        // Secrets Manager speaks HTTP.
        ways.old.lead_to(Moto::shared().port());
        ways.old.cut();
        follower.run().await.context("the new server answers")?;
        ensure_eq!(ways.new.connections(), 1);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_error_that_the_data_explains_costs_no_request() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::of(&ways.through(&ways.old)).await;
        follower.run().await.context("the server answers")?;
        let before = follower.secrets.round_trips();
        for statement in ["select 1 / 0", "do $$ begin raise unique_violation; end $$"] {
            follower.execute(statement).await.expect_err("the data is wrong");
            follower.run().await.context("the session is kept")?;
        }
        ensure_eq!((follower.secrets.round_trips(), ways.old.connections()), (before, 1));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_arn_is_asked_for_in_its_own_region() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let aws = aws(listener.local_addr().expect("its address").port()).await;
    let settings = Settings::from_variables(|name| match name {
        "DB_SECRET_ID" => Some("arn:aws:secretsmanager:eu-west-1:123456789012:secret:app-a1B2c3".to_owned()),
        "PGSSLROOTCERT" => Some("ca.pem".to_owned()),
        _ => None,
    });
    let database = Database::new(settings.expect("settings").with_aws(aws), "test");
    let request = async {
        let (mut stream, _) = listener.accept().await.expect("a request");
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("the head of a request"));
        }
        String::from_utf8_lossy(&head).into_owned()
    };
    let budget = Budget::new(LIMIT);
    tokio::select! {
        head = request => assert!(head.contains("/eu-west-1/secretsmanager/"), "{head}"),
        login = database.login(&budget) => panic!("expected a request first: {login:?}"),
    }
}

#[tokio::test]
async fn the_first_connection_begins_while_the_secret_is_read() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::ahead_of(&ways.through(&ways.old), &ways.old).await;
        follower.secrets.fail_next([Fault::Hold]);
        let meanwhile = async {
            follower.secrets.until_held().await?;
            ways.old.until_connections(1).await?;
            let handshake = async {
                // The request for TLS, and the handshake.
                while ways.old.round_trips() < 2 {
                    tokio::task::yield_now().await;
                }
            };
            timeout(LIMIT, handshake).await.context("the handshake is made")?;
            follower.secrets.release();
            anyhow::Ok(())
        };
        let (run, meanwhile) = tokio::join!(follower.run(), meanwhile);
        run.context("the server answers")?;
        meanwhile?;
        ensure_eq!(ways.old.connections(), 1, "that very line is used");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_names_another_server_than_expected_is_followed() {
    undisturbed(async || {
        let ways = Ways::new().await;
        for is_refused in [false, true] {
            ways.old.refuse(is_refused);
            let follower = Follower::ahead_of(&ways.through(&ways.new), &ways.old).await;
            let before = ways.new.connections();
            follower.run().await.context("the server of the secret answers")?;
            ensure_eq!(ways.new.connections(), before + 1);
            let of_old = ways.old.connections();
            ways.new.cut();
            follower.run().await.context("it answers again")?;
            ensure_eq!(ways.new.connections(), before + 2);
            ensure_eq!(ways.old.connections(), of_old, "only the first connection is made ahead");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_line_that_could_not_be_opened_ahead_is_opened_again() {
    undisturbed(async || {
        let ways = Ways::new().await;
        let follower = Follower::ahead_of(&ways.through(&ways.old), &ways.old).await;
        follower.secrets.fail_next([Fault::Hold]);
        ways.old.refuse(true);
        let meanwhile = async {
            tokio::try_join!(follower.secrets.until_held(), ways.old.until_refused(1))?;
            ways.old.refuse(false);
            follower.secrets.release();
            anyhow::Ok(())
        };
        let (run, meanwhile) = tokio::join!(follower.run(), meanwhile);
        run.context("the server answers by now")?;
        meanwhile
    })
    .await;
}

#[tokio::test]
async fn a_brief_use_does_not_wait_for_a_secrets_manager_that_hangs_and_asks_it_once() {
    undisturbed(async || {
        let follower = Follower::of(&database().await.secret()).await;
        follower.run().await.context("the server answers")?;
        pass(A_MINUTE).await;
        follower.secrets.silence(true);
        follower.secrets.stall();
        let before = (follower.secrets.connections(), follower.secrets.round_trips());
        for _ in 0..5 {
            let budget = Budget::new(Duration::from_millis(280));
            let kept = follower.database.run_briefly(&budget, async |_: &Session| Ok(()));
            kept.await.context("the kept session is used")?;
        }
        let asked = (follower.secrets.connections() - before.0, follower.secrets.round_trips() - before.1);
        anyhow::ensure!(asked.0 <= 1 && asked.1 <= 1, "{asked:?} connections and requests");
        Ok(())
    })
    .await;
}
