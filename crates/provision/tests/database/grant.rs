//! `provision db grant`: the privileges of the function's role, and its login.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use db::role::{Authentication, Role};
use db::{Budget, Database, Settings};
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{Moto, PgBouncer, Postgres};
use tokio_postgres::error::SqlState;

use crate::fixture::{Fixture, assert_refused, stdout};
use crate::terminal::Terminal;

/// The limits of a role.
const LIMITS: &str =
    "limit its statements: statement_timeout 5s, lock_timeout 4s, idle_in_transaction_session_timeout 10s";

/// One more, from PostgreSQL 14 on.
pub(crate) const CONNECTION_CHECK: &str = ", client_connection_check_interval 1s";

/// A database, and the name of a role for its function.
pub(crate) struct Granting {
    pub(crate) fixture: Fixture,
    pub(crate) role: String,
}

impl Granting {
    /// A database in which no other role relies on what PUBLIC may do.
    async fn new() -> Self {
        Self::on(Fixture::loaded().await).await
    }

    /// The same on this database.
    pub(crate) async fn on(fixture: Fixture) -> Self {
        // PostgreSQL revokes the second by itself from version 15 on.
        let revoke = "revoke create on schema public from public";
        fixture.execute(&format!("revoke temporary on database {} from public; {revoke}", fixture.database.name)).await;
        Self { role: format!("post_confirmation_{}", fixture.database.name), fixture }
    }

    pub(crate) fn command(&self, more: &[&str]) -> std::process::Command {
        let mut command = self.fixture.command(&[&["db", "grant", "--role", &self.role], more].concat());
        command.envs(Moto::shared().environment());
        command
    }

    #[track_caller]
    pub(crate) fn grant(&self, more: &[&str]) -> Value {
        let output = self.fixture.checked(&mut self.command(&[more, &["--output", "json"]].concat()));
        let granted = stdout(output);
        serde_json::from_str(&granted).expect("JSON and nothing else")
    }

    /// The change that limits the role.
    async fn limits(&self) -> String {
        let has_check = self.fixture.version().await >= 140_000;
        format!("{LIMITS}{}", if has_check { CONNECTION_CHECK } else { "" })
    }

    fn secret_id(&self) -> String {
        format!("localhost/{}", self.role)
    }

    pub(crate) async fn secret(&self, stage: &str) -> Option<Value> {
        Moto::shared().secret(&self.secret_id(), stage).await.expect("an answer")
    }

    /// Connects as the role, with this secret.
    pub(crate) async fn client(&self, secret: &Value) -> anyhow::Result<tokio_postgres::Client> {
        self.fixture.database.connect_as(&self.role, secret["password"].as_str().expect("a password")).await
    }
}

#[tokio::test]
async fn the_role_writes_users_and_has_no_other_privilege() {
    let granting = Granting::new().await;
    granting.fixture.stdout(&["db", "seed"]);
    // Privileges that were granted by hand before.
    let role = &granting.role;
    let before = format!(
        "create role {role}; grant all on users to {role}; grant select (message) on activities to {role};
         create role group_of_{role}; grant group_of_{role} to {role};
         grant execute on function cognito.ensure_user to group_of_{role}; alter role {role} valid until '2020-01-01';
         create function mine() returns int language sql as 'select 1'; grant execute on function mine() to {role};
         create schema mine; grant all on schema mine to {role}; grant create on schema public to {role};
         grant all on database {} to {role}",
        granting.fixture.database.name
    );
    granting.fixture.execute(&before).await;
    let refused = granting.fixture.checked(&mut granting.command(&[]));
    let granted = granting.grant(&["--yes"])["changes"].to_string();
    for expected in [
        "revoke its privileges on table public.users",
        "revoke its privileges on table public.activities",
        "revoke its privileges on routine public.mine()",
        "revoke its privileges on schema mine",
        "revoke its CREATE and TEMPORARY",
        "revoke its membership in group_of_",
    ] {
        assert_refused(&refused, expected);
        assert!(granted.contains(expected), "expected {expected:?} in {granted}");
    }
    for expected in ["exists on", "a program may rely on it", "replace its password", "hint: add --yes to confirm"] {
        assert_refused(&refused, expected);
    }

    let client =
        granting.client(&granting.secret("AWSCURRENT").await.expect("a secret")).await.expect("it is accepted");
    let mut statements: Vec<String> =
        ["uuid", "display_name", "handle", "email", "cognito_user_id", "created_at", "count(*)", "*", "xmax"]
            .map(|column| format!("select {column} from users"))
            .to_vec();
    statements.extend(
        [
            "select * from users for update",
            "copy users to stdout",
            "insert into users (display_name, handle, cognito_user_id) values ('x', 'x', 'x')",
            "update users set email = null",
            "delete from users",
            "truncate users",
            "drop table users",
            "alter table users add column x text",
            "create index on users (email)",
            "select * from activities",
            "insert into activities (user_uuid, message, expires_at) values (gen_random_uuid(), 'x', now())",
            "delete from activities",
            "select * from cognito.schema_history",
            "select * from cognito.known_users('{}')",
            "select cognito.forget_user('x')",
            "create table mine ()",
            "create temporary table mine ()",
            "create table mine.mine ()",
            "create function mine() returns int language sql as 'select 1'",
            "create or replace function cognito.ensure_user(event jsonb) returns text language sql as 'select null'",
            "create schema mine",
            "create role mine",
            "create database mine",
            "alter role owner password 'x'",
            "set role owner",
            "select pg_read_file('postgresql.conf')",
        ]
        .map(str::to_owned),
    );
    for statement in statements {
        let error = client.batch_execute(&statement).await.expect_err(&statement);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {error:?}");
    }

    let event = json!({"sub": "a", "display_name": "Ada", "handles": ["ada"]});
    for expected in ["created", "unchanged"] {
        let row = client.query_one("select cognito.ensure_user($1)", &[&event]).await.expect("this it may");
        assert_eq!(row.get::<_, &str>(0), expected);
    }
}

#[tokio::test]
async fn granting_again_changes_nothing() {
    let granting = Granting::new().await;
    let role = &granting.role;
    let first = granting.grant(&[]);
    assert_eq!(
        first["changes"],
        json!([
            format!("create the role {role} with at most 50 connections"),
            granting.limits().await,
            "grant USAGE on schema cognito",
            "grant EXECUTE on cognito.ensure_user",
            format!("create its password in the secret localhost/{role}")
        ])
    );
    let secret = granting.secret("AWSCURRENT").await.expect("a secret");
    let again = granting.grant(&[]);
    assert_eq!(again["changes"], json!([]));
    assert_eq!(again["environment"], first["environment"]);
    let arn = again["environment"]["DB_SECRET_ID"].as_str().expect("a text");
    assert!(arn.starts_with("arn:aws:secretsmanager:") && arn.contains(&format!("localhost/{role}")), "{arn}");
    assert_eq!(granting.secret("AWSCURRENT").await.expect("a secret"), secret);
}

#[tokio::test]
async fn the_limit_of_connections_stays_unless_it_is_named() {
    let granting = Granting::new().await;
    granting.grant(&["--connection-limit", "100"]);
    assert_eq!(granting.grant(&[])["changes"], json!([]));
    assert_eq!(granting.grant(&["--rotate"])["changes"], json!(["rotate its password"]));
    let raised = json!(["allow it at most 200 connections (before: 100)"]);
    assert_eq!(granting.grant(&["--connection-limit", "200"])["changes"], raised);
    let lower = granting.fixture.checked(&mut granting.command(&["--connection-limit", "7"]));
    assert_refused(&lower, "This is to allow it at most 7 connections (before: 200)\n");
    granting.grant(&["--connection-limit", "7", "--yes"]);
    granting.fixture.execute(&format!("alter role {} connection limit 0", granting.role)).await;
    assert_eq!(granting.grant(&["--yes"])["changes"], json!(["allow it at most 50 connections (before: 0)"]));
}

#[tokio::test]
async fn each_change_of_a_role_that_its_clients_could_notice_is_asked() {
    let granting = Granting::new().await;
    let role = &granting.role;
    let run = || granting.fixture.checked(&mut granting.command(&[]));
    granting.fixture.execute(&format!("create role {role}; alter role {role} set statement_timeout = '1h'")).await;
    for expected in ["allow its login", "limit its statements: statement_timeout 5s (before: 1h), lock_timeout 4s"] {
        assert_refused(&run(), expected);
    }
    granting.grant(&["--yes"]);
    for (change, expected) in [
        ("set lock_timeout = '1min'", "This is to limit its statements: lock_timeout 4s (before: 1min)\n"),
        ("nologin", "This is to allow its login"),
    ] {
        granting.fixture.execute(&format!("alter role {role} {change}")).await;
        assert_refused(&run(), expected);
        granting.grant(&["--yes"]);
    }
    assert_eq!(granting.grant(&[])["changes"], json!([]));
}

#[tokio::test]
async fn a_function_that_answers_in_text_is_sound_however_the_server_quotes() {
    let granting = Granting::new().await;
    let quoted = format!("alter database {} set quote_all_identifiers = on", granting.fixture.database.name);
    granting.fixture.execute(&quoted).await;
    granting.grant(&[]);
    assert_eq!(granting.grant(&[])["changes"], json!([]));
}

#[tokio::test]
async fn a_check_shows_the_changes_and_makes_none() {
    let granting = Granting::new().await;
    let role = &granting.role;
    let check = || granting.fixture.checked(&mut granting.command(&["--check"]));
    let expected = format!(
        "the role {role} needs these changes:\n  create the role {role} with at most 50 connections\n  \
         {}\n  grant USAGE on schema cognito\n  grant EXECUTE on cognito.ensure_user\n  \
         create its password in the secret localhost/{role}\n\
         cognito.ensure_user runs as cognito_writer, who may write public.users\n",
        granting.limits().await
    );
    for _ in 0..2 {
        let output = check();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(3), &*expected));
    }
    assert_eq!(granting.secret("AWSCURRENT").await, None);
    granting.grant(&[]);
    let output = check();
    assert_eq!(output.status.code(), Some(0), "nothing is left to change: {output:?}");
    granting.fixture.execute(&format!("grant select on users to {role}")).await;
    let output = check();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("revoke its privileges on table public.users"));
}

#[tokio::test]
async fn a_plan_that_is_outdated_when_it_is_confirmed_changes_nothing() {
    let granting = Granting::new().await;
    let mut client = granting.fixture.client().await;
    let wanted = Role {
        name: granting.role.clone(),
        authentication: Authentication::Password,
        connection_limit: Some(50),
        keeps_public: false,
    };
    let plan = db::role::plan(&client, &wanted).await.expect("a plan");
    granting.fixture.execute(&format!("create role {0} login; grant select on users to {0}", granting.role)).await;
    let error = db::role::apply(&mut client, &plan).await.map(|_| ()).expect_err("the role exists by now");
    assert_eq!(error.kind(), db::Kind::RoleChanged);
    let limits = format!("select rolconnlimit::int8 from pg_roles where rolname = '{}'", granting.role);
    assert_eq!(granting.fixture.count(&limits).await, -1, "it is as it was");
}

#[tokio::test]
async fn a_role_that_lost_what_it_needs_gets_it_back() {
    let granting = Granting::new().await;
    granting.grant(&[]);
    let (role, database) = (&granting.role, &granting.fixture.database.name);
    let lost = format!(
        "revoke connect on database {database} from public; revoke execute on function cognito.ensure_user from {role};
         revoke usage on schema cognito from {role}"
    );
    granting.fixture.execute(&lost).await;
    let expected = [
        format!("grant CONNECT on database {database}"),
        "grant USAGE on schema cognito".to_owned(),
        "grant EXECUTE on cognito.ensure_user".to_owned(),
    ];
    assert_eq!(granting.grant(&[])["changes"], json!(expected));
    granting.client(&granting.secret("AWSCURRENT").await.expect("a secret")).await.expect("it is accepted");
    assert_eq!(granting.grant(&[])["changes"], json!([]));
}

#[tokio::test]
async fn a_privilege_through_rds_iam_is_reported() {
    let postgres = Postgres::start().expect("a server");
    let database = postgres.database().await.expect("a database");
    let rds = Granting { role: "post_confirmation".to_owned(), fixture: Fixture { database } };
    rds.fixture.stdout(&["db", "load"]);
    rds.fixture.execute("create role rds_iam; grant select on users to rds_iam").await;
    let output = rds.fixture.checked(&mut rds.command(&["--iam"]));
    assert_refused(&output, "a group gives it privileges on table public.users");
}

#[tokio::test]
async fn a_change_during_the_question_is_not_overwritten() {
    let granting = Granting::new().await;
    granting.grant(&[]);
    let role = &granting.role;
    let lose = format!("grant select on users to {role}");
    granting.fixture.execute(&lose).await;

    let mut terminal = Terminal::start(&granting.command(&[]));
    assert!(terminal.question().contains("revoke its privileges on table public.users"));
    granting.fixture.execute(&format!("grant select on activities to {role}")).await;
    let seen = terminal.answer(role);
    assert!(seen.contains(&format!("error: the role {role} was changed meanwhile, so nothing was done")), "{seen}");

    let mut terminal = Terminal::start(&granting.command(&[]));
    terminal.question();
    let mut pending = granting.secret("AWSCURRENT").await.expect("a secret");
    pending["password"] = json!("0123456789abcdef");
    Moto::shared().put_secret(&granting.secret_id(), "AWSPENDING", &pending).await.expect("a new version");
    let seen = terminal.answer(role);
    assert!(seen.contains(&format!("error: the secret localhost/{role} was changed meanwhile")), "{seen}");

    let privileges = format!(
        "select count(*) from information_schema.role_table_grants where grantee = '{role}' and privilege_type = 'SELECT'"
    );
    assert_eq!(granting.fixture.count(&privileges).await, 2, "both are as they were");
    assert_eq!(granting.secret("AWSPENDING").await, Some(pending));
}

#[tokio::test]
async fn a_grant_reads_well() {
    let granting = Granting::new().await;
    let run = |more: &[&str]| stdout(granting.fixture.checked(&mut granting.command(more)));
    let filters = vec![(granting.role.as_str(), "ROLE"), ("ROLE-[A-Za-z0-9]{6}", "ROLE-ID"), (CONNECTION_CHECK, "")];
    insta::with_settings!({filters => filters}, {
        assert_snapshot!("grant", run(&[]));
        assert_snapshot!("grant-again", run(&[]));
        assert_snapshot!("grant-rotate", run(&["--rotate"]));
    });
}

#[tokio::test]
async fn the_secret_has_the_shape_that_rds_writes() {
    let granting = Granting::new().await;
    granting.grant(&["--host", "proxy.example.com", "--port", "6432"]);
    let mut secret = granting.secret("AWSCURRENT").await.expect("a secret");
    assert_eq!(secret["password"].as_str().map(str::len), Some(48));
    secret["password"] = json!("");
    let expected = json!({
        "engine": "postgres",
        "host": "proxy.example.com",
        "port": 6432,
        "dbname": granting.fixture.database.name,
        "username": granting.role,
        "password": "",
    });
    assert_eq!(secret, expected);
}

#[tokio::test]
async fn a_rotation_leaves_one_password_that_is_new() {
    let granting = Granting::new().await;
    granting.grant(&[]);
    let old = granting.secret("AWSCURRENT").await.expect("a secret");
    assert_eq!(granting.grant(&["--rotate"])["changes"], json!(["rotate its password"]));
    let new = granting.secret("AWSCURRENT").await.expect("a secret");
    assert_ne!(old["password"], new["password"]);
    granting.client(&new).await.expect("the new password is the database's");
    granting.client(&old).await.expect_err("the old one is not");
    assert_eq!(granting.secret("AWSPENDING").await, None);
    assert_eq!(granting.secret("AWSPREVIOUS").await, Some(old));
    assert_eq!(granting.grant(&[])["changes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_can_log_in_at_every_moment_of_a_rotation() {
    let granting = Granting::new().await;
    granting.grant(&[]);
    let variables = [
        ("DB_SECRET_ID", granting.secret_id()),
        ("PGSSLROOTCERT", granting.fixture.database.root_certificate.to_string_lossy().into_owned()),
    ];
    let [(_, endpoint), ..] = Moto::shared().environment();
    let aws = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(aws_config::Region::new("eu-central-1"))
        .credentials_provider(aws_sdk_rds::config::SharedCredentialsProvider::new(
            aws_sdk_rds::config::Credentials::for_tests(),
        ))
        .build();
    let settings = Settings::from_variables(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    });
    let settings = settings.expect("the settings are right").with_aws(aws);
    let rotated = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&rotated);
    let function = tokio::spawn(async move {
        let mut entries = 0;
        while !over.load(Ordering::Relaxed) {
            // A new process each time, which knows no password from before.
            let database = Database::new(settings.clone(), "test");
            let logged_in = database.run(&Budget::new(Duration::from_secs(4)), async |_| Ok(())).await;
            logged_in.expect("it is accepted");
            database.close().await;
            entries += 1;
        }
        entries
    });
    for _ in 0..5 {
        granting.grant(&["--rotate"]);
    }
    rotated.store(true, Ordering::Relaxed);
    assert!(function.await.expect("it is accepted each time") > 5);
}

#[tokio::test]
async fn an_interrupted_rotation_is_finished() {
    let granting = Granting::new().await;
    granting.grant(&[]);
    let mut pending = granting.secret("AWSCURRENT").await.expect("a secret");
    pending["password"] = json!("0123456789abcdef");
    // Interrupted before the database had it, and after.
    for database_has_it in [false, true] {
        Moto::shared().put_secret(&granting.secret_id(), "AWSPENDING", &pending).await.expect("a new version");
        if database_has_it {
            let set = format!("alter role {} password '0123456789abcdef'", granting.role);
            granting.fixture.execute(&set).await;
        }
        assert_eq!(granting.grant(&[])["changes"], json!(["finish the rotation of its password"]));
        assert_eq!(granting.secret("AWSCURRENT").await.as_ref(), Some(&pending));
        granting.client(&pending).await.expect("it is the database's");
        granting.grant(&["--rotate"]);
    }
}

#[tokio::test]
async fn a_password_that_only_the_secret_knows_is_set_after_a_question() {
    let granting = Granting::new().await;
    granting.grant(&[]);
    granting.fixture.execute(&format!("alter role {} password 'x'", granting.role)).await;
    // Another secret may hold the password that the server has.
    let refused = granting.fixture.checked(&mut granting.command(&[]));
    assert_refused(
        &refused,
        "a program may rely on it. This is to set its password to the one in the secret localhost/",
    );
    granting.fixture.database.connect_as(&granting.role, "x").await.expect("it is as it was");
    assert_eq!(
        granting.grant(&["--yes"])["changes"],
        json!([format!("set its password to the one in the secret localhost/{}", granting.role)])
    );
    granting.client(&granting.secret("AWSCURRENT").await.expect("a secret")).await.expect("it is accepted");
}

#[tokio::test]
async fn a_secret_for_another_login_is_kept() {
    let granting = Granting::new().await;
    let theirs = granting.fixture.database.secret();
    Moto::shared().create_secret(&granting.secret_id(), &theirs).await.expect("a secret");
    for more in [&[][..], &["--rotate"]] {
        assert_refused(
            &granting.fixture.checked(&mut granting.command(more)),
            "hint: name another secret with --secret",
        );
    }
    assert_eq!(granting.secret("AWSCURRENT").await, Some(theirs));
}

#[tokio::test]
async fn a_secret_without_a_value_gets_its_first_version() {
    let granting = Granting::new().await;
    Moto::shared().declare_secret(&granting.secret_id(), None).await.expect("a secret");
    granting.grant(&[]);
    granting.client(&granting.secret("AWSCURRENT").await.expect("a value")).await.expect("it is accepted");
    assert_eq!(granting.grant(&[])["changes"], json!([]));
}

#[tokio::test]
async fn a_secret_is_read_as_the_function_reads_it() {
    let granting = Granting::new().await;
    granting.grant(&[]);
    let mut secret = granting.secret("AWSCURRENT").await.expect("a secret");
    secret["port"] = json!(granting.fixture.database.port.to_string());
    secret["host"] = json!("LocalHost");
    Moto::shared().put_secret(&granting.secret_id(), "AWSCURRENT", &secret).await.expect("a new version");
    assert_eq!(granting.grant(&[])["changes"], json!([]));
    assert_eq!(granting.secret("AWSCURRENT").await, Some(secret));
}

#[tokio::test]
async fn a_secret_with_an_empty_password_gets_one() {
    let granting = Granting::new().await;
    let empty = json!({
        "host": "localhost", "port": granting.fixture.database.port, "dbname": granting.fixture.database.name,
        "username": granting.role, "password": "",
    });
    Moto::shared().create_secret(&granting.secret_id(), &empty).await.expect("a secret");
    granting.grant(&[]);
    granting.client(&granting.secret("AWSCURRENT").await.expect("a value")).await.expect("it is accepted");
    assert_eq!(granting.grant(&[])["changes"], json!([]));
}

#[tokio::test]
async fn grants_at_once_make_one_role_and_one_password() {
    let granting = Granting::new().await;
    let start = |_| {
        let mut command = granting.command(&[]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts")
    };
    for grant in [0; 4].map(start) {
        stdout(grant.wait_with_output().expect("it ends"));
    }
    granting.client(&granting.secret("AWSCURRENT").await.expect("a secret")).await.expect("it is accepted");
    assert_eq!(granting.grant(&[])["changes"], json!([]));
}

#[tokio::test]
async fn a_role_that_pgbouncer_does_not_know_is_reported() {
    let postgres = Postgres::start().expect("a server");
    let database = postgres.database().await.expect("a database");
    let pgbouncer = PgBouncer::start(&postgres, &database, 5).expect("a pooler");
    let direct = Fixture { database };
    direct.stdout(&["db", "load"]);
    let mut pooled = Granting {
        role: format!("pooled_{}", pgbouncer.port()),
        fixture: Fixture { database: direct.database.clone() },
    };
    pooled.fixture.database.port = pgbouncer.port();
    let output = pooled.fixture.checked(&mut pooled.command(&[]));
    let expected =
        "is granted, but refused with its new password: the database server localhost refused the user pooled_";
    assert_refused(&output, expected);
    assert_refused(&output, "hint: add the role to the pooler's auth_file");
}

#[tokio::test]
async fn a_secret_marked_for_deletion_is_reported_and_nothing_is_done() {
    let granting = Granting::new().await;
    Moto::shared().create_secret(&granting.secret_id(), &json!({})).await.expect("a secret");
    Moto::shared().delete_secret(&granting.secret_id()).await.expect("it goes in 30 days");
    let output = granting.fixture.checked(&mut granting.command(&[]));
    assert_refused(&output, "is marked for deletion (InvalidRequestException)\nhint: restore it");
    let roles = format!("select count(*) from pg_roles where rolname = '{}'", granting.role);
    assert_eq!(granting.fixture.count(&roles).await, 0);
}

#[tokio::test]
async fn no_password_reaches_the_servers_log() {
    let postgres = Postgres::start_with("log_statement = 'all'\nlog_min_duration_statement = 0\n");
    let postgres = postgres.expect("a server");
    let database = postgres.database().await.expect("a database");
    let granting = Granting { role: format!("logged_{}", database.port), fixture: Fixture { database } };
    granting.fixture.stdout(&["db", "load"]);
    let mut passwords = Vec::new();
    for more in [&[][..], &["--rotate"]] {
        granting.grant(more);
        passwords.push(granting.secret("AWSCURRENT").await.expect("a secret")["password"].clone());
    }
    let log = postgres.log().expect("the log is readable");
    assert!(log.contains(&format!("alter role \"{}\" password", granting.role)), "it was logged how: {log}");
    for password in passwords {
        assert!(!log.contains(password.as_str().expect("a text")), "a password stands in the log");
    }
}

#[tokio::test]
async fn a_role_with_too_many_privileges_is_refused() {
    let granting = Granting::new().await;
    let role = &granting.role;
    let revoke_them = "hint: revoke these rights as the role that granted them, or name another role with --role";
    for (grant, revoke, hint) in [
        (format!("create role {role} createdb"), format!("alter role {role} nocreatedb"), revoke_them),
        (
            format!("alter table activities owner to {role}"),
            "alter table activities owner to owner".to_owned(),
            "hint: name another role with --role",
        ),
        (
            format!("alter default privileges grant select on tables to {role}"),
            format!("alter default privileges revoke select on tables from {role}"),
            revoke_them,
        ),
    ] {
        granting.fixture.execute(&grant).await;
        let output = granting.fixture.checked(&mut granting.command(&["--yes"]));
        assert_refused(&output, hint);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("drop"), "no hint destroys data: {output:?}");
        granting.fixture.execute(&revoke).await;
    }
    assert_eq!(granting.secret("AWSCURRENT").await, None);
}

#[tokio::test]
async fn privileges_that_cannot_be_revoked_are_reported() {
    let granting = Granting::new().await;
    let (role, database) = (&granting.role, &granting.fixture.database);
    // An operator who may make roles, but does not own the objects that the role has privileges on.
    let setup = format!(
        "create role operator_{role} login createrole password 'hunter2'; create role {role};
         grant select on users to {role}; grant {role} to operator_{role} with admin option;
         grant usage on schema cognito to {role}; grant execute on function cognito.ensure_user to {role};
         grant select on users to operator_{role}"
    );
    granting.fixture.execute(&setup).await;
    let url = format!("postgres://operator_{role}:hunter2@localhost:{}/{}", database.port, database.name);
    let run = || {
        let mut command = granting.command(&["--yes"]);
        granting.fixture.checked(command.env("CONNECTION_URL", &url))
    };
    // One who may read the table is only warned that nothing was revoked.
    let expected = "this login cannot revoke its privileges on table public.users\nhint: revoke these rights as the role that granted them";
    assert_refused(&run(), expected);
    // From version 16 on, a membership has its own answer to what its member inherits.
    let with = if granting.fixture.version().await >= 160_000 { "with inherit false" } else { "" };
    let blind = format!(
        "revoke select on users from operator_{role}; alter role operator_{role} noinherit;
         grant {role} to operator_{role} {with}"
    );
    granting.fixture.execute(&blind).await;
    assert_refused(&run(), "(SQLSTATE 42501)");
    let login = format!("select count(*) from pg_roles where rolname = '{role}' and rolcanlogin");
    assert_eq!(granting.fixture.count(&login).await, 0, "nothing is left half done");
}

#[tokio::test]
async fn a_right_of_public_that_this_login_cannot_revoke_is_named() {
    // From PostgreSQL 16 on, only the login that created the role of the contract may hand over to it.
    let (_server, fixture) = Fixture::alone().await;
    let (name, port) = (fixture.database.name.clone(), fixture.database.port);
    // As in a database of PostgreSQL 14, whose owner is another role.
    let setup = format!(
        "create role loader_{name} login createrole password 'hunter2'; grant all on database {name} to loader_{name};
         grant all on schema public to loader_{name}; grant create on schema public to public"
    );
    fixture.execute(&setup).await;
    let url = format!("postgres://loader_{name}:hunter2@localhost:{port}/{name}");
    let run =
        |arguments: &[&str]| fixture.checked(fixture.command_at(&url, arguments).envs(Moto::shared().environment()));
    assert!(stdout(run(&["db", "load"])).starts_with("applied V1__users"));
    let refused = run(&["db", "grant", "--yes"]);
    assert_refused(&refused, &format!("this login cannot revoke TEMPORARY on database {name} from PUBLIC"));
    assert_refused(&refused, "this login cannot revoke CREATE on schema public from PUBLIC");
    assert_refused(
        &refused,
        "hint: have the owner of the object revoke it from PUBLIC, or leave it with --keep-public",
    );
}

#[tokio::test]
async fn iam_tokens_need_a_server_on_rds() {
    let granting = Granting::new().await;
    // A role as RDS has it, on a server of its own: others must not find it.
    let postgres = Postgres::start().expect("a server");
    let database = postgres.database().await.expect("a database");
    let rds = Granting { fixture: Fixture { database }, role: granting.role.clone() };
    rds.fixture.stdout(&["db", "load"]);
    assert_refused(&rds.fixture.checked(&mut rds.command(&["--iam"])), "(SQLSTATE 42704)");
    rds.fixture.execute("create role rds_iam").await;
    let granted = rds.grant(&["--iam"]);
    assert!(granted["changes"].to_string().contains("grant rds_iam, so that it logs in with IAM tokens"), "{granted}");
    let environment = json!({
        "DB_AUTH": "iam",
        "PGHOST": "localhost",
        "PGPORT": rds.fixture.database.port.to_string(),
        "PGDATABASE": rds.fixture.database.name,
        "PGUSER": rds.role,
    });
    assert_eq!(granted["environment"], environment);
    assert_eq!(rds.grant(&["--iam"])["changes"], json!([]));
    // And back to a password, which ends logins with tokens, and the other way round.
    assert_refused(
        &rds.fixture.checked(&mut rds.command(&[])),
        "revoke its membership in rds_iam, replace its password",
    );
    assert!(rds.grant(&["--yes"])["changes"].to_string().contains("revoke its membership in rds_iam"));
    assert_refused(&rds.fixture.checked(&mut rds.command(&["--iam"])), "rely on it. This is to grant rds_iam");
}

#[tokio::test]
async fn before_the_schema_is_loaded_the_hint_is_to_load_it() {
    let fixture = Fixture::new().await;
    let granting = Granting { role: format!("early_{}", fixture.database.name), fixture };
    assert_refused(&granting.fixture.checked(&mut granting.command(&[])), "run `provision db load`");
    let roles = format!("select count(*) from pg_roles where rolname = '{}'", granting.role);
    assert_eq!(granting.fixture.count(&roles).await, 0, "nothing is left half done");
}

#[tokio::test]
async fn what_public_may_create_is_revoked_only_after_a_question() {
    let granting = Granting::new().await;
    let database = &granting.fixture.database.name;
    let grant = format!(
        "grant temporary on database {database} to public; grant create on schema public to public;
         do $$ begin create role another_application login; exception when duplicate_object or unique_violation then end $$"
    );
    granting.fixture.execute(&grant).await;
    let refused = granting.fixture.checked(&mut granting.command(&[]));
    for expected in [
        "Other roles may rely on their rights",
        &format!("revoke TEMPORARY on database {database} from PUBLIC, and so from another_application"),
        "revoke CREATE on schema public from PUBLIC, and so from another_application",
        "hint: add --yes to confirm",
    ] {
        assert_refused(&refused, expected);
    }
    let kept = granting.grant(&["--keep-public"]);
    assert!(!kept["changes"].to_string().contains("PUBLIC"), "{kept}");
    let public = "select count(*) from (values (has_database_privilege('public', current_database(), 'temporary')),
                      (has_schema_privilege('public', 'public', 'create'))) as public (has) where has";
    assert_eq!(granting.fixture.count(public).await, 2, "PUBLIC keeps what it has");
    granting.grant(&["--yes"]);
    assert_eq!(granting.fixture.count(public).await, 0, "both are revoked");
    assert_eq!(granting.grant(&[])["changes"], json!([]));
}

#[tokio::test]
async fn the_owner_of_the_database_loses_what_it_has_through_public_only_after_a_question() {
    let granting = Granting::new().await;
    let (role, database) = (&granting.role, &granting.fixture.database.name);
    // As up to PostgreSQL 14, where `public` is the superuser's whoever owns the database.
    let former = format!(
        "create role owner_of_{role} login; alter database {database} owner to owner_of_{role};
         alter schema public owner to owner; grant create on schema public to public"
    );
    granting.fixture.execute(&former).await;
    let refused = granting.fixture.checked(&mut granting.command(&[]));
    assert_refused(&refused, &format!("revoke CREATE on schema public from PUBLIC, and so from owner_of_{role}"));
    // With the privilege of its own, it loses nothing.
    granting.fixture.execute(&format!("grant create on schema public to owner_of_{role}")).await;
    let check = granting.fixture.checked(&mut granting.command(&["--check"]));
    let shown = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(!shown.contains(&format!("owner_of_{role}")), "{shown}");
    granting.grant(&["--yes"]);
    let keeps = format!("select has_schema_privilege('owner_of_{role}', 'public', 'create')::int::int8");
    assert_eq!(granting.fixture.count(&keeps).await, 1);
}

#[tokio::test]
async fn settings_of_the_role_that_hold_sign_ups_up_are_reset() {
    let granting = Granting::new().await;
    granting.grant(&[]);
    let (role, database) = (&granting.role, &granting.fixture.database.name);
    let settings = format!(
        "alter role {role} set default_transaction_read_only = on;
         alter role {role} in database {database} set statement_timeout = 0"
    );
    granting.fixture.execute(&settings).await;
    let changes = granting.grant(&["--yes"])["changes"].to_string();
    for expected in ["reset its default_transaction_read_only", "reset its statement_timeout in database"] {
        assert!(changes.contains(expected), "expected {expected:?} in {changes}");
    }
    assert_eq!(granting.grant(&[])["changes"], json!([]));
}

#[tokio::test]
async fn a_right_that_a_grant_revokes_from_public_is_restored_by_no_later_load() {
    let granting = Granting::new().await;
    let owed = "create table cognito.public_rights as select 'grant create on schema public to public' as statement";
    granting.fixture.execute(owed).await;
    let granted = granting.grant(&["--yes"]);
    let forgotten = "forget the rights of PUBLIC that the next load would restore";
    assert!(granted["changes"].to_string().contains(forgotten), "{granted}");
    assert_eq!(granting.fixture.stdout(&["db", "load"]), "the schema is up to date\n");
    let has = "select count(*) where has_schema_privilege('public', 'public', 'create')";
    assert_eq!(granting.fixture.count(has).await, 0);
}

#[tokio::test]
async fn roles_that_lose_a_right_of_public_are_named_whether_or_not_they_log_in() {
    let (_postgres, fixture) = Fixture::alone().await;
    fixture.stdout(&["db", "load"]);
    let name = fixture.database.name.clone();
    let roles = format!(
        "create role app login; create role jobs; grant jobs to app; create role code; create role idle;
         create function work() returns void language sql security definer as ''; alter function work() owner to code;
         create role boss; alter database {name} owner to boss; revoke temporary on database {name} from boss;
         grant boss to app; grant temporary on database {name} to app; revoke create on schema public from public"
    );
    fixture.execute(&roles).await;
    let mut command = fixture.command(&["db", "grant", "--role", "fn"]);
    let output = fixture.checked(command.envs(Moto::shared().environment()));
    let stderr = String::from_utf8_lossy(&output.stderr);
    for expected in ["boss", "code", "jobs"] {
        assert!(stderr.contains(expected), "expected {expected} in {stderr}");
    }
    assert!(!stderr.contains("idle") && !stderr.contains("cognito_writer"), "{stderr}");
}

#[tokio::test]
async fn privileges_that_the_role_has_handed_on_are_named_with_the_statement_that_helps() {
    let granting = Granting::new().await;
    let role = &granting.role;
    let other = format!("other_of_{role}");
    let before = format!(
        "create role {role}; create role {other}; grant select on users to {role} with grant option;
         set role {role}; grant select on users to {other}; reset role"
    );
    granting.fixture.execute(&before).await;
    let refused = granting.fixture.checked(&mut granting.command(&["--yes"]));
    let way_out = format!("revoke all on table public.users from {role} cascade");
    assert_refused(
        &refused,
        &format!("it has granted privileges to other roles: run `{way_out}`\nhint: run the statement"),
    );
    granting.fixture.execute(&way_out).await;
    granting.grant(&["--yes"]);
}

#[tokio::test]
async fn a_role_that_is_closed_is_opened_only_after_a_question() {
    let granting = Granting::new().await;
    granting.grant(&[]);
    let role = &granting.role;
    for (closed, expected) in [
        (format!("alter role {role} connection limit 0"), "allow it at most 50 connections (before: 0)"),
        (format!("alter role {role} valid until '2020-01-01'"), "remove the expiry of its password, which has expired"),
    ] {
        granting.fixture.execute(&closed).await;
        assert_refused(&granting.fixture.checked(&mut granting.command(&[])), expected);
        granting.grant(&["--yes"]);
    }
}

#[tokio::test]
async fn a_right_to_set_a_parameter_is_revoked() {
    let granting = Granting::new().await;
    if granting.fixture.version().await < 150_000 {
        // No role has such a right.
        return;
    }
    let role = &granting.role;
    granting.grant(&[]);
    granting.fixture.execute(&format!("grant set on parameter log_statement to {role}")).await;
    let expected = "revoke its privileges on parameter log_statement";
    assert_refused(&granting.fixture.checked(&mut granting.command(&[])), expected);
    granting.grant(&["--yes"]);
    assert_eq!(granting.grant(&[])["changes"], json!([]));
}
