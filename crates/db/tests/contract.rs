//! The contract `cognito.ensure_user(event jsonb)` on the tables of this project's migrations.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Postgres, TestDatabase};
use tokio_postgres::Client;

/// A database with the schema, and a session of its owner's.
struct Fixture {
    database: TestDatabase,
    client: Client,
}

impl Fixture {
    async fn new() -> Self {
        let load = async |database: &TestDatabase| {
            db::schema::load(&mut database.connect().await?).await?;
            Ok(())
        };
        let database = Postgres::shared().loaded_database(load).await.expect("a database");
        let client = database.connect().await.expect("the database is up");
        Self { database, client }
    }

    /// A database with the collation that this clause of `create database` chooses.
    async fn collated(clause: &str) -> Self {
        let mut database = Postgres::shared().database().await.expect("a database");
        let name = format!("{}_collated", database.name);
        let create = format!("create database {name} template template0 encoding 'UTF8' {clause}");
        database.connect().await.expect("the server is up").batch_execute(&create).await.expect(&create);
        database.name = name;
        let mut client = database.connect().await.expect("the database is up");
        db::schema::load(&mut client).await.expect("the migrations apply");
        Self { database, client }
    }

    async fn execute(&self, sql: &str) {
        self.client.batch_execute(sql).await.expect(sql);
    }

    async fn ensure(&self, event: &Value) -> String {
        let row = self.client.query_one("select cognito.ensure_user($1)", &[event]).await;
        row.unwrap_or_else(|error| panic!("{event}: {error:?}")).get(0)
    }

    /// The columns of the user's row that follow Cognito: address, whether it is verified, and since when.
    async fn row(&self, sub: &str) -> (Option<String>, bool, String) {
        let sql = "select email, email_verified, to_char(cognito_as_of at time zone 'UTC', 'HH24:MI:SS.US')
                   from public.users where cognito_user_id = $1";
        let row = self.client.query_one(sql, &[&sub]).await.expect("the user has one row");
        (row.get(0), row.get(1), row.get(2))
    }

    async fn handles(&self) -> Vec<String> {
        let rows = self.client.query("select handle from public.users order by created_at, handle", &[]).await;
        rows.expect("the handles").iter().map(|row| row.get(0)).collect()
    }

    async fn count(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.expect(sql).get(0)
    }
}

fn event(sub: &str, handle: &str) -> Value {
    json!({"contract": 1, "sub": sub, "display_name": "Ada", "handles": [handle, format!("{handle}-{sub}")]})
}

/// An event of `a` with this address at this minute.
fn address(email: &str, is_verified: bool, minute: u32) -> Value {
    let mut event = event("a", "ada");
    event["email"] = json!(email);
    event["email_verified"] = json!(is_verified);
    event["as_of"] = json!(format!("2026-11-25T10:{minute:02}:00.000001Z"));
    event
}

#[tokio::test]
async fn a_second_delivery_writes_nothing_and_locks_no_row() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.ensure(&event("a", "ada")).await, "created");
    fixture.execute("begin").await;
    assert_eq!(fixture.ensure(&event("a", "ada")).await, "unchanged");
    let writes = "select count(*) from (select pg_current_xact_id_if_assigned() as id) as own where id is not null";
    assert_eq!(fixture.count(writes).await, 0, "a write or a row lock needs a transaction id");
    fixture.execute("commit").await;
}

#[tokio::test]
async fn the_address_follows_the_newest_report() {
    let fixture = Fixture::new().await;
    for (email, minute, expected) in [
        ("first@x", 10, "created"),
        ("third@x", 30, "changed"),
        ("second@x", 20, "unchanged"),
        ("third@x", 40, "unchanged"),
    ] {
        assert_eq!(fixture.ensure(&address(email, false, minute)).await, expected, "{email}");
    }
    assert_eq!(fixture.row("a").await, (Some("third@x".to_owned()), false, "10:30:00.000001".to_owned()));
}

#[tokio::test]
async fn an_absent_address_erases_none() {
    let fixture = Fixture::new().await;
    fixture.ensure(&address("a@x", true, 10)).await;
    let mut without = address("", true, 20);
    without["email"] = Value::Null;
    assert_eq!(fixture.ensure(&without).await, "unchanged");
    assert_eq!(fixture.row("a").await.0.as_deref(), Some("a@x"));
}

#[tokio::test]
async fn only_a_verified_address_replaces_a_verified_one() {
    let fixture = Fixture::new().await;
    for (email, is_verified, minute, outcome, expected) in [
        ("a@x", false, 10, "created", ("a@x", false)),
        ("b@x", false, 11, "changed", ("b@x", false)),
        ("b@x", true, 12, "changed", ("b@x", true)),
        ("victim@x", false, 13, "unchanged", ("b@x", true)),
        ("b@x", false, 14, "unchanged", ("b@x", true)),
        ("c@x", true, 15, "changed", ("c@x", true)),
    ] {
        assert_eq!(fixture.ensure(&address(email, is_verified, minute)).await, outcome, "{email} at {minute}");
        let (email, is_verified, _) = fixture.row("a").await;
        assert_eq!((email.as_deref(), is_verified), (Some(expected.0), expected.1), "at {minute}");
    }
}

#[tokio::test]
async fn a_row_from_before_the_contract_takes_any_report() {
    let fixture = Fixture::new().await;
    fixture
        .execute(
            "insert into public.users (display_name, handle, email, cognito_user_id) values ('Ada', 'ada', 'a@x', 'a')",
        )
        .await;
    assert_eq!(fixture.ensure(&address("a@x", true, 10)).await, "changed");
    assert_eq!(fixture.row("a").await, (Some("a@x".to_owned()), true, "10:10:00.000001".to_owned()));
}

#[tokio::test]
async fn an_event_whose_answer_was_lost_gets_the_same_answer_again() {
    let fixture = Fixture::new().await;
    let now = "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    let mut sign_up = event("a", "ada");
    sign_up["as_of"] = json!(fixture.client.query_one(now, &[]).await.expect("the time").get::<_, String>(0));
    for _ in 0..2 {
        assert_eq!(fixture.ensure(&sign_up).await, "created");
    }
    fixture.execute("update public.users set created_at = created_at - interval '1 hour'").await;
    let mut change = sign_up.clone();
    change["email"] = json!("a@x");
    change["as_of"] = json!(fixture.client.query_one(now, &[]).await.expect("the time").get::<_, String>(0));
    for _ in 0..2 {
        assert_eq!(fixture.ensure(&change).await, "changed");
    }
    assert_eq!(fixture.ensure(&sign_up).await, "unchanged", "another event than the last one");
}

#[tokio::test]
async fn simultaneous_events_meet_no_unique_key() {
    const PEOPLE: usize = 20;
    let fixture = Fixture::new().await;
    let mut clients = Vec::new();
    for _ in 0..2 * PEOPLE {
        clients.push(fixture.database.connect().await.expect("the database is up"));
    }
    // Each person twice, and all of them with one handle. Two events of a person at the same microsecond would be one event,
    // whose answer was lost.
    let calls = clients.iter().enumerate().map(async |(number, client)| {
        let mut event = event(&format!("sub-{}", number / 2), "ada");
        event["as_of"] = json!(format!("2026-11-25T10:00:{number:02}.000001Z"));
        client.query_one("select cognito.ensure_user($1)", &[&event]).await.expect("no error").get::<_, String>(0)
    });
    let answers = futures::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| *answer == "created").count(), PEOPLE, "{answers:?}");
    let handles: BTreeSet<String> = fixture.handles().await.into_iter().collect();
    assert_eq!(handles.len(), PEOPLE, "each has a row and a handle: {handles:?}");
}

/// Handles that look the same to a reader.
const SAME: [(&str, &str); 10] = [
    ("\u{e9}mile", "E\u{301}MILE"),
    ("\u{3bd}\u{3b9}\u{3ba}\u{3bf}\u{3c2}", "\u{39d}\u{399}\u{39a}\u{39f}\u{3a3}"),
    ("\u{441}\u{43e}\u{444}\u{44c}\u{44f}", "\u{421}\u{41e}\u{424}\u{42c}\u{42f}"),
    ("stra\u{df}e", "STRASSE"),
    ("boss", "bo\u{200b}ss"),
    ("eve", "eve\u{200d}"),
    ("mallory", "\u{2066}mallory\u{2069}"),
    ("ada", "\u{ff21}\u{ff24}\u{ff21}"),
    ("ISTANBUL", "istanbul"),
    ("admin", "ADMIN"),
];

#[tokio::test]
async fn handles_are_compared_as_people_read_them_whatever_the_locale() {
    let server = Fixture::new().await;
    // RDS has ICU; a server without it compares in lower case alone.
    let icu = "select count(*) from pg_collation where collname = 'und-x-icu'";
    let version = "select current_setting('server_version_num')::int8";
    // A database may have a locale of ICU from version 15 on.
    let of_icu = "locale_provider icu icu_locale 'tr' lc_collate 'C' lc_ctype 'C'";
    let clauses: &[&str] = match (server.count(icu).await, server.count(version).await) {
        (0, _) => &[],
        (_, ..150_000) => &["lc_collate 'C' lc_ctype 'C'"],
        _ => &["lc_collate 'C' lc_ctype 'C'", of_icu],
    };
    for clause in clauses {
        let fixture = Fixture::collated(clause).await;
        for (number, (one, same)) in SAME.into_iter().enumerate() {
            fixture.execute("delete from public.users").await;
            fixture.ensure(&event("one", one)).await;
            fixture.ensure(&event("other", same)).await;
            let handles = fixture.handles().await;
            assert_eq!(handles, [one.to_owned(), format!("{same}-other")], "pair {number} with {clause}");
        }
        fixture.execute("delete from public.users").await;
        for (number, handle) in ["ada", "\u{430}da", "ad\u{e1}", "ada-1"].into_iter().enumerate() {
            fixture.ensure(&event(&number.to_string(), handle)).await;
        }
        assert_eq!(fixture.handles().await.len(), 4);
        assert!(
            fixture.handles().await.iter().all(|handle| !handle.ends_with("-3")),
            "different handles stay as they are"
        );
    }
}

#[tokio::test]
async fn no_handle_is_too_long_for_its_index() {
    let fixture = Fixture::new().await;
    // One character, and eighteen when it is taken apart; and four bytes each that do not repeat.
    let ligatures = "\u{fdfa}".repeat(128);
    let distinct: String = (0..3000).filter_map(|number| char::from_u32(0x2_0000 + number * 7)).collect();
    for handle in [ligatures, distinct] {
        assert_eq!(fixture.ensure(&event(&handle[..12], &handle)).await, "created");
    }
}

#[tokio::test]
async fn a_handle_that_two_users_had_before_is_no_licence_for_another_one() {
    let fixture = Fixture::new().await;
    for handle in ["carl", "boss"] {
        fixture.ensure(&event(handle, handle)).await;
    }
    fixture.execute("update public.users set shared_handle = handle where handle = 'boss'").await;
    fixture.execute("update public.users set handle = 'boss' where handle = 'boss'").await;
    let copy = "update public.users set handle = 'Carl' where handle = 'boss'";
    fixture.client.batch_execute(copy).await.expect_err("another user has this handle");
}

#[tokio::test]
async fn a_unique_key_of_the_application_is_named() {
    let fixture = Fixture::new().await;
    fixture.execute("create unique index users_email_unique on public.users (lower(email))").await;
    let mut other = address("A@x", true, 10);
    other["sub"] = json!("b");
    fixture.ensure(&address("a@x", true, 10)).await;
    let error = fixture.client.query_one("select cognito.ensure_user($1)", &[&other]).await.expect_err("it is taken");
    assert_eq!(error.as_db_error().and_then(|error| error.constraint()), Some("users_email_unique"));
}

#[tokio::test]
async fn where_functions_are_nobodys_by_default_sign_ups_succeed_all_the_same() {
    let database = Postgres::shared().database().await.expect("a database");
    let mut client = database.connect().await.expect("the database is up");
    let hardening = "alter default privileges revoke execute on functions from public;
                     create role somebody; alter default privileges grant execute on functions to somebody;
                     alter default privileges grant all on tables to somebody";
    client.batch_execute(&hardening.replace("somebody", &format!("anon_{}", database.name))).await.expect("it applies");
    db::schema::load(&mut client).await.expect("the migrations apply");
    let fixture = Fixture { database, client };
    assert_eq!(fixture.ensure(&event("a", "ada")).await, "created");
    let others = "select count(*) from pg_proc, aclexplode(proacl)
                  where pronamespace = 'cognito'::regnamespace and proname <> 'handle_key'
                    and grantee not in (proowner, 'owner'::regrole)";
    assert_eq!(fixture.count(others).await, 0, "nobody else may call the contract");
    let others = "select count(*) from pg_class, aclexplode(relacl)
                  where oid = 'cognito.forgotten'::regclass
                    and grantee not in (relowner, 'owner'::regrole, 'cognito_writer'::regrole)";
    assert_eq!(fixture.count(others).await, 0, "nobody else sees or leaves tombstones");
}

#[tokio::test]
async fn a_search_path_in_quotes_is_one_schema_that_does_not_exist() {
    let fixture = Fixture::new().await;
    fixture.execute("alter function cognito.ensure_user(jsonb) set search_path = 'pg_catalog, pg_temp'").await;
    let contract = db::contract::inspect(&fixture.client).await.expect("a contract");
    assert!(contract.faults.concat().contains("does not end with `pg_temp`"), "{contract:?}");
}

#[tokio::test]
async fn nobody_who_creates_objects_gets_the_owners_rights_or_the_sign_ups() {
    let fixture = Fixture::new().await;
    let role = format!("\"application_{}\"", fixture.database.name);
    let call = |name: &str, arguments: &str, result: &str, value: &str| {
        format!(
            "create function public.{name}({arguments}) returns {result} language plpgsql as
             $$ begin insert into public.caught values ('{name}', current_user); return {value}; end $$;"
        )
    };
    let traps = [
        call("lower", "text", "text", "$1"),
        call("upper", "text", "text", "$1"),
        call("normalize", "text, text", "text", "$1"),
        call("regexp_replace", "text, text, text, text", "text", "$1"),
        call("jsonb_array_length", "jsonb", "int", "1"),
        call("clock_timestamp", "", "timestamptz", "now()"),
        call("gen_random_uuid", "", "uuid", "null::uuid"),
        call("jsonb_object_field_text", "jsonb, text", "text", "'x'"),
        call("ensure_user", "jsonb", "text", "'created'"),
    ]
    .concat();
    // What an application's own role may do in its database.
    fixture
        .execute(&format!(
            "create role {role}; grant create, usage on schema public to {role};
             grant create, temporary on database {0} to {role};
             create table public.caught (what text, by text); grant insert on public.caught to public;
             set role {role}; {traps}
             create operator public.->> (leftarg = jsonb, rightarg = text, function = public.jsonb_object_field_text);
             create schema {role} create table users (handle text);
             create function {role}.ensure_user(jsonb) returns text language sql as 'select ''created''';
             create temporary table users (handle text);
             set search_path = pg_temp, {role}, public, pg_catalog",
            fixture.database.name
        ))
        .await;
    fixture.execute("reset role").await;
    assert_eq!(fixture.ensure(&event("a", "Ada")).await, "created");
    assert_eq!(fixture.ensure(&event("b", "ada")).await, "created");
    assert_eq!(fixture.ensure(&event("b", "ada")).await, "unchanged");
    assert_eq!(fixture.count("select pg_catalog.count(*) from public.users").await, 2);
    assert_eq!(fixture.count("select pg_catalog.count(*) from public.caught").await, 0, "nothing was called");
}

#[tokio::test]
async fn the_owner_of_the_contract_cannot_log_in_and_writes_nothing_else() {
    let fixture = Fixture::new().await;
    let contract = db::contract::inspect(&fixture.client).await.expect("a contract");
    assert_eq!((contract.owner.as_str(), contract.faults.len(), contract.warnings.len()), ("cognito_writer", 0, 0));
    assert_eq!(contract.writable_tables, ["public.users"]);
    // PostgreSQL does so by itself from version 15 on.
    fixture.execute("revoke create on schema public from public; set role cognito_writer").await;
    for statement in [
        "select * from public.users",
        "select handle from public.users",
        "update public.users set handle = 'x'",
        "update public.users set cognito_user_id = 'x'",
        "delete from public.users",
        "truncate public.users",
        "insert into public.users (uuid, display_name, handle, cognito_user_id) values (gen_random_uuid(), 'x', 'x', 'x')",
        "select * from public.activities",
        "select * from cognito.schema_history",
        "insert into cognito.forgotten (digest, at) values ('', now())",
        "update cognito.forgotten set at = now()",
        "delete from cognito.forgotten",
        "create table cognito.mine ()",
        "create table public.mine ()",
    ] {
        fixture.client.batch_execute(statement).await.expect_err(statement);
    }
}

#[tokio::test]
async fn with_row_level_security_a_sign_up_still_gets_its_row() {
    let fixture = Fixture::new().await;
    for table in ["public.users", "cognito.forgotten"] {
        fixture.execute(&format!("alter table {table} enable row level security, force row level security")).await;
    }
    assert_eq!(fixture.ensure(&address("a@x", false, 10)).await, "created");
    assert_eq!(fixture.ensure(&address("b@x", false, 11)).await, "changed");
}

#[tokio::test]
async fn a_function_of_the_release_before_still_writes_its_rows() {
    let fixture = Fixture::new().await;
    let sql = "select public.upsert_user('a', 'Ada', array['ada', 'ada-a'], $1)";
    for (email, expected) in [("a@x", Some(true)), ("b@x", Some(false)), ("b@x", None)] {
        let row = fixture.client.query_one(sql, &[&email]).await.expect("an answer");
        assert_eq!(row.get::<_, Option<bool>>(0), expected, "{email}");
    }
    assert_eq!(fixture.row("a").await.0.as_deref(), Some("b@x"));
}

#[tokio::test]
async fn known_users_are_listed_and_a_forgotten_one_is_gone() {
    let fixture = Fixture::new().await;
    fixture.ensure(&address("a@x", false, 10)).await;
    let known = "select sub || ' ' || email || ' ' || to_char(as_of at time zone 'UTC', 'HH24:MI') \
                 from cognito.known_users(array['a', 'missing'])";
    let rows = fixture.client.query(known, &[]).await.expect("the users");
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(), ["a a@x 10:10"]);
    fixture.ensure(&event("b", "b")).await;
    let all = fixture.client.query("select sub, email_verified from cognito.known_users(null) order by sub", &[]).await;
    let all: Vec<(String, bool)> = all.expect("the users").iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(all, [("a".to_owned(), false), ("b".to_owned(), false)], "without an argument, all");
    fixture.execute("select cognito.forget_user('b')").await;
    for expected in [true, false] {
        let row = fixture.client.query_one("select cognito.forget_user('a')", &[]).await.expect("an answer");
        assert_eq!(row.get::<_, bool>(0), expected);
    }
    assert_eq!(fixture.count("select count(*) from public.users").await, 0);
}

#[tokio::test]
async fn of_many_rows_each_is_a_transaction_of_its_own_and_a_trial_writes_none() {
    let fixture = Fixture::new().await;
    fixture.execute("alter table public.users add constraint no_grace check (handle <> 'grace')").await;
    let user = |sub: &str, name: &str| {
        let attributes = [("sub", sub), ("preferred_username", name)];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        cognito::UserEvent::of_pool_user("eu-central-1_aB3dE5gH7", sub, attributes, std::time::SystemTime::now())
    };
    let events = [("a", "ada"), ("b", "grace"), ("c", "edith")];
    let events: Vec<_> = events.map(|(sub, name)| user(sub, name).expect("a sub")).into();
    let words = |answers: Vec<Result<db::users::Ensured, db::Error>>| {
        let word = |answer: Result<db::users::Ensured, db::Error>| match answer {
            Ok(ensured) => format!("{ensured:?}"),
            Err(error) => error.sqlstate().unwrap_or_default().to_owned(),
        };
        answers.into_iter().map(word).collect::<Vec<_>>()
    };
    let tried = db::users::try_each(&fixture.client, &events).await.expect("the connection holds");
    assert_eq!(words(tried), ["Created", "23514", "Created"]);
    assert_eq!(fixture.count("select count(*) from public.users").await, 0);
    let ensured = db::users::ensure_each(&fixture.client, &events).await.expect("the connection holds");
    assert_eq!(words(ensured), ["Created", "23514", "Created"]);
    assert_eq!(fixture.count("select count(*) from public.users").await, 2);
}

#[tokio::test]
async fn a_load_as_a_role_leaves_nothing_of_the_role_in_the_connection() {
    let database = Postgres::shared().database().await.expect("a database");
    let mut client = database.connect().await.expect("the database is up");
    let (name, owner) = (&database.name, format!("Owner of {}", database.name));
    let statements = format!("create role \"{owner}\"; alter database {name} owner to \"{owner}\"");
    client.batch_execute(&statements).await.expect("a database of the role");
    db::schema::advance(&mut client, Some(&owner)).await.expect("the first migration applies");
    let state = "select (select tableowner::text from pg_tables where tablename = 'users'), current_user::text";
    let row = client.query_one(state, &[]).await.expect("an answer");
    assert_eq!((row.get::<_, String>(0), row.get::<_, &str>(1)), (owner, database.user()));
}

/// Tombstones: an event that is on its way while its user is forgotten.
mod forgotten {
    use super::*;

    /// An event of `a`, so many seconds before the user is forgotten.
    async fn earlier(fixture: &Fixture, seconds: i32) -> Value {
        let as_of = "select to_char(clock_timestamp() at time zone 'UTC' - make_interval(secs => $1),
                                    'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
        let as_of = fixture.client.query_one(as_of, &[&f64::from(seconds)]).await.expect("a time");
        let mut event = event("a", "ada");
        event["email"] = json!("a@x");
        event["as_of"] = json!(as_of.get::<_, String>(0));
        event
    }

    async fn forget(client: &Client, sub: &str) -> bool {
        client.query_one("select cognito.forget_user($1)", &[&sub]).await.expect("an answer").get(0)
    }

    impl Fixture {
        async fn rows(&self) -> i64 {
            self.count("select count(*) from public.users where cognito_user_id = 'a'").await
        }

        async fn tombstones(&self) -> i64 {
            self.count("select count(*) from cognito.forgotten").await
        }

        /// Returns when a session waits for another one.
        async fn wait_for_a_lock(&self) {
            let waiting = "select count(*) from pg_stat_activity
                           where datname = current_database() and wait_event_type = 'Lock'";
            let wait = async {
                while self.count(waiting).await == 0 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_mins(1), wait).await.expect("a session waits");
        }
    }

    /// The answer, or the SQLSTATE.
    async fn answer(client: &Client, event: &Value) -> String {
        match client.query_one("select cognito.ensure_user($1)", &[event]).await {
            Ok(row) => row.get(0),
            Err(error) => error.code().expect("the server's answer").code().to_owned(),
        }
    }

    #[tokio::test]
    async fn an_earlier_event_makes_no_row_of_a_forgotten_user_and_a_later_one_does() {
        let fixture = Fixture::new().await;
        let sign_up = earlier(&fixture, 60).await;
        assert_eq!(fixture.ensure(&sign_up).await, "created");
        assert!(forget(&fixture.client, "a").await);
        // The handle is another user's by now.
        fixture.ensure(&event("b", "ada")).await;
        for late in [sign_up, earlier(&fixture, 3600).await] {
            assert_eq!(fixture.ensure(&late).await, "unchanged");
            assert_eq!(fixture.rows().await, 0);
        }
        assert_eq!(fixture.ensure(&earlier(&fixture, 0).await).await, "created");
        assert_eq!(fixture.rows().await, 1);
    }

    #[tokio::test]
    async fn an_event_of_the_same_microsecond_is_late_and_one_without_a_time_is_not() {
        let fixture = Fixture::new().await;
        let late = earlier(&fixture, 0).await;
        forget(&fixture.client, "a").await;
        let same = format!("update cognito.forgotten set at = '{}'", late["as_of"].as_str().expect("a time"));
        fixture.execute(&same).await;
        assert_eq!(fixture.ensure(&late).await, "unchanged");
        assert_eq!(fixture.ensure(&event("a", "ada")).await, "created");
    }

    #[tokio::test]
    async fn a_user_without_a_row_is_forgotten_as_well() {
        let fixture = Fixture::new().await;
        let under_way = earlier(&fixture, 0).await;
        assert!(!forget(&fixture.client, "a").await, "there is no row");
        assert_eq!(fixture.ensure(&under_way).await, "unchanged");
        assert_eq!(fixture.rows().await, 0);
        assert_eq!(fixture.ensure(&event("b", "bob")).await, "created", "others are not concerned");
        let nobody = fixture.client.query_one("select cognito.forget_user(null)", &[]).await.expect("an answer");
        assert!(!nobody.get::<_, bool>(0));
        assert_eq!(fixture.tombstones().await, 1);
    }

    #[tokio::test]
    async fn an_earlier_event_changes_no_row_that_was_made_since() {
        let fixture = Fixture::new().await;
        let late = earlier(&fixture, 0).await;
        forget(&fixture.client, "a").await;
        fixture
            .execute("insert into public.users (display_name, handle, cognito_user_id) values ('Ada', 'ada', 'a')")
            .await;
        assert_eq!(fixture.ensure(&late).await, "unchanged");
        assert_eq!(fixture.count("select count(*) from public.users where email is null").await, 1);
        assert_eq!(fixture.ensure(&earlier(&fixture, 0).await).await, "changed");
    }

    #[tokio::test]
    async fn a_tombstone_names_nobody_and_its_latest_time_holds() {
        let fixture = Fixture::new().await;
        forget(&fixture.client, "a").await;
        let columns = "select string_agg(attname, ' ' order by attnum) from pg_attribute
                       where attrelid = 'cognito.forgotten'::regclass and attnum > 0 and not attisdropped";
        let columns: String = fixture.client.query_one(columns, &[]).await.expect("the columns").get(0);
        assert_eq!(columns, "digest at");
        assert_eq!(fixture.count("select count(*) from cognito.forgotten where digest = sha256('a')").await, 1);
        fixture.execute("update cognito.forgotten set at = at - interval '1 hour'").await;
        forget(&fixture.client, "a").await;
        let recent = "select count(*) from cognito.forgotten where at > now() - interval '30 minutes'";
        assert_eq!(fixture.count(recent).await, 1, "the second time is later");
        // As a server's clock that goes back leaves it.
        fixture.execute("update cognito.forgotten set at = now() + interval '1 hour'").await;
        forget(&fixture.client, "a").await;
        assert_eq!(fixture.count("select count(*) from cognito.forgotten where at > now()").await, 1);
    }

    #[tokio::test]
    async fn tombstones_are_kept_for_60_days() {
        let fixture = Fixture::new().await;
        fixture
            .execute(
                "insert into cognito.forgotten
                 select sha256(days::text::bytea), now() - make_interval(days => days, hours => -12) from generate_series(1, 300) as days",
            )
            .await;
        // One that another session has locked is left for the next time, and not waited for.
        let other = fixture.database.connect().await.expect("the database is up");
        other
            .batch_execute("begin; select from cognito.forgotten where digest = sha256('300') for update")
            .await
            .expect("a lock");
        for left in [300 + 1 - 100, 300 + 2 - 200, 60 + 3 + 1] {
            forget(&fixture.client, &format!("forgotten-{left}")).await;
            assert_eq!(fixture.tombstones().await, left, "each call removes a hundred at most");
        }
        other.batch_execute("rollback").await.expect("the lock's end");
        forget(&fixture.client, "a").await;
        let old = "select count(*) from cognito.forgotten where at < now() - interval '60 days'";
        assert_eq!(fixture.count(old).await, 0);
        assert_eq!(fixture.tombstones().await, 60 + 4, "younger ones are kept");
    }

    #[tokio::test]
    async fn an_event_that_meets_an_uncommitted_end_comes_again() {
        let fixture = Fixture::new().await;
        let other = fixture.database.connect().await.expect("the database is up");
        for (end, expected) in [("rollback", "created"), ("commit", "unchanged")] {
            fixture.execute("delete from public.users").await;
            let sign_up = earlier(&fixture, 0).await;
            other.batch_execute("begin").await.expect("a transaction");
            forget(&other, "a").await;
            assert_eq!(answer(&fixture.client, &sign_up).await, "40001");
            assert_eq!(fixture.ensure(&event("b", "bob")).await, "created", "others are not concerned");
            other.batch_execute(end).await.expect(end);
            assert_eq!(fixture.ensure(&sign_up).await, expected, "after {end}");
        }
    }

    #[tokio::test]
    async fn a_user_whose_row_is_being_made_is_forgotten_when_it_is_there() {
        let fixture = Fixture::new().await;
        let other = fixture.database.connect().await.expect("the database is up");
        let sign_up = earlier(&fixture, 0).await;
        other.batch_execute("begin").await.expect("a transaction");
        assert_eq!(answer(&other, &sign_up).await, "created");
        let third = fixture.database.connect().await.expect("the database is up");
        let (is_forgotten, ()) = tokio::join!(forget(&third, "a"), async {
            fixture.wait_for_a_lock().await;
            other.batch_execute("commit").await.expect("the row is there");
        });
        assert!(is_forgotten, "it waited for the row");
        assert_eq!(fixture.rows().await, 0);
    }

    #[tokio::test]
    async fn a_transaction_that_has_the_row_forgets_without_a_deadlock() {
        let fixture = Fixture::new().await;
        let [application, function] = [fixture.database.connect().await, fixture.database.connect().await];
        let (application, function) = (application.expect("the database is up"), function.expect("the database is up"));
        for touch in ["delete from public.users where cognito_user_id = 'a'", "update public.users set handle = 'gone'"]
        {
            let sign_up = earlier(&fixture, 0).await;
            fixture.ensure(&earlier(&fixture, 0).await).await;
            let mut changed = sign_up.clone();
            changed["email"] = json!("b@x");
            changed["as_of"] = earlier(&fixture, 0).await["as_of"].clone();
            application.batch_execute(&format!("begin; {touch}")).await.expect(touch);
            let (answered, is_forgotten) = tokio::join!(answer(&function, &changed), async {
                fixture.wait_for_a_lock().await;
                let is_forgotten = forget(&application, "a").await;
                application.batch_execute("commit").await.expect("no deadlock");
                is_forgotten
            });
            assert_eq!((answered.as_str(), is_forgotten), ("40001", touch.starts_with("update")), "{touch}");
            assert_eq!(fixture.ensure(&changed).await, "unchanged");
            assert_eq!(fixture.rows().await, 0, "{touch}");
        }
    }

    #[tokio::test]
    async fn at_once_an_event_and_the_end_of_its_user_leave_no_row() {
        let fixture = Fixture::new().await;
        let mut clients = Vec::new();
        for _ in 0..6 {
            clients.push(fixture.database.connect().await.expect("the database is up"));
        }
        let mut answers = BTreeSet::new();
        for round in 0..300 {
            let mut sign_up = earlier(&fixture, 0).await;
            sign_up["handles"] = json!([format!("ada-{round}")]);
            // Two deliveries and two who forget, and before some rounds there is a row.
            if round % 3 == 0 {
                fixture.ensure(&sign_up).await;
            }
            let all = tokio::join!(
                forget(&clients[0], "a"),
                answer(&clients[1], &sign_up),
                answer(&clients[2], &sign_up),
                forget(&clients[3], "a"),
            );
            answers.extend([all.1, all.2]);
            assert_eq!(fixture.rows().await, 0, "round {round}");
            assert_eq!(answer(&clients[4], &sign_up).await, "unchanged", "round {round}");
        }
        let known = ["40001", "created", "unchanged"].map(str::to_owned);
        assert!(answers.iter().all(|answer| known.contains(answer)), "{answers:?}");
    }
}
