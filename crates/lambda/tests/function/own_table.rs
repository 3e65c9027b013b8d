//! The same guarantees on every table of `docs/own-table.md` as on this project's own.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::{Answer, Fault, Function};
use tokio_postgres::error::SqlState;

use crate::fixture::{Disturbance, Fixture, fail, sign_up, succeed, try_succeed, undisturbed};
use crate::shapes::{self, Shape};

/// The most lines and characters of a contract, so that a reader sees it at once.
const MOST_LINES: usize = 16;
const MOST_CHARACTERS: usize = 120;

const ADA: &str = "11111111-2222-4333-8444-555555555555";
const GRACE: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";

macro_rules! guarantees {
    ($shape:ident: $($guarantee:ident)*) => {
        mod $shape {
            $(
                #[tokio::test]
                async fn $guarantee() {
                    super::$guarantee(super::shapes::$shape()).await;
                }
            )*
        }
    };
}

macro_rules! every_shape {
    ($($shape:ident)*) => {
        $(
            guarantees! { $shape:
                a_second_delivery_writes_nothing
                simultaneous_sign_ups_leave_one_row_each
                a_taken_handle_or_address_refuses_nobody_and_joins_nobody
                a_conflict_that_no_handle_settles_names_its_constraint
                a_row_that_a_trigger_refuses_is_an_error
                a_cut_or_stalled_connection_loses_no_sign_up
                the_address_follows_the_newest_report
                an_absent_or_unverified_address_replaces_no_verified_one
                sub_is_the_only_attribute_needed
                the_longest_and_strangest_attributes_lose_no_sign_up
                a_warm_sign_up_is_one_round_trip
                the_role_and_the_owner_may_do_nothing_else
                the_operator_finds_and_deletes_users
                a_forgotten_user_is_not_made_again_by_a_late_event
                the_contract_is_short
            }
        )*
    };
}

every_shape! { members devise django profiles prisma memberships }

/// A database with such a table, and the function on it.
struct OwnTable {
    fixture: Fixture,
    shape: Shape,
}

impl OwnTable {
    async fn new(shape: Shape) -> Self {
        Self { fixture: Fixture::with_contract(&shape.statements()).await, shape }
    }

    async fn client(&self) -> tokio_postgres::Client {
        self.fixture.database.connect().await.expect("the database is up")
    }

    /// The rows of each table that the contract writes.
    async fn rows(&self) -> Vec<i64> {
        let client = self.client().await;
        let mut rows = Vec::new();
        for table in self.shape.tables {
            let count = format!("select count(*) from {table}");
            rows.push(client.query_one(&count, &[]).await.expect("the table is there").get(0));
        }
        rows
    }

    /// Fails unless each table has this many rows.
    #[track_caller]
    fn assert_rows(&self, expected: i64) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let rows = self.rows().await;
            assert!(rows.iter().all(|count| *count == expected), "at {caller}: {rows:?} rows, expected {expected}");
        }
    }

    /// The rows of the user, or of everyone, with what changes when one is written or locked.
    async fn versions(&self, sub: Option<&str>) -> Vec<String> {
        let table = self.shape.tables[0];
        let versions = format!(
            "select concat_ws(' ', ctid, xmin, xmax, t) from {table} as t
             where $1::text is null or position($1 in t::text) > 0 order by 1"
        );
        let rows = self.client().await.query(&versions, &[&sub]).await.expect("the table is readable");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The user's address, as the operator's tool sees it; none for a user without a row.
    async fn address(&self, sub: &str) -> Option<Option<String>> {
        let known = "select email from cognito.known_users(array[$1])";
        let row = self.client().await.query_opt(known, &[&sub]).await.expect("no more than one row");
        row.map(|row| row.get(0))
    }

    async fn handles(&self) -> Option<Vec<String>> {
        let handles = format!("select {}::text from {} order by 1", self.shape.handle?, self.shape.tables[0]);
        let rows = self.client().await.query(&handles, &[]).await.expect("the handles");
        Some(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Calls the contract as the function does, with an event of one's own.
    async fn ensure(&self, event: &Value) -> String {
        self.try_ensure(event).await.unwrap_or_else(|error| panic!("{event}: {error:?}"))
    }

    /// The same, with the server's error. A contract that never ends is cancelled (57014).
    async fn try_ensure(&self, event: &Value) -> Result<String, tokio_postgres::Error> {
        let client = self.client().await;
        client.batch_execute("set statement_timeout = '20s'").await.expect("a setting");
        Ok(client.query_one("select cognito.ensure_user($1)", &[event]).await?.get(0))
    }
}

/// Sends the event and returns the outcome that the function reports.
async fn outcome(function: &Function, event: &str) -> Result<String, Disturbance> {
    let invocation = function.invoke(event).await.expect("an answer");
    let line = function.log_line("requestId", &invocation.request_id).await.expect("a log line");
    match invocation.answer {
        Answer::Response(_) => Ok(line["outcome"].as_str().expect("a word").to_owned()),
        Answer::Error(error) => Err(format!("{error:?}")),
    }
}

/// A sign-up that asks for this handle.
fn asks_for(handle: &str, sub: &str) -> Value {
    json!({"sub": sub, "name": "Ada Lovelace", "preferred_username": handle})
}

/// A sign-up with this address.
fn with_address(sub: &str, email: &str, is_verified: bool) -> String {
    let mut attributes = asks_for("ada", sub);
    attributes["email"] = json!(email);
    attributes["email_verified"] = json!(is_verified.to_string());
    sign_up(sub, &attributes)
}

/// The same as the argument of the contract, reported at this minute.
fn report(sub: &str, email: Option<&str>, is_verified: bool, minute: u32) -> Value {
    json!({
        "contract": 1, "sub": sub, "user_pool_id": "p", "trigger_source": "t", "display_name": "Ada Lovelace",
        "handles": ["ada", format!("ada-{sub}")], "email": email, "email_verified": is_verified, "attributes": {},
        "client_metadata": {}, "as_of": format!("2026-11-25T10:{minute:02}:00.000001Z"), "future_field": [1],
    })
}

async fn a_second_delivery_writes_nothing(shape: Shape) {
    undisturbed(async || {
        let table = OwnTable::new(shape).await;
        let function = table.fixture.function(&[]).await;
        let event = with_address(ADA, "ada@example.com", true);
        let first = outcome(&function, &event).await?;
        table.assert_rows(1).await;
        let versions = table.versions(None).await;
        // A slow machine lets the function send it twice: then the first outcome is lost.
        for _ in 0..2 {
            assert_eq!(outcome(&function, &event).await?, "unchanged", "after {first}");
        }
        assert_eq!(table.versions(None).await, versions, "nothing is written or locked");
        if first == "created" { Ok(()) } else { Err(first) }
    })
    .await;
}

async fn simultaneous_sign_ups_leave_one_row_each(shape: Shape) {
    const PEOPLE: u8 = 20;
    let table = OwnTable::new(shape).await;
    let functions = table.fixture.connected_functions(PEOPLE.into(), &[]).await;
    let subs: Vec<String> = (0..PEOPLE).map(|number| format!("{number:08x}-2222-4333-8444-555555555555")).collect();

    let same = with_address(ADA, "ada@example.com", true);
    futures::future::join_all(functions.iter().map(|function| succeed(function, &same))).await;
    table.assert_rows(1).await;

    // All want the handle, and say that they have the same address.
    let sign_ups = functions.iter().zip(&subs).map(async |(function, sub)| {
        succeed(function, &with_address(sub, "grace@example.com", true)).await;
    });
    futures::future::join_all(sign_ups).await;
    table.assert_rows(1 + i64::from(PEOPLE)).await;
    let mut addresses = Vec::new();
    for sub in &subs {
        addresses.extend(table.address(sub).await.expect("each has a row"));
    }
    let owners = if table.shape.has_unique_addresses { 1 } else { PEOPLE };
    assert_eq!(addresses.len(), usize::from(owners), "users with the address {addresses:?}");
    if let Some(handles) = table.handles().await {
        let distinct: BTreeSet<_> = handles.iter().collect();
        assert_eq!(distinct.len(), 1 + usize::from(PEOPLE), "{handles:?}");
        assert!(handles.contains(&"ada".to_owned()), "one user gets the handle itself: {handles:?}");
    }
}

async fn a_taken_handle_or_address_refuses_nobody_and_joins_nobody(shape: Shape) {
    let table = OwnTable::new(shape).await;
    let function = table.fixture.function(&[]).await;
    succeed(&function, &with_address(ADA, "ada@example.com", true)).await;
    let ada = table.versions(Some(ADA)).await;
    assert_eq!(ada.len(), 1);
    let mallory = "cccccccc-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    for (sub, is_verified) in [(mallory, false), (mallory, false), (mallory, true), (GRACE, true), (GRACE, true)] {
        succeed(&function, &with_address(sub, "ada@example.com", is_verified)).await;
    }
    table.assert_rows(3).await;
    // One who has another address first.
    let late = "dddddddd-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    for email in ["late@example.com", "ada@example.com", "later@example.com"] {
        succeed(&function, &with_address(late, email, true)).await;
    }
    table.assert_rows(4).await;
    assert_eq!(table.address(late).await, Some(Some("later@example.com".to_owned())));
    assert_eq!(table.versions(Some(ADA)).await, ada, "the first user's row is as it was");
    if let Some(handles) = table.handles().await {
        assert_eq!(handles, ["ada", "ada-aaaa", "ada-cccc", "ada-dddd"]);
    }
}

async fn a_conflict_that_no_handle_settles_names_its_constraint(shape: Shape) {
    let table = OwnTable::new(shape).await;
    let unique = "add column code text default 'same' constraint one_code unique";
    table.fixture.execute(&format!("alter table {} {unique}", table.shape.tables[0])).await;
    assert_eq!(table.ensure(&report(ADA, Some("ada@example.com"), true, 10)).await, "created");
    for email in [Some("grace@example.com"), None] {
        let error = table.try_ensure(&report(GRACE, email, true, 10)).await.expect_err("the code is taken");
        let error = error.as_db_error().expect("the server's answer");
        assert_eq!((error.code(), error.constraint()), (&SqlState::UNIQUE_VIOLATION, Some("one_code")), "{email:?}");
    }
    table.assert_rows(1).await;
    assert_eq!(table.ensure(&report(ADA, Some("ada@example.com"), true, 20)).await, "unchanged");
}

async fn a_row_that_a_trigger_refuses_is_an_error(shape: Shape) {
    let table = OwnTable::new(shape).await;
    table
        .fixture
        .execute(&format!(
            "create function refuse() returns trigger language plpgsql as $$ begin return null; end $$;
             create trigger refuse before insert on {} for each row execute function refuse()",
            table.shape.tables[0]
        ))
        .await;
    let error = table.try_ensure(&report(ADA, None, false, 10)).await.expect_err("there is no row");
    assert_eq!(error.code(), Some(&SqlState::NO_DATA_FOUND), "{error:?}");
    table.assert_rows(0).await;
}

async fn a_cut_or_stalled_connection_loses_no_sign_up(shape: Shape) {
    let table = OwnTable::new(shape).await;
    let (function, proxy) = table.fixture.function_behind_proxy().await;
    succeed(&function, &with_address(ADA, "ada@example.com", true)).await;
    for (rows, fault) in [(2, Fault::Cut), (3, Fault::Stall)] {
        let before = proxy.connections();
        proxy.fail_next([fault.clone()]);
        let event = with_address(&format!("{rows}2222222-2222-4333-8444-555555555555"), "grace@example.com", true);
        succeed(&function, &event).await;
        assert!(proxy.connections() > before, "{fault:?} leads to a new connection");
        table.assert_rows(rows).await;
    }
}

async fn the_address_follows_the_newest_report(shape: Shape) {
    let table = OwnTable::new(shape).await;
    let function = table.fixture.function(&[]).await;
    for email in ["ada@example.com", "ada.lovelace@example.com"] {
        succeed(&function, &with_address(ADA, email, true)).await;
        assert_eq!(table.address(ADA).await, Some(Some(email.to_owned())));
    }
    for (email, minute, expected) in [
        ("first@example.com", 10, "created"),
        ("third@example.com", 30, "changed"),
        ("second@example.com", 20, "unchanged"),
        ("third@example.com", 40, "unchanged"),
    ] {
        assert_eq!(table.ensure(&report(GRACE, Some(email), true, minute)).await, expected, "{email}");
    }
    assert_eq!(table.address(GRACE).await, Some(Some("third@example.com".to_owned())));
    table.assert_rows(2).await;
}

async fn an_absent_or_unverified_address_replaces_no_verified_one(shape: Shape) {
    let table = OwnTable::new(shape).await;
    let function = table.fixture.function(&[]).await;
    succeed(&function, &with_address(ADA, "ada@example.com", true)).await;
    let versions = table.versions(None).await;
    succeed(&function, &sign_up(ADA, &asks_for("ada", ADA))).await;
    succeed(&function, &with_address(ADA, "victim@example.com", false)).await;
    succeed(&function, &with_address(ADA, "ada@example.com", false)).await;
    assert_eq!(table.versions(None).await, versions, "the row is as it was");

    // What was not verified when the user signed up is verified later.
    succeed(&function, &with_address(GRACE, "grace@example.com", false)).await;
    succeed(&function, &with_address(GRACE, "grace@example.com", true)).await;
    assert_eq!(table.address(GRACE).await, Some(Some("grace@example.com".to_owned())));
    succeed(&function, &with_address(GRACE, "victim@example.com", false)).await;
    assert_eq!(table.address(GRACE).await, Some(Some("grace@example.com".to_owned())));
}

async fn sub_is_the_only_attribute_needed(shape: Shape) {
    let table = OwnTable::new(shape).await;
    let function = table.fixture.function(&[]).await;
    for sub in [ADA, GRACE, ADA, GRACE] {
        succeed(
            &function,
            &json!({
                "triggerSource": "PostConfirmation_ConfirmSignUp", "request": {"userAttributes": {"sub": sub}},
            })
            .to_string(),
        )
        .await;
    }
    table.assert_rows(2).await;
    assert_eq!((table.address(ADA).await, table.address(GRACE).await), (Some(None), Some(None)));
}

async fn the_longest_and_strangest_attributes_lose_no_sign_up(shape: Shape) {
    let table = OwnTable::new(shape).await;
    let function = table.fixture.function(&[]).await;
    // 2,048 characters are the most that Cognito keeps of an attribute; these are four bytes each, and do not repeat,
    // so that PostgreSQL cannot press them into an index entry.
    let longest: String = (0..2048).filter_map(|number| char::from_u32(0x2_0000 + number * 7)).collect();
    let strangest = "'; drop table users; -- \"O'Brien\" \\ $1 %s \u{1f980}\0 \u{202e}";
    // Five that differ at the end alone, so that the last one gets the longest handle; what no UUID is; one UUID twice.
    let long = ["a", "b", "c", "d", "e"].map(|end| "s".repeat(254) + end);
    let others = ["'||(select 1)||'", "x", ADA, GRACE].map(str::to_owned);
    let subs: Vec<String> = long.into_iter().chain(others).chain([GRACE.to_uppercase()]).collect();
    let mut events = Vec::new();
    for sub in &subs {
        for text in [longest.as_str(), strangest] {
            let mut attributes = asks_for(text, sub);
            attributes["name"] = json!(text);
            attributes["given_name"] = json!(text);
            attributes["email"] = json!(format!("{text}@example.com"));
            attributes["email_verified"] = json!("true");
            attributes["custom:number"] = json!("not a number");
            events.push(sign_up(sub, &attributes));
        }
    }
    for event in &events {
        succeed(&function, event).await;
    }
    table.assert_rows(i64::try_from(subs.len()).expect("a few")).await;
    for sub in &subs {
        assert!(table.address(sub).await.is_some(), "{sub} has a row");
    }
}

async fn a_warm_sign_up_is_one_round_trip(shape: Shape) {
    let table = OwnTable::new(shape).await;
    let (function, proxy) = table.fixture.function_behind_proxy().await;
    succeed(&function, &with_address(ADA, "ada@example.com", true)).await;
    for (sub, email) in [(GRACE, "ada@example.com"), (GRACE, "ada@example.com"), (ADA, "lovelace@example.com")] {
        let event = with_address(sub, email, true);
        let round_trips = undisturbed(async || {
            let before = (proxy.connections(), proxy.round_trips());
            try_succeed(&function, &event).await?;
            match proxy.connections() - before.0 {
                0 => Ok(proxy.round_trips() - before.1),
                opened => Err(format!("{opened} new connections")),
            }
        });
        assert_eq!(round_trips.await, 1, "{email} of {sub}");
    }
}

async fn the_role_and_the_owner_may_do_nothing_else(shape: Shape) {
    let table = OwnTable::new(shape).await;
    let client = table.client().await;
    let contract = db::contract::inspect(&client).await.expect("a contract");
    let mut tables = table.shape.tables.to_vec();
    tables.sort_unstable();
    assert_eq!(contract.writable_tables, tables);
    assert_eq!((contract.owner.as_str(), &contract.faults, &contract.warnings), ("cognito_writer", &vec![], &vec![]));

    let role =
        table.fixture.database.connect_as(&format!("function_{}", table.fixture.database.name), "function").await;
    let role = role.expect("the function's role logs in");
    let mut statements: Vec<String> = [
        "select * from cognito.known_users('{}')",
        "select cognito.forget_user('x')",
        "select cognito.read('{}')",
        "select * from cognito.known",
        "delete from cognito.known",
        "create table public.mine ()",
        "create table cognito.mine ()",
        "create temporary table mine ()",
        "create schema mine",
        "set role cognito_writer",
    ]
    .map(str::to_owned)
    .to_vec();
    for table in table.shape.tables {
        statements.extend([
            format!("select * from {table}"),
            format!("select count(*) from {table}"),
            format!("insert into {table} default values"),
            format!("delete from {table}"),
            format!("truncate {table}"),
        ]);
    }
    for statement in statements {
        let error = role.batch_execute(&statement).await.expect_err(&statement);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {error:?}");
    }

    // Not even its rights lead any further.
    client.batch_execute("set role cognito_writer").await.expect("the superuser may");
    for table in table.shape.tables {
        for statement in [
            format!("delete from {table}"),
            format!("truncate {table} cascade"),
            format!("select * from {table}"),
            format!("drop table {table} cascade"),
            "create table public.mine ()".to_owned(),
            "create table cognito.mine ()".to_owned(),
            "delete from cognito.known".to_owned(),
        ] {
            let error = client.batch_execute(&statement).await.expect_err(&statement);
            assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {error:?}");
        }
    }
}

async fn the_operator_finds_and_deletes_users(shape: Shape) {
    let table = OwnTable::new(shape).await;
    for (sub, email) in [(ADA, "ada@example.com"), (GRACE, "grace@example.com")] {
        assert_eq!(table.ensure(&report(sub, Some(email), true, 10)).await, "created");
    }
    let client = table.client().await;
    let known = "select sub, email, to_char(as_of at time zone 'UTC', 'HH24:MI:SS.US')
                 from cognito.known_users(array['nobody', $1, '', null])";
    let rows = client.query(known, &[&ADA]).await.expect("an answer");
    let rows: Vec<(String, String, String)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert_eq!(rows, [(ADA.to_owned(), "ada@example.com".to_owned(), "10:10:00.000001".to_owned())]);
    let all = client.query("select sub, email_verified from cognito.known_users(null) order by sub", &[]).await;
    let all: Vec<(String, Option<bool>)> = all.expect("an answer").iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut subs = [ADA, GRACE];
    subs.sort_unstable();
    assert_eq!(all.iter().map(|(sub, _)| sub.as_str()).collect::<Vec<_>>(), subs, "without an argument, all");
    assert!(all.iter().all(|(_, is_verified)| *is_verified != Some(false)), "{all:?}");
    for expected in [true, false] {
        let row = client.query_one("select cognito.forget_user($1)", &[&ADA]).await.expect("an answer");
        assert_eq!(row.get::<_, bool>(0), expected);
    }
    table.assert_rows(1).await;
    assert_eq!(table.address(GRACE).await, Some(Some("grace@example.com".to_owned())));
}

async fn a_forgotten_user_is_not_made_again_by_a_late_event(shape: Shape) {
    let table = OwnTable::new(shape).await;
    let function = table.fixture.function(&[]).await;
    let forget = async |sub: &str| {
        let client = table.client().await;
        client.query_one("select cognito.forget_user($1)", &[&sub]).await.expect("an answer").get::<_, bool>(0)
    };
    assert_eq!(outcome(&function, &with_address(ADA, "ada@example.com", true)).await.expect("a row"), "created");
    // The second time there is no row, and the event may still be on its way.
    for had_row in [true, false] {
        assert_eq!(forget(ADA).await, had_row);
        let mut late = report(ADA, Some("ada@example.com"), true, 10);
        late["as_of"] = json!("2020-01-01T00:00:00Z");
        assert_eq!(table.ensure(&late).await, "unchanged");
        table.assert_rows(0).await;
    }
    assert_eq!(table.ensure(&report(GRACE, Some("grace@example.com"), true, 10)).await, "created");
    let again = outcome(&function, &with_address(ADA, "ada@example.com", true)).await;
    assert_eq!(again.expect("a row"), "created", "a later event is heard");
    table.assert_rows(2).await;
}

async fn the_contract_is_short(shape: Shape) {
    let lines = shape.contract();
    assert!(lines.len() <= MOST_LINES, "{} has {} lines, expected at most {MOST_LINES}", shape.file, lines.len());
    let longest = lines.iter().max_by_key(|line| line.len()).expect("a line");
    assert!(longest.len() <= MOST_CHARACTERS, "{}: expected at most {MOST_CHARACTERS} in {longest}", shape.file);
}

#[test]
fn the_document_shows_a_contract_that_is_tested() {
    let document = include_str!("../../../../docs/own-table.md");
    let contract = shapes::members().contract().join("\n");
    assert!(document.contains(&contract), "docs/own-table.md should show:\n{contract}");
}

/// An account that the application has made itself, without Cognito, with these statements.
async fn assert_not_joined(shape: Shape, account: &str) {
    let table = OwnTable::new(shape).await;
    table.fixture.execute(account).await;
    let before = table.versions(None).await;
    let function = table.fixture.function(&[]).await;
    for is_verified in [false, true, true] {
        succeed(&function, &with_address(ADA, "ada@example.com", is_verified)).await;
    }
    table.assert_rows(2).await;
    assert!(table.versions(None).await.contains(&before[0]), "the account is as it was");
}

#[tokio::test]
async fn an_account_without_cognito_is_never_joined() {
    let devise = "insert into users (email, created_at, updated_at) values ('ada@example.com', now(), now())";
    assert_not_joined(shapes::devise(), devise).await;
    let django = "insert into auth_user (username, email, password, first_name, last_name, is_superuser, is_staff,
                      is_active, date_joined)
                  values ('ada', 'ada@example.com', 'x', '', '', true, true, true, now())";
    assert_not_joined(shapes::django(), django).await;
    let prisma = "insert into \"User\" (id, email, \"createdAt\", \"updatedAt\")
                  values ('cl9ebqhxk00003b600tymydho', 'ada@example.com', now(), now())";
    assert_not_joined(shapes::prisma(), prisma).await;
}

#[tokio::test]
async fn the_user_pool_decides_about_the_tenant() {
    let table = OwnTable::new(shapes::members()).await;
    table.fixture.execute("insert into tenants values (7, 'eu-central-1_aB3dE5gH7'), (8, 'eu-central-1_other')").await;
    let function = table.fixture.function(&[]).await;
    let mut attributes = asks_for("ada", ADA);
    attributes["custom:tenant"] = json!("8");
    succeed(&function, &sign_up(ADA, &attributes)).await;
    let unknown = sign_up(GRACE, &asks_for("ada", GRACE)).replace("eu-central-1_aB3dE5gH7", "eu-central-1_unknown");
    succeed(&function, &unknown).await;
    let members = "select string_agg(concat(tenant_id, ' ', handle), ', ' order by id) from members";
    let row = table.client().await.query_one(members, &[]).await.expect("the members");
    assert_eq!(row.get::<_, &str>(0), "7 ada, 0 ada");
}

#[tokio::test]
async fn the_key_of_a_profile_is_sub() {
    let table = OwnTable::new(shapes::profiles()).await;
    let function = table.fixture.function(&[]).await;
    for sub in [ADA, "no UUID"] {
        succeed(&function, &sign_up(sub, &asks_for("ada", sub))).await;
    }
    let profiles = "select id::text from profiles order by id::text = cognito_sub desc";
    let rows = table.client().await.query(profiles, &[]).await.expect("the profiles");
    assert_eq!((rows.len(), rows[0].get::<_, &str>(0)), (2, ADA));
    assert_ne!(rows[1].get::<_, &str>(0), "no UUID");
}

#[tokio::test]
async fn a_profile_with_the_users_key_is_linked() {
    let table = OwnTable::new(shapes::profiles()).await;
    let profiles = format!("insert into profiles (id, username) values ('{ADA}', 'countess'), ('{GRACE}', 'ada')");
    table.fixture.execute(&profiles).await;
    let function = table.fixture.function(&[]).await;
    succeed(&function, &with_address(ADA, "ada@example.com", true)).await;
    succeed(&function, &sign_up(GRACE, &asks_for("ada", GRACE))).await;
    table.assert_rows(2).await;
    let versions = table.versions(None).await;
    for sub in [ADA, GRACE] {
        succeed(&function, &sign_up(sub, &asks_for("ada", sub))).await;
    }
    assert_eq!(table.versions(None).await, versions, "a second delivery writes nothing");
    assert_eq!(table.address(ADA).await, Some(Some("ada@example.com".to_owned())));
    assert_eq!(table.address(GRACE).await, Some(None));
    assert_eq!(table.handles().await, Some(vec!["ada".to_owned(), "countess".to_owned()]), "the handles stay");
}

#[tokio::test]
async fn a_profile_that_belongs_to_another_user_is_not_linked() {
    let table = OwnTable::new(shapes::profiles()).await;
    table.fixture.execute(&format!("insert into profiles (id, cognito_sub) values ('{ADA}', 'other')")).await;
    let before = table.versions(None).await;
    let error = table.try_ensure(&report(ADA, None, false, 10)).await.expect_err("the key is another user's");
    assert_eq!(error.as_db_error().and_then(|error| error.constraint()), Some("profiles_pkey"), "{error:?}");
    assert_eq!(table.versions(None).await, before);
}

#[tokio::test]
async fn a_user_with_a_profile_is_linked_to_no_second_one() {
    let table = OwnTable::new(shapes::profiles()).await;
    let profiles = format!(
        "insert into profiles (id, cognito_sub, cognito_as_of) values (gen_random_uuid(), '{ADA}', '2026-01-01');
         insert into profiles (id) values ('{ADA}')"
    );
    table.fixture.execute(&profiles).await;
    let before = table.versions(None).await;
    assert_eq!(table.ensure(&report(ADA, None, false, 10)).await, "unchanged");
    assert_eq!(table.versions(None).await, before);
}

#[tokio::test]
async fn a_profile_may_have_no_handle_left() {
    let table = OwnTable::new(shapes::profiles()).await;
    let taken = format!(
        "insert into profiles (id, username) select gen_random_uuid(), * from unnest(array['ada', 'ada-{ADA}'])"
    );
    table.fixture.execute(&taken).await;
    assert_eq!(table.ensure(&report(ADA, None, false, 10)).await, "created");
    table.assert_rows(3).await;
}

#[tokio::test]
async fn a_membership_that_is_refused_leaves_no_user_and_the_next_try_writes_both() {
    let table = OwnTable::new(shapes::memberships()).await;
    let function = table.fixture.function(&[]).await;
    let event = with_address(ADA, "ada@example.com", true);
    table.fixture.execute("delete from organizations").await;
    fail(&function, &event, "DatabaseRefused").await;
    table.assert_rows(0).await;
    table.fixture.execute("insert into organizations values (0, null), (7, 'eu-central-1_aB3dE5gH7')").await;
    for _ in 0..2 {
        succeed(&function, &event).await;
        table.assert_rows(1).await;
    }
    let organization = "select organization_id from memberships";
    let row = table.client().await.query_one(organization, &[]).await.expect("one membership");
    assert_eq!(row.get::<_, i64>(0), 7);
}

#[tokio::test]
async fn a_trigger_needs_the_rights_of_its_own_owner_to_write_elsewhere() {
    let table = OwnTable::new(shapes::members()).await;
    let function = table.fixture.function(&[]).await;
    table
        .fixture
        .execute(
            "create table audit (sub text); create function audit() returns trigger language plpgsql as $$
                 begin insert into public.audit values (new.cognito_sub); return new; end $$;
             create trigger audit before insert on members for each row execute function audit()",
        )
        .await;
    let event = with_address(ADA, "ada@example.com", true);
    let line = fail(&function, &event, "NotAllowed").await;
    let remedy = "grant the owner of cognito.ensure_user what the error names";
    assert!(line["remedy"].as_str().is_some_and(|found| found.contains(remedy)), "expected {remedy:?} in {line}");
    table.assert_rows(0).await;
    table.fixture.execute("alter function audit() security definer set search_path = pg_catalog, pg_temp").await;
    succeed(&function, &event).await;
    table.assert_rows(1).await;
}

#[tokio::test]
async fn a_contract_that_meets_a_unique_key_is_called_again() {
    let table = OwnTable::new(shapes::members()).await;
    let function = table.fixture.function(&[]).await;
    // A sequence remembers calls that are rolled back.
    table
        .fixture
        .execute(
            "create sequence calls; grant usage on sequence calls to cognito_writer;
             create or replace function cognito.ensure_user(event jsonb) returns text language plpgsql
                 security definer set search_path = pg_catalog, pg_temp as $$
             begin
                 if nextval('public.calls') < 3 then raise unique_violation; end if;
                 return 'created';
             end $$",
        )
        .await;
    succeed(&function, &with_address(ADA, "ada@example.com", true)).await;
    let calls = table.client().await.query_one("select last_value from calls", &[]).await.expect("the sequence");
    assert_eq!(calls.get::<_, i64>(0), 3);
}
