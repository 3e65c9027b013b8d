//! The statement of a sign-up stays cheap, however many users there are: it finds its row by an index, and writes nothing for a
//! user who has one already.

use serde_json::{Value, json};
use testkit::{Postgres, TestDatabase};
use tokio_postgres::Client;
use tokio_postgres::types::{Json, ToSql, Type};

const ENSURE: &str = include_str!("../sql/users/ensure.sql");

/// Enough that no table is read as a whole because it is short.
const FILL: &str = "
insert into public.users (display_name, handle, cognito_user_id)
select 'Ada', 'ada-' || number, 'sub-' || number from generate_series(1, 10000) as number;
insert into cognito.forgotten select sha256(('gone-' || number)::bytea), now() from generate_series(1, 10000) as number;
analyze public.users, cognito.forgotten;
";

/// The server's log then has the plan of each statement, those within functions included.
const LOG_PLANS: &str = "
load 'auto_explain';
set auto_explain.log_min_duration = 0;
set auto_explain.log_nested_statements = on;
set auto_explain.log_format = json;
set auto_explain.log_analyze = on;
set auto_explain.log_timing = off;
";

/// Calls of a session after which the server no longer plans each one anew.
const SETTLED: usize = 10;

/// A database that is filled, and a session that has settled.
async fn filled() -> (TestDatabase, Client) {
    let load = async |database: &TestDatabase| {
        db::schema::load(&mut database.connect().await?).await?;
        Ok(())
    };
    let database = Postgres::shared().loaded_database(load).await.expect("a database");
    let client = database.connect().await.expect("the database is up");
    client.batch_execute(FILL).await.expect("the tables are filled");
    for number in 0..SETTLED {
        for outcome in ["created", "unchanged"] {
            assert_eq!(ensure(&client, &event(&format!("settled-{number}"))).await, outcome);
        }
    }
    (database, client)
}

fn event(sub: &str) -> Value {
    json!({"contract": 1, "sub": sub, "display_name": "Ada", "handles": [format!("new-{sub}"), format!("newer-{sub}")],
           "email": format!("{sub}@example.com"), "email_verified": true})
}

async fn ensure(client: &Client, event: &Value) -> String {
    client.query_typed(ENSURE, &[(event, Type::JSONB)]).await.expect("an answer")[0].get(0)
}

/// A node of a plan, and all below it.
fn nodes(plan: &Value) -> Vec<Value> {
    let mut nodes = vec![plan.clone()];
    let mut next = 0;
    while let Some(node) = nodes.get(next) {
        nodes.extend(node["Plans"].as_array().cloned().unwrap_or_default());
        next += 1;
    }
    nodes
}

/// The plans that the server has logged, each with its statement.
fn logged(log: &str) -> Vec<(String, Value)> {
    // Each further line of an entry begins with a tab.
    let plans = log
        .split(" plan:\n")
        .skip(1)
        .map(|entry| entry.lines().take_while(|line| line.starts_with('\t')).collect::<Vec<_>>().join("\n"));
    plans
        .map(|plan| {
            let plan: Value = serde_json::from_str(&plan).expect("a plan is JSON");
            (plan["Query Text"].as_str().expect("a statement").to_owned(), plan["Plan"].clone())
        })
        .collect()
}

/// The indexes that a call reads, in their order, when it ends so; insists that it reads in no other way.
async fn indexes(client: &Client, event: &Value, outcome: &str) -> Vec<String> {
    let before = Postgres::shared().log().expect("a log").len();
    assert_eq!(ensure(client, event).await, outcome);
    let log = Postgres::shared().log().expect("a log");
    let mut indexes = Vec::new();
    for (statement, plan) in logged(&log[before..]) {
        for node in nodes(&plan) {
            let kind = node["Node Type"].as_str().expect("a kind");
            let is_cheap = ["ModifyTable", "Result", "Index Scan", "Index Only Scan"].contains(&kind);
            assert!(is_cheap, "expected one row by an index, not {kind} of {} in: {statement}", node["Relation Name"]);
            let is_run = node["Actual Loops"].as_f64().is_some_and(|loops| loops > 0.0);
            indexes.extend(node["Index Name"].as_str().filter(|_| is_run).map(str::to_owned));
        }
    }
    indexes
}

/// What a call cost the server: blocks that it looked at, and records of the write-ahead log.
async fn cost(client: &Client, event: &Value) -> (u64, u64) {
    let explain = format!("explain (analyze, buffers, wal, timing off, summary off, format json) {ENSURE}");
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(event, Type::JSONB)];
    let rows = client.query_typed(&explain, &parameters).await.expect("a plan");
    let Json(plan): Json<Value> = rows[0].get(0);
    let number = |name: &str| plan[0]["Plan"][name].as_u64().expect(name);
    (number("Shared Hit Blocks") + number("Shared Read Blocks"), number("WAL Records"))
}

#[tokio::test]
async fn a_sign_up_reads_one_row_by_an_index_among_ten_thousand_users() {
    let (_database, client) = filled().await;
    client.batch_execute(LOG_PLANS).await.expect("PostgreSQL's own extension auto_explain");
    let (tombstone, user) = ("forgotten_pkey", "users_cognito_user_id_key");
    for (outcome, expected) in [("created", [tombstone, tombstone]), ("unchanged", [tombstone, user])] {
        assert_eq!(indexes(&client, &event("someone"), outcome).await, expected, "the indexes read for {outcome}");
    }
}

#[tokio::test]
async fn a_sign_up_touches_few_blocks_and_writes_nothing_for_a_user_who_has_a_row() {
    let (_database, client) = filled().await;
    let (blocks, records) = cost(&client, &event("someone")).await;
    // 18 and 5 on PostgreSQL 15: the row, and an entry in each of three indexes.
    assert!(blocks <= 24, "{blocks} blocks were touched for a new user");
    assert!((4..=8).contains(&records), "{records} records were written for a new user");

    let version = "select xmin::text, ctid::text from public.users where cognito_user_id = 'someone'";
    let version = async || {
        let row = client.query_one(version, &[]).await.expect("the user's row");
        (row.get::<_, String>(0), row.get::<_, String>(1))
    };
    let before = version().await;
    client.batch_execute("begin").await.expect("a transaction");
    let (blocks, records) = cost(&client, &event("someone")).await;
    let id = "select pg_current_xact_id_if_assigned()::text";
    let id: Option<String> = client.query_one(id, &[]).await.expect("an answer").get(0);
    client.batch_execute("commit").await.expect("the transaction's end");
    // 10 on PostgreSQL 15.
    assert!(blocks <= 14, "{blocks} blocks were touched for a user who has a row");
    assert_eq!((records, id), (0, None), "records of the log, and the transaction's id");
    assert_eq!(version().await, before, "the row's version");
}
