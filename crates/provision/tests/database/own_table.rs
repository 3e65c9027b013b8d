//! `provision db grant` and `provision db load` on a database whose contract is the application's own.

use insta::assert_snapshot;
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;

use crate::fixture::{Fixture, assert_refused, stdout};
use crate::grant::{CONNECTION_CHECK, Granting};

/// The parts of `docs/own-table`, in their order.
const OWNER: &str = include_str!("../../../../docs/own-table/owner.sql");
const MEMBERS: &str = include_str!("../../../../docs/own-table/members.sql");
const HAND_OVER: &str = include_str!("../../../../docs/own-table/hand-over.sql");

/// A database with members, and none of this project's tables.
async fn members() -> Granting {
    let fixture = Fixture::new().await;
    fixture.execute(&[OWNER, MEMBERS, HAND_OVER].join("\n")).await;
    Granting::on(fixture).await
}

/// The contract's function again, with these words after its language.
fn replaced(words: &str) -> String {
    let (_, function) = MEMBERS.split_once("create function ").expect("the function");
    format!(
        "create or replace function {}",
        function.replacen("language plpgsql", &format!("language plpgsql {words}"), 1)
    )
}

/// The warnings that a grant would show.
#[track_caller]
fn warnings(granting: &Granting) -> Vec<String> {
    let output = granting.fixture.checked(&mut granting.command(&["--check", "--output", "json"]));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("JSON: {output:?}"));
    serde_json::from_value(shown["contract"]["warnings"].clone()).expect("texts")
}

/// Fails unless a grant, and the check for one, refuse with this fault and change nothing.
#[track_caller]
fn assert_faulty(granting: &Granting, expected: &str) -> impl Future<Output = ()> {
    for more in [&["--check"][..], &["--yes"], &["--check", "--iam"]] {
        let output = granting.fixture.checked(&mut granting.command(more));
        assert_refused(&output, &format!("cognito.ensure_user has faults: {expected}"));
        assert_refused(&output, "hint: correct it as docs/own-table.md shows");
    }
    let roles = format!("select count(*) from pg_roles where rolname = '{}'", granting.role);
    async move { assert_eq!(granting.fixture.count(&roles).await, 0, "no role is created") }
}

#[tokio::test]
async fn a_grant_on_an_own_table_reads_well() {
    let granting = members().await;
    let run = |more: &[&str]| stdout(granting.fixture.checked(&mut granting.command(more)));
    let filters = vec![(granting.role.as_str(), "ROLE"), ("ROLE-[A-Za-z0-9]{6}", "ROLE-ID"), (CONNECTION_CHECK, "")];
    insta::with_settings!({filters => filters}, {
        assert_snapshot!("own-table", run(&[]));
        assert_snapshot!("own-table-again", run(&[]));
    });
}

#[tokio::test]
async fn the_role_calls_the_function_and_has_no_other_privilege() {
    let granting = members().await;
    granting.grant(&[]);
    let client =
        granting.client(&granting.secret("AWSCURRENT").await.expect("a secret")).await.expect("it is accepted");
    let event = json!({"sub": "a", "display_name": "Ada", "handles": ["ada"], "email_verified": false, "as_of": "2026-11-25T10:00:00Z"});
    for expected in ["created", "unchanged"] {
        let row = client.query_one("select cognito.ensure_user($1)", &[&event]).await.expect("this it may");
        assert_eq!(row.get::<_, &str>(0), expected);
    }
    for statement in ["select from members", "select cognito.forget_user('a')", "table tenants", "table cognito.known"]
    {
        let error = client.batch_execute(statement).await.expect_err(statement);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {error:?}");
    }
}

#[tokio::test]
async fn a_function_that_could_be_misled_gets_no_role() {
    let granting = members().await;
    let fixture = &granting.fixture;
    fixture
        .execute(
            "create schema app; create schema open; create role another_application_than_ours login;
             grant create on schema open to another_application_than_ours; create schema everyones;
             grant create on schema everyones to public; create schema \"Own, quoted\"",
        )
        .await;
    for (settings, expected) in [
        ("security invoker", "it is not `security definer`"),
        ("reset search_path", "it sets no `search_path`: its caller decides what its names mean"),
        ("reset all", "it sets no `search_path`"),
        ("set search_path = open, pg_temp", "its `search_path` names the schema open, in which other roles may create"),
        ("set search_path = app, everyones, pg_temp", "its `search_path` names the schema everyones, in which other"),
        ("set search_path = pg_catalog", "its `search_path` does not end with `pg_temp`"),
        ("set search_path = app", "its `search_path` does not end with `pg_temp`"),
        ("set search_path = pg_temp, pg_catalog", "its `search_path` does not end with `pg_temp`"),
        ("set search_path = pg_temp, pg_catalog, pg_temp", "its `search_path` does not end with `pg_temp`"),
        (
            "set search_path = pg_catalog, missing, pg_temp",
            "its `search_path` names the schema missing, which does not",
        ),
        (
            "set search_path = pg_catalog, \"$user\", pg_temp",
            "its `search_path` names the schema $user, which does not",
        ),
        ("stable", "it is not `volatile`, so that it may not write"),
        ("immutable", "it is not `volatile`, so that it may not write"),
    ] {
        fixture.execute(&format!("alter function cognito.ensure_user(jsonb) {settings}")).await;
        assert_faulty(&granting, expected).await;
        fixture.execute("alter function cognito.ensure_user(jsonb) security invoker volatile").await;
        fixture.execute(HAND_OVER).await;
    }
    // One schema that everyone may create in, as `public` is before PostgreSQL 15.
    fixture.execute("grant create on schema public to public").await;
    fixture.execute("alter function cognito.ensure_user(jsonb) set search_path = pg_catalog, public, pg_temp").await;
    assert_faulty(&granting, "its `search_path` names the schema public, in which other roles may create objects")
        .await;
    fixture.execute("revoke create on schema public from public").await;
    assert_eq!(warnings(&granting), [] as [&str; 0], "now nobody else may create in it");

    for safe in ["pg_catalog, pg_temp", "app, pg_temp", "''", "pg_catalog, app, pg_temp"] {
        fixture.execute(&format!("alter function cognito.ensure_user(jsonb) set search_path = {safe}")).await;
        assert_eq!(warnings(&granting), [] as [&str; 0], "{safe}");
    }
}

#[tokio::test]
async fn a_replacement_that_forgets_the_settings_is_found_and_another_hand_over_corrects_it() {
    let granting = members().await;
    granting.grant(&[]);
    let check = || granting.fixture.checked(&mut granting.command(&["--check"]));
    for (words, is_faulty) in [
        ("", true),
        ("security definer", true),
        ("set search_path = pg_catalog, pg_temp", true),
        ("security definer set search_path = pg_catalog, pg_temp", false),
    ] {
        granting.fixture.execute(&replaced(words)).await;
        let output = check();
        assert_eq!(output.status.code(), Some(i32::from(is_faulty)), "with {words:?}: {output:?}");
        if is_faulty {
            assert_refused(&output, "after each `create or replace`, the settings are missing");
            granting.fixture.execute(HAND_OVER).await;
            assert_eq!(check().status.code(), Some(0), "the hand-over corrects it");
        }
    }
}

#[tokio::test]
async fn a_function_that_cannot_answer_gets_no_role() {
    let granting = members().await;
    let fixture = &granting.fixture;
    for (returns, expected) in [
        ("boolean", "it returns boolean, not text"),
        ("void", "it returns void, not text"),
        ("jsonb", "it returns jsonb, not text"),
        ("setof text", "it returns setof text, not text"),
        ("table (outcome text)", "it returns setof text, not text"),
        ("text[]", "it returns text[], not text"),
    ] {
        let create = format!(
            "drop routine cognito.ensure_user(jsonb);
             create function cognito.ensure_user(event jsonb) returns {returns} language plpgsql as 'begin end'"
        );
        fixture.execute(&create).await;
        fixture.execute(HAND_OVER).await;
        assert_faulty(&granting, expected).await;
    }
    let procedure = "drop routine cognito.ensure_user(jsonb);
                     create procedure cognito.ensure_user(event jsonb) language plpgsql security definer
                         set search_path = pg_catalog, pg_temp as 'begin end'";
    fixture.execute(procedure).await;
    assert_faulty(&granting, "it returns void, not text").await;
    let varchar = "drop routine cognito.ensure_user(jsonb);
                   create function cognito.ensure_user(event jsonb) returns varchar(9) language sql as 'select ''created'''";
    fixture.execute(varchar).await;
    fixture.execute(HAND_OVER).await;
    assert_eq!(warnings(&granting), [] as [&str; 0], "a varchar is a text");
}

#[tokio::test]
async fn without_the_function_the_hint_names_both_ways() {
    let granting = members().await;
    granting.fixture.execute("drop function cognito.ensure_user(jsonb)").await;
    // Another signature is another function.
    for other in ["", "json", "text", "jsonb, text"] {
        if !other.is_empty() {
            let create =
                format!("create function cognito.ensure_user({other}) returns text language sql as 'select null'");
            granting.fixture.execute(&create).await;
        }
        let output = granting.fixture.checked(&mut granting.command(&[]));
        assert_refused(&output, "the database has no cognito.ensure_user");
        assert_refused(&output, "write the function for tables of your own (docs/own-table.md)");
    }
}

#[tokio::test]
async fn an_overload_that_the_same_call_could_mean_is_a_fault() {
    let granting = members().await;
    let overload = "create function cognito.ensure_user(event jsonb, more text default null) returns text
                        language sql as 'select null'";
    granting.fixture.execute(overload).await;
    assert_faulty(&granting, "a call of it could as well mean cognito.ensure_user(jsonb,text)").await;
    granting.fixture.execute("drop function cognito.ensure_user(jsonb, text)").await;
    let other = format!("create role other_than_{0}; grant create on schema cognito to other_than_{0}", granting.role);
    granting.fixture.execute(&other).await;
    assert_eq!(warnings(&granting), ["other roles may create functions in the schema cognito"]);
}

#[tokio::test]
async fn overloads_are_other_functions() {
    let granting = members().await;
    granting
        .fixture
        .execute(
            "create function cognito.ensure_user(event json) returns text language sql as 'select null';
             create function cognito.ensure_user(event text) returns text language sql as 'select null';
             create function cognito.ensure_user(event jsonb, more text) returns text language sql as 'select null';
             create function cognito.ensure_user(variadic events jsonb[]) returns text language sql as 'select null'",
        )
        .await;
    let granted = granting.grant(&["--yes"]);
    assert_eq!(granted["contract"]["warnings"], json!([]));
    let client =
        granting.client(&granting.secret("AWSCURRENT").await.expect("a secret")).await.expect("it is accepted");
    let event = json!({"sub": "a", "display_name": "Ada", "handles": ["ada"], "email_verified": false, "as_of": "2026-11-25T10:00:00Z"});
    let row = client.query_one("select cognito.ensure_user($1::jsonb)", &[&event]).await.expect("this it may");
    assert_eq!(row.get::<_, &str>(0), "created");
    assert_eq!(granting.grant(&[])["changes"], json!([]));
}

#[tokio::test]
async fn what_is_missing_for_the_operator_is_a_warning() {
    let granting = members().await;
    let fixture = &granting.fixture;
    fixture.execute("drop function cognito.known_users; drop function cognito.forget_user").await;
    assert_eq!(warnings(&granting), ["cognito.known_users(text[]) is missing", "cognito.forget_user(text) is missing"]);
    let differs = "cognito.known_users(text[]) does not return sub text, email text, as_of timestamptz and, if the table \
                   has it, email_verified boolean";
    fixture.execute("create type cognito.user as (sub text, email varchar(254), as_of timestamptz, more int)").await;
    for (returns, is_right) in [
        ("setof text", false),
        ("table (sub text, email text)", false),
        ("table (sub uuid, email text, as_of timestamptz)", false),
        ("table (sub text, email text, as_of timestamp)", false),
        ("table (id text, email text, as_of timestamptz)", false),
        ("table (sub text, email text, as_of timestamptz, email_verified text)", false),
        // As the contract was before it told whether an address is verified.
        ("table (sub text, email text, as_of timestamptz)", true),
        ("table (sub text, email text, as_of timestamptz, email_verified boolean)", true),
        ("table (as_of timestamptz, sub varchar, email text, more text)", true),
        ("setof cognito.user", true),
    ] {
        let create = format!(
            "drop function if exists cognito.known_users;
             create function cognito.known_users(subs text[]) returns {returns} language plpgsql as 'begin end';
             drop function if exists cognito.forget_user;
             create function cognito.forget_user(sub text) returns void language sql as ''"
        );
        fixture.execute(&create).await;
        let expected = if is_right { vec![] } else { vec![differs] };
        assert_eq!(warnings(&granting), expected, "{returns}");
    }
}

#[tokio::test]
async fn a_powerful_owner_is_a_warning() {
    let granting = members().await;
    let (fixture, database) = (&granting.fixture, &granting.fixture.database.name);
    let owner = format!("owner_of_{database}");
    fixture
        .execute(&format!(
            "create role {owner}; grant usage on schema cognito to {owner};
             grant create on schema cognito to {owner}; alter function cognito.ensure_user(jsonb) owner to {owner}"
        ))
        .await;
    let output = stdout(fixture.checked(&mut granting.command(&[])));
    let expected = format!("cognito.ensure_user runs as {owner}, who may write no table\n");
    assert!(output.contains(&expected), "expected {expected:?} in {output:?}");
    for (grant, revoke, expected) in [
        ("alter role OWNER superuser", "alter role OWNER nosuperuser", "is a superuser"),
        ("alter role OWNER createrole", "alter role OWNER nocreaterole", "may create roles"),
        ("alter role OWNER createdb", "alter role OWNER nocreatedb", "may create databases"),
        ("alter role OWNER replication", "alter role OWNER noreplication", "may replicate"),
        ("alter role OWNER bypassrls", "alter role OWNER nobypassrls", "bypasses row level security"),
        ("alter role OWNER login", "alter role OWNER nologin", "may log in"),
        (
            "grant create on database DATABASE to OWNER",
            "revoke create on database DATABASE from OWNER",
            "may create schemas",
        ),
        ("alter table members owner to OWNER", "alter table members owner to owner", "owns tables"),
    ] {
        let filled = |sql: &str| sql.replace("OWNER", &owner).replace("DATABASE", database);
        fixture.execute(&filled(grant)).await;
        let found = warnings(&granting);
        let expected = format!("its owner {owner} {expected}");
        assert!(found.contains(&expected), "expected {expected:?} in {found:?}");
        fixture.execute(&filled(revoke)).await;
        assert_eq!(warnings(&granting), [] as [&str; 0], "after {revoke}");
    }
    // Every role may call a function that runs with its owner's rights.
    fixture.execute("create function own() returns int language sql security definer as 'select 1'").await;
    assert_eq!(warnings(&granting), ["every role may call public.own(), which runs with its owner's rights"]);
}

#[tokio::test]
async fn execute_for_public_is_revoked_after_a_question() {
    let granting = members().await;
    granting
        .fixture
        .execute(&format!(
            "grant execute on function cognito.ensure_user to public;
         create role other_than_{} login",
            granting.role
        ))
        .await;
    let refused = granting.fixture.checked(&mut granting.command(&[]));
    for expected in ["revoke EXECUTE on cognito.ensure_user from PUBLIC", "hint: add --yes to confirm"] {
        assert_refused(&refused, expected);
    }
    granting.grant(&["--yes"]);
    let public = "select count(*) from pg_proc where oid = 'cognito.ensure_user(jsonb)'::regprocedure
                  and has_function_privilege('public', oid, 'execute')";
    assert_eq!(granting.fixture.count(public).await, 0);
    assert_eq!(granting.grant(&[])["changes"], json!([]));
}

#[tokio::test]
async fn a_load_refuses_a_contract_of_anothers_and_writes_nothing() {
    let objects = "select count(*) from (
                       select oid from pg_class where relnamespace in ('public'::regnamespace, 'cognito'::regnamespace)
                       union all select oid from pg_proc where pronamespace in ('public'::regnamespace, 'cognito'::regnamespace)
                   ) as objects";
    let granting = members().await;
    // The whole contract, and parts of one.
    for change in [
        "",
        "drop function cognito.known_users",
        "create function cognito.ensure_user(event text) returns text language sql as 'select null'",
        "drop function cognito.ensure_user(jsonb)",
    ] {
        granting.fixture.execute(change).await;
        let before = granting.fixture.count(objects).await;
        for arguments in [
            &["db", "load"][..],
            &["db", "load", "--check"],
            &["db", "load", "--dry-run"],
            &["db", "wait", "--timeout", "1s"],
        ] {
            granting
                .fixture
                .assert_refused(arguments, "the schema cognito has functions that no migration of this program");
            granting.fixture.assert_refused(arguments, "hint: load nothing here");
        }
        assert_eq!(granting.fixture.count(objects).await, before, "after {change:?}");
    }
}

#[tokio::test]
async fn a_login_that_is_no_superuser_hands_over_and_grants() {
    // Another database of the server, which has created the contract's owner.
    let _other = Fixture::loaded().await;
    let fixture = Fixture::new().await;
    let (database, operator) = (&fixture.database, format!("operator_of_{}", fixture.database.name));
    fixture
        .execute(&format!(
            "create role {operator} login createrole password 'hunter2'; alter database {} owner to {operator};
             grant create on schema public to {operator}; grant cognito_writer to {operator} with admin option;
             revoke temporary on database {} from public; revoke create on schema public from public",
            database.name, database.name
        ))
        .await;
    let client = fixture.database.connect_as(&operator, "hunter2").await.expect("it logs in");
    let statements = [OWNER, MEMBERS, HAND_OVER].join("\n");
    client.batch_execute(&statements).await.expect("it needs no superuser");
    client.batch_execute(&[&replaced(""), HAND_OVER].concat()).await.expect("nor does a replacement");
    let granting = Granting { role: format!("post_confirmation_{}", database.name), fixture };
    let url = format!(
        "postgres://{operator}:hunter2@localhost:{}/{}",
        granting.fixture.database.port, granting.fixture.database.name
    );
    let mut command = granting.command(&["--output", "json"]);
    let granted: Value =
        serde_json::from_str(&stdout(granting.fixture.checked(command.env("CONNECTION_URL", &url)))).expect("JSON");
    assert_eq!(
        granted["contract"],
        json!({"owner": "cognito_writer", "writable_tables": ["public.members"], "warnings": []})
    );
}
