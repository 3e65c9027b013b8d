//! `provision users reconcile`, with a user pool at moto and a database of its own.

mod link;

use std::collections::BTreeMap;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Moto, Postgres, TestDatabase, UserPool, tool};
use tokio_postgres::Client;

/// How long a test waits for a process to come as far as it needs, before it fails.
const WAIT_LIMIT: Duration = Duration::from_mins(1);

/// A user pool, and a database.
pub(crate) struct Reconciling {
    pool: String,
    /// Their ids by their names.
    subs: BTreeMap<String, String>,
    database: TestDatabase,
    moto: &'static Moto,
    access_key_id: &'static str,
}

impl Reconciling {
    /// With the schema, and these confirmed users: each name's address is `name@example.com`, and verified.
    async fn with(names: &[&str]) -> Self {
        Self::at(Moto::shared(), "testing", names).await
    }

    pub(crate) async fn at(moto: &'static Moto, access_key_id: &'static str, names: &[&str]) -> Self {
        let load = async |database: &TestDatabase| {
            db::schema::load(&mut database.connect().await?).await?;
            Ok(())
        };
        let database = Postgres::shared().loaded_database(load).await.expect("a new database");
        let created = python(
            moto,
            &format!(
                "
pool = cognito.create_user_pool(PoolName='reconcile')['UserPool']['Id']
subs = {{name: confirmed(pool, name) for name in {}}}
result = {{'pool': pool, 'subs': subs}}",
                json!(names)
            ),
        );
        let subs = serde_json::from_value(created["subs"].clone()).expect("ids by name");
        let pool = created["pool"].as_str().expect("an id").to_owned();
        Self { pool, subs, database, moto, access_key_id }
    }

    pub(crate) fn pool(&self) -> &str {
        &self.pool
    }

    /// Runs Python with the client `cognito` and the id `pool`.
    #[track_caller]
    fn python(&self, script: &str) -> Value {
        python(self.moto, &format!("pool = '{}'\n{script}", self.pool))
    }

    fn sub(&self, name: &str) -> &str {
        &self.subs[name]
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
        command.args(["users", "reconcile"]).args(arguments);
        for default in [["--settle", "0s"], ["--rps", "1000"]] {
            if !arguments.contains(&default[0]) {
                command.args(default);
            }
        }
        command.env_clear().envs(self.moto.environment()).env("AWS_ACCESS_KEY_ID", self.access_key_id);
        command.env("USER_POOL_ID", &self.pool).env("CONNECTION_URL", self.database.url());
        command.env("PGSSLROOTCERT", &self.database.root_certificate).stdin(Stdio::null());
        command
    }

    /// Runs the command, and fails if it shows an address.
    fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().expect("provision starts");
        for text in [&output.stdout, &output.stderr] {
            assert!(!String::from_utf8_lossy(text).contains("example.com"), "an address stands in {output:?}");
        }
        output
    }

    /// The result; fails unless the command ends with this status, and leaves no table behind.
    #[track_caller]
    pub(crate) fn report(&self, arguments: &[&str], status: i32) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON and nothing else")
    }

    #[track_caller]
    fn text(&self, arguments: &[&str], status: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    async fn client(&self) -> Client {
        self.database.connect().await.expect("the database is up")
    }

    async fn execute(&self, statements: &str) {
        self.client().await.batch_execute(statements).await.expect(statements);
    }

    async fn count(&self, query: &str) -> i64 {
        self.client().await.query_one(query, &[]).await.expect(query).get(0)
    }

    /// The rows: id, address and whether it is verified.
    async fn rows(&self) -> BTreeMap<String, (Option<String>, bool)> {
        let rows = "select cognito_user_id, email, email_verified from public.users";
        let rows = self.client().await.query(rows, &[]).await.expect("the rows");
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()
    }

    /// Writes a row as a trigger would have, at this time.
    pub(crate) async fn sign_up(&self, sub: &str, email: Option<&str>, is_verified: bool, as_of: &str) {
        let event = json!({
            "sub": sub, "display_name": "x", "handles": [sub], "email": email, "email_verified": is_verified,
            "as_of": as_of,
        });
        let answer = "select cognito.ensure_user($1)";
        self.client().await.query_one(answer, &[&event]).await.expect("a row");
    }

    async fn assert_no_table_is_left(&self) {
        let tables = "select count(*) from pg_class where relname like 'reconcile%'";
        assert_eq!(self.count(tables).await, 0, "the copy of the pool's users is dropped");
    }

    /// Starts the command, and returns once this many pages are in the database.
    async fn start(&self, arguments: &[&str], pages: i64) -> Child {
        let child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("provision starts");
        let client = self.client().await;
        let wait = async {
            loop {
                let rows = client.query("select page::int8 from cognito.reconcile_run", &[]).await.unwrap_or_default();
                if rows.iter().any(|row| row.get::<_, i64>(0) >= pages) {
                    return;
                }
                assert!(child.try_wait().expect("its status").is_none(), "it ended before the page was listed");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT_LIMIT, wait).await.expect("the pages are listed");
        child
    }
}

/// What the script leaves in `result`. It may use boto3's client `cognito`, and `confirmed(pool, name)`.
#[track_caller]
fn python(moto: &Moto, script: &str) -> Value {
    let script = format!(
        "import boto3, json
cognito = boto3.client('cognito-idp')
def confirmed(pool, name):
    attributes = [dict(Name='email', Value=name + '@example.com'), dict(Name='email_verified', Value='true')]
    user = cognito.admin_create_user(UserPoolId=pool, Username=name, UserAttributes=attributes)['User']
    cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password='Passw0rd!', Permanent=True)
    return next(a['Value'] for a in user['Attributes'] if a['Name'] == 'sub')
result = None
{script}
print(json.dumps(result))"
    );
    let mut command = Command::new(tool("python/bin/python").expect("Python"));
    command.arg("-c").arg(script).envs(moto.environment()).env("AWS_DEFAULT_REGION", "eu-central-1");
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test]
async fn every_confirmed_user_without_a_row_gets_one() {
    let reconciling = Reconciling::with(&["ada", "grace", "edith"]).await;
    reconciling.python(
        "cognito.admin_create_user(UserPoolId=pool, Username='pending')
client = cognito.create_user_pool_client(UserPoolId=pool, ClientName='c')['UserPoolClient']['ClientId']
cognito.sign_up(ClientId=client, Username='unconfirmed', Password='Passw0rd!')
cognito.admin_disable_user(UserPoolId=pool, Username='edith')",
    );
    reconciling.sign_up(reconciling.sub("ada"), Some("ada@example.com"), true, "2026-01-01T00:00:00Z").await;

    let found = reconciling.report(&["--dry-run"], 3);
    assert_eq!((&found["counted"], &found["with_row"], &found["disabled"]), (&json!(3), &json!(1), &json!(1)));
    assert_eq!(found["missing"], json!({"found": 2, "repaired": 0, "failed": 0, "reasons": {"trigger": 2}}));
    assert_eq!(reconciling.rows().await.len(), 1, "a dry run changes no row");

    let repaired = reconciling.report(&[], 0);
    assert_eq!(repaired["missing"]["repaired"], 2);
    let rows = reconciling.rows().await;
    for name in ["ada", "grace", "edith"] {
        let expected = (Some(format!("{name}@example.com")), true);
        assert_eq!(rows.get(reconciling.sub(name)), Some(&expected), "{name}");
    }
    assert_eq!(rows.len(), 3, "neither the pending nor the unconfirmed user has a row");
    reconciling.assert_no_table_is_left().await;
    let found = reconciling.report(&["--dry-run"], 0);
    assert_eq!((&found["missing"]["found"], &found["stale"]["found"]), (&json!(0), &json!(0)));

    // On request.
    let found = reconciling.report(&["--dry-run", "--status", "FORCE_CHANGE_PASSWORD", "--status", "CONFIRMED"], 3);
    assert_eq!(found["missing"]["reasons"], json!({"admin_created": 1}));
    let found = reconciling.report(&["--dry-run", "--status", "force_change_password"], 3);
    assert_eq!((&found["listed"], &found["missing"]["found"]), (&json!(1), &json!(1)), "Cognito lists no other users");
    assert_eq!(reconciling.report(&["--dry-run", "--created-after", "2999-01-01"], 0)["counted"], 0);
}

#[tokio::test]
async fn the_summary_says_how_many_and_why_and_what_to_do_next() {
    let reconciling = Reconciling::with(&["ada", "grace"]).await;
    let found = reconciling.text(&["--dry-run"], 3);
    for expected in [
        format!("2 users of {} should have a row in", reconciling.pool),
        "; 0 have one\n2 without a row\n  2: the trigger failed, or Cognito did not call it".to_owned(),
        format!("\n  `provision trigger show --function NAME --pool {}` tells whether the pool", reconciling.pool),
        "\nnext: run this again without --dry-run".to_owned(),
    ] {
        assert!(found.contains(&expected), "expected {expected:?} in {found:?}");
    }
    let repaired = reconciling.text(&[], 0);
    for expected in ["; 2 have one\n2 without a row: 2 created", "\nevery user that should have a row has one\n"] {
        assert!(repaired.contains(expected), "expected {expected:?} in {repaired:?}");
    }
}

#[tokio::test]
async fn a_user_who_is_older_than_the_first_row_is_told_as_such() {
    let reconciling = Reconciling::with(&["ada", "grace"]).await;
    reconciling.sign_up(reconciling.sub("ada"), None, false, "2999-01-01T00:00:00Z").await;
    assert_eq!(reconciling.report(&["--dry-run"], 3)["missing"]["reasons"], json!({"before_trigger": 1}));
}

#[tokio::test]
async fn an_address_that_differs_is_updated_and_a_newer_one_is_not() {
    let reconciling = Reconciling::with(&["stale", "verified", "newer", "right", "recent"]).await;
    let old = "2026-01-01T00:00:00Z";
    for (name, email, is_verified, as_of) in [
        ("stale", "former@example.com", true, old),
        ("verified", "verified@example.com", false, old),
        ("newer", "newest@example.com", true, "2999-01-01T00:00:00Z"),
        ("right", "right@example.com", true, old),
    ] {
        reconciling.sign_up(reconciling.sub(name), Some(email), is_verified, as_of).await;
    }
    // Written a moment ago: the user is asked for, and not only listed.
    let now = reconciling.client().await.query_one("select to_json(clock_timestamp())::text", &[]).await.expect("now");
    let now = now.get::<_, &str>(0).trim_matches('"').to_owned();
    reconciling.sign_up(reconciling.sub("recent"), Some("former@example.com"), true, &now).await;
    let before = reconciling.rows().await;
    let found = reconciling.report(&["--dry-run"], 3);
    assert_eq!(found["stale"], json!({"found": 3, "repaired": 0, "failed": 0}), "{found}");
    assert_eq!(reconciling.rows().await, before, "a dry run changes no row");

    assert_eq!(reconciling.report(&[], 0)["stale"], json!({"found": 3, "repaired": 3, "failed": 0}));
    let rows = reconciling.rows().await;
    for (name, email) in
        [("stale", "stale"), ("verified", "verified"), ("newer", "newest"), ("right", "right"), ("recent", "recent")]
    {
        let expected = (Some(format!("{email}@example.com")), true);
        assert_eq!(rows[reconciling.sub(name)], expected, "{name}");
    }
}

#[tokio::test]
async fn an_unverified_address_of_the_pool_is_no_difference_to_a_verified_one() {
    let reconciling = Reconciling::with(&["ada"]).await;
    reconciling.sign_up(reconciling.sub("ada"), Some("verified@example.com"), true, "2026-01-01T00:00:00Z").await;
    reconciling.python(
        "cognito.admin_update_user_attributes(UserPoolId=pool, Username='ada',
    UserAttributes=[dict(Name='email_verified', Value='false')])",
    );
    assert_eq!(reconciling.report(&["--dry-run"], 0)["stale"]["found"], 0);
}

#[tokio::test]
async fn a_row_without_a_user_is_reported_and_only_deleted_on_request() {
    let reconciling = Reconciling::with(&["ada", "gone"]).await;
    let old = "2026-01-01T00:00:00Z";
    for name in ["ada", "gone"] {
        reconciling.sign_up(reconciling.sub(name), None, false, old).await;
    }
    // None of them is of a user whom the pool could have had, or listed for sure when the run began.
    reconciling.sign_up("seed-andrew", None, false, old).await;
    reconciling.sign_up("5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95", None, false, "2999-01-01T00:00:00Z").await;
    let young = "0e5ac1b4-51cf-4a4b-9d5b-7d1a1f5c9e11";
    reconciling.sign_up(young, None, false, old).await;
    let minutes = "update public.users set cognito_as_of = now() - interval '5 minutes' where cognito_user_id";
    reconciling.execute(&format!("{minutes} = '{young}'")).await;
    reconciling.python("cognito.admin_delete_user(UserPoolId=pool, Username='gone')");

    let expected = json!({"found": 1, "forgotten": 0, "not_looked_for": null});
    assert_eq!(reconciling.report(&["--dry-run"], 3)["orphans"], expected);
    let found = reconciling.report(&[], 0);
    assert_eq!(found["orphans"], expected);
    let orphan = json!({"sub": reconciling.sub("gone"), "kind": "orphan", "state": "found"});
    assert!(found["findings"].as_array().expect("a list").contains(&orphan), "{found}");
    assert_eq!(reconciling.rows().await.len(), 5);

    let refused = reconciling.run(&["--forget-orphans", "--output", "json"]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{stderr}");
    let report: Value = serde_json::from_slice(&refused.stdout).expect("what was done before is reported");
    assert_eq!(report["orphans"]["forgotten"], 0, "{report}");
    let expected = format!("This deletes 1 row whose user the pool {} does not have", reconciling.pool);
    assert!(stderr.contains(&expected), "{stderr}");
    assert_eq!(reconciling.rows().await.len(), 5, "without consent nothing is deleted");
    reconciling.assert_no_table_is_left().await;

    let forgotten = reconciling.report(&["--forget-orphans", "--yes"], 0);
    assert_eq!(forgotten["orphans"], json!({"found": 1, "forgotten": 1, "not_looked_for": null}));
    let rows = reconciling.rows().await;
    assert!(rows.len() == 4 && !rows.contains_key(reconciling.sub("gone")), "{rows:?}");
}

#[tokio::test]
async fn a_login_from_whom_row_level_security_hides_rows_is_refused() {
    let reconciling = Reconciling::with(&["ada"]).await;
    let database = &reconciling.database;
    let name = format!("clerk_{}", database.name);
    reconciling
        .execute(&format!(
            "create role {name} login password 'hunter2';
             grant usage, create on schema cognito to {name};
             grant execute on all functions in schema cognito to {name};
             grant select, insert, update, delete on public.users to {name};
             alter table public.users enable row level security;
             create policy newest on public.users using (created_at > '2126-01-01')"
        ))
        .await;
    let url = format!("postgres://{name}:hunter2@{}:{}/{}", database.host(), database.port, database.name);
    let mut command = reconciling.command(&["--dry-run"]);
    let output = command.env("CONNECTION_URL", url).output().expect("provision starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("row-level security") && stderr.contains("BYPASSRLS"), "{stderr}");
}

#[tokio::test]
async fn with_one_status_no_row_is_called_an_orphan() {
    let reconciling = Reconciling::with(&["ada"]).await;
    reconciling.sign_up("5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95", None, false, "2026-01-01T00:00:00Z").await;
    let found = reconciling.report(&["--status", "CONFIRMED"], 0);
    assert_eq!(found["orphans"]["not_looked_for"], "with one --status, Cognito lists no other users");
    assert_eq!(found["orphans"]["found"], 0);
}

#[tokio::test]
async fn a_user_whom_the_database_refuses_is_reported_and_the_others_stand() {
    let reconciling = Reconciling::with(&["ada", "grace", "edith"]).await;
    let check = "alter table users add constraint no_grace check (email <> 'grace@example.com')";
    reconciling.execute(check).await;
    let repaired = reconciling.report(&[], 3);
    assert_eq!(repaired["missing"], json!({"found": 3, "repaired": 2, "failed": 1, "reasons": {"trigger": 3}}));
    let failure = &repaired["failures"][0];
    assert_eq!((&failure["sqlstate"], &failure["users"]), (&json!("23514"), &json!(1)));
    assert!(failure["message"].as_str().expect("a text").contains("public.users.no_grace"), "{failure}");
    assert_eq!(reconciling.rows().await.len(), 2);
    let text = reconciling.text(&[], 3);
    assert!(text.contains("\n1 without a row: 1 failed\n") && text.contains("\n  hint: compare"), "{text}");
}

#[tokio::test]
async fn a_database_that_refuses_every_user_ends_the_run() {
    let reconciling = Reconciling::with(&["ada", "grace"]).await;
    reconciling.execute("revoke insert on users from cognito_writer; revoke all on users from cognito_writer").await;
    let refused = reconciling.run(&[]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error: stopped after page 1: the database role lacks a privilege"), "{stderr}");
    assert!(stderr.contains("; then run the same command again"), "{stderr}");
}

#[tokio::test]
async fn a_killed_run_goes_on_where_it_was() {
    let names: Vec<String> = (0..150).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reconciling = Reconciling::with(&names).await;
    reconciling.execute("alter default privileges in schema cognito grant select on tables to pg_monitor").await;
    let mut child = reconciling.start(&["--rps", "1"], 1).await;
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let readable = "select count(*) from pg_tables
                    where tablename like 'reconcile%' and has_table_privilege('pg_monitor', 'cognito.' || tablename, 'select')";
    assert_eq!(reconciling.count(readable).await, 0, "no other role reads the users");

    let output = reconciling.run(&["--output", "json"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.starts_with("going on after page "), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["listed"], &report["with_row"]), (&json!(150), &json!(150)));
    assert_eq!(reconciling.rows().await.len(), 150);
    reconciling.assert_no_table_is_left().await;
}

#[tokio::test]
async fn a_run_keeps_no_vacuum_of_the_database_from_its_work() {
    let names: Vec<String> = (0..70).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reconciling = Reconciling::with(&names).await;
    let isolation = "alter database {} set default_transaction_isolation = 'repeatable read'";
    reconciling.execute(&isolation.replace("{}", &reconciling.database.name)).await;
    let mut child = reconciling.start(&["--rps", "1"], 1).await;
    let waiting = "select count(*) from pg_stat_activity
                   where datname = current_database() and application_name = 'provision' and state = 'idle in transaction'";
    assert_eq!(reconciling.count(waiting).await, 1, "the lock is held by a transaction");
    let with_snapshot = format!("{waiting} and backend_xmin is not null");
    assert_eq!(reconciling.count(&with_snapshot).await, 0, "no transaction has a snapshot while it waits");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[tokio::test]
async fn a_run_outlasts_the_loss_of_its_connections() {
    let names: Vec<String> = (0..130).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reconciling = Reconciling::with(&names).await;
    let child = reconciling.start(&["--rps", "1"], 1).await;
    let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where datname = current_database() and application_name = 'provision'";
    assert!(reconciling.count(ended).await >= 2, "it has a session for its pages and one for its lock");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(reconciling.rows().await.len(), 130);
    reconciling.assert_no_table_is_left().await;
}

#[tokio::test]
async fn a_token_that_is_refused_begins_the_list_again_and_nobody_is_counted_twice() {
    let names: Vec<String> = (0..130).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reconciling = Reconciling::with(&names).await;
    let mut child = reconciling.start(&["--rps", "1", "--dry-run"], 1).await;
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    reconciling.execute("update cognito.reconcile_run set token = 'expired'").await;
    let output = reconciling.run(&["--output", "json", "--dry-run"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("Cognito no longer accepts the next page's token"), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["listed"], &report["missing"]["found"]), (&json!(130), &json!(130)));
}

#[tokio::test]
async fn a_run_for_another_purpose_begins_anew() {
    let names: Vec<String> = (0..70).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reconciling = Reconciling::with(&names).await;
    let mut child = reconciling.start(&["--rps", "1", "--dry-run"], 1).await;
    // Another one meanwhile does nothing.
    let refused = reconciling.run(&[]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error: another process reconciles this database: session "), "{stderr}");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let output = reconciling.run(&[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("beginning anew"), "{stderr}");
    assert_eq!(reconciling.rows().await.len(), 70, "what a dry run has found is repaired");
}

#[tokio::test]
async fn a_run_that_is_taken_over_ends_and_says_so() {
    let names: Vec<String> = (0..70).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reconciling = Reconciling::with(&names).await;
    let child = reconciling.start(&["--rps", "1"], 1).await;
    // As after a crash of the server, which empties unlogged tables.
    reconciling.execute("truncate cognito.reconcile_run, cognito.reconcile_users").await;
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("tables were emptied, or another process has taken them over"), "{stderr}");
    assert_eq!(reconciling.report(&[], 0)["with_row"], 70, "the hint leads out");
}

#[tokio::test]
async fn a_sign_up_that_is_under_way_is_not_called_missing() {
    let reconciling = Reconciling::with(&["ada", "grace"]).await;
    let mut child = reconciling.start(&["--dry-run", "--settle", "20s"], 1).await;
    // Its trigger is slow.
    reconciling.sign_up(reconciling.sub("ada"), Some("ada@example.com"), true, "2999-01-01T00:00:00Z").await;
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
    let output = child.wait_with_output().expect("its output");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("\n1 without a row\n"), "only the other one is missing: {text}");
}

#[tokio::test]
async fn a_table_of_an_applications_own_is_reconciled_with_the_former_contract_too() {
    let reconciling = Reconciling::with(&["ada", "grace"]).await;
    let own = [
        "drop schema cognito cascade; drop table public.users cascade;",
        include_str!("../../../../docs/own-table/owner.sql"),
        include_str!("../../../../docs/own-table/members.sql"),
        include_str!("../../../../docs/own-table/hand-over.sql"),
    ];
    reconciling.execute(&own.concat()).await;
    let gone = "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95";
    reconciling.sign_up(gone, None, false, "2026-01-01T00:00:00Z").await;
    reconciling.sign_up(reconciling.sub("ada"), Some("former@example.com"), false, "2026-01-01T00:00:00Z").await;
    let found = reconciling.report(&["--dry-run"], 3);
    let figures = |report: &Value| ["missing", "stale", "orphans"].map(|kind| report[kind]["found"].clone());
    assert_eq!(figures(&found), [json!(1), json!(1), json!(1)], "{found}");

    let former = "drop function cognito.known_users;
        create function cognito.known_users(subs text[]) returns table (sub text, email text, as_of timestamptz)
            language sql stable set search_path = pg_catalog, pg_temp as
            'select known.sub, known.email, known.as_of from cognito.known where known.sub = any (subs)'";
    reconciling.execute(former).await;
    let repaired = reconciling.report(&[], 0);
    assert_eq!(figures(&repaired), [json!(1), json!(1), json!(0)], "{repaired}");
    let reason = repaired["orphans"]["not_looked_for"].as_str().expect("a reason");
    assert!(reason.contains("hand-over.sql"), "{reason}");
    assert_eq!(reconciling.count("select count(*) from members where email_verified").await, 2);
}

#[tokio::test]
async fn a_name_that_admin_get_user_refuses_ends_no_run_and_its_user_gets_a_row() {
    let reconciling = Reconciling::with(&[]).await;
    let pool = UserPool::new(1);
    let named = pool.migrate("ada lovelace", &[("email", "ada@example.com"), ("email_verified", "true")]);
    // Rows without a user, whose ids are no names either.
    let long = "x".repeat(400);
    for sub in ["no user", &long] {
        reconciling.sign_up(sub, None, false, "2026-01-01T00:00:00Z").await;
    }
    let run = |arguments: &[&str]| {
        let mut command = reconciling.command(&[arguments, &["--output", "json"]].concat());
        command.envs(pool.serve().expect("a server")).env("USER_POOL_ID", pool.id());
        let output = command.output().expect("provision starts");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let report = run(&[]);
    assert_eq!((&report["missing"]["found"], &report["missing"]["repaired"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!(report["orphans"]["found"], 2, "{report}");
    let rows = reconciling.rows().await;
    assert_eq!(rows[&named.sub], (Some("ada@example.com".to_owned()), true));
    assert_eq!(rows.len(), 3, "no row without a user is deleted unasked");
}

#[tokio::test]
async fn what_cannot_be_reconciled_is_refused_with_the_way_out() {
    let reconciling = Reconciling::with(&[]).await;
    let missing = reconciling.run(&["--pool", "eu-central-1_missing"]);
    let stderr = String::from_utf8_lossy(&missing.stderr);
    assert!(stderr.starts_with("error: there is no user pool eu-central-1_missing"), "{stderr}");
    let unnamed = reconciling.command(&[]).env_remove("USER_POOL_ID").output().expect("provision starts");
    let stderr = String::from_utf8_lossy(&unnamed.stderr);
    assert_eq!(stderr, "error: no user pool is named\nhint: add --pool with its id, or set USER_POOL_ID\n");
    for (arguments, expected) in [
        (["--status", "UNCONFIRMED"], "nobody has confirmed that the address is theirs"),
        (["--status", "SOMETHING"], "those of Cognito are CONFIRMED"),
        (["--created-after", "yesterday"], "no date and no time"),
        (["--rps", "0"], "no number from 0.01"),
        (["--settle", "500000000000000y"], "invalid value"),
        (["--settle", "25h"], "longer than a day"),
    ] {
        let wrong = reconciling.run(&arguments);
        assert_eq!(wrong.status.code(), Some(2));
        let stderr = String::from_utf8_lossy(&wrong.stderr);
        assert!(stderr.contains(expected), "expected {expected:?} in {stderr:?}");
    }
    // An empty pool is no problem.
    assert_eq!(reconciling.report(&[], 0)["counted"], 0);
}

/// `RECONCILE_USERS` is how many there are (400).
#[tokio::test]
async fn a_pool_of_many_pages_is_reported_repaired_and_then_in_order() {
    let users: usize = std::env::var("RECONCILE_USERS").map_or(400, |users| users.parse().expect("a number"));
    let names: Vec<String> = (0..users).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reconciling = Reconciling::with(&names).await;
    let found = |report: &Value| report["missing"]["found"].clone();
    assert_eq!(found(&reconciling.report(&["--dry-run"], 3)), users);
    assert!(reconciling.rows().await.is_empty(), "a dry run changes no row");

    let repaired = reconciling.report(&[], 0);
    assert_eq!((&found(&repaired), &repaired["missing"]["repaired"]), (&json!(users), &json!(users)));
    // The pool as another client sees it.
    let listed = reconciling.python(
        "pages = cognito.get_paginator('list_users').paginate(UserPoolId=pool)
users = [{a['Name']: a['Value'] for a in user['Attributes']} for page in pages for user in page['Users']]
result = [[user['sub'], user['email']] for user in users]",
    );
    let listed: Vec<(String, String)> = serde_json::from_value(listed).expect("ids and addresses");
    let listed: BTreeMap<_, _> = listed.into_iter().collect();
    let rows = reconciling.rows().await;
    let rows = rows.into_iter().map(|(sub, (email, _))| (sub, email.unwrap_or_default()));
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), listed);

    let again = reconciling.report(&[], 0);
    assert_eq!(["missing", "stale", "orphans"].map(|kind| again[kind]["found"].clone()), [0, 0, 0].map(Value::from));
    assert_eq!((&again["listed"], &again["with_row"]), (&json!(users), &json!(users)));
}
