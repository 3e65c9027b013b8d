//! What other roles may leave in a database for `provision db load` to find, and whose code never runs.

use db::schema::{Access, ensure_trusted};
use testkit::Postgres;

use crate::fixture::{BEFORE_CONTRACT, Fixture, assert_refused, stdout};
use crate::history::LOADS;
use crate::load::ALL;

/// A role without a privilege, which cannot log in.
async fn mallory(fixture: &Fixture) -> String {
    let mallory = format!("mallory_{}", fixture.database.name);
    // A schema of its own, as an application with a schema a role has.
    fixture.execute(&format!("create role {mallory}; create schema {mallory} authorization {mallory}")).await;
    mallory
}

/// Fails unless every command sees an empty database, and a load works.
#[track_caller]
fn assert_loads(fixture: &Fixture) {
    let check = fixture.run(&["db", "load", "--check"]);
    assert_eq!(check.status.code(), Some(3), "{check:?}");
    assert_eq!(String::from_utf8_lossy(&check.stdout), format!("pending: {ALL}\n"));
    assert_refused(&fixture.run(&["db", "wait", "--timeout", "0s"]), "V1__users");
    assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {ALL}\n"));
}

#[tokio::test]
async fn no_role_becomes_superuser_with_a_history_of_its_own() {
    // A column whose cast is its owner's, and a view.
    let cast = "create table PLACE.refinery_schema_history (version evil, name text, applied_on text, checksum text);
                insert into PLACE.refinery_schema_history values ('1', 'users', '', '11213926581318719385')";
    let view = "create view PLACE.refinery_schema_history as
                    select become() as version, 'users'::text as name, ''::text as applied_on, '17'::text as checksum";
    for (trap, place) in [(cast, "own"), (view, "own"), (cast, "public"), (view, "public")] {
        let fixture = Fixture::new().await;
        let mallory = mallory(&fixture).await;
        let traps = format!(
            "grant create on schema public to public; set role {mallory}; set search_path = {mallory};
             create type evil as enum ('1');
             create function become() returns text language plpgsql as
                 'begin execute ''alter role {mallory} superuser''; return 1; end';
             create function to_json(evil) returns json language plpgsql as 'begin return to_json(become()); end';
             create function to_text(evil) returns text language plpgsql as 'begin return become(); end';
             create cast (evil as json) with function to_json(evil);
             create cast (evil as text) with function to_text(evil);
             {trap}; grant usage on schema {mallory} to public;
             grant select on PLACE.refinery_schema_history to public"
        );
        let place = if place == "own" { &mallory } else { "public" };
        fixture.execute(&traps.replace("PLACE", place)).await;
        assert_loads(&fixture);
        let superusers = format!("select count(*) from pg_roles where rolname = '{mallory}' and rolsuper");
        assert_eq!(fixture.count(&superusers).await, 0, "{trap} in {place}");
    }
}

/// A server whose login `loader`, with the password hunter2, owns the database and is no superuser.
async fn loader() -> (Postgres, Fixture) {
    let (postgres, fixture) = Fixture::alone().await;
    let name = &fixture.database.name;
    let loader = format!(
        "create role loader login createrole password 'hunter2'; alter database {name} owner to loader;
         create role app login password 'hunter2'; grant create on schema public to public"
    );
    fixture.execute(&loader).await;
    (postgres, fixture)
}

fn load_as(fixture: &Fixture, login: &str, arguments: &[&str]) -> std::process::Output {
    let url = format!("postgres://{login}:hunter2@localhost:{}/{}", fixture.database.port, fixture.database.name);
    fixture.checked(&mut fixture.command_at(&url, arguments))
}

#[tokio::test]
async fn a_login_that_is_no_superuser_runs_no_policy_and_is_not_blocked() {
    let (_postgres, fixture) = loader().await;
    for table in ["trap.refinery_schema_history", "other.refinery_schema_history", "public.refinery_schema_history"] {
        let policy = format!(
            "create role mallory; create schema trap authorization mallory; create schema other authorization mallory;
             set role mallory;
             create table {table} (version int4, name text, applied_on text, checksum text);
             create function trap.run() returns boolean language plpgsql as 'begin raise exception ''it has run''; end';
             insert into {table} values (1, 'users', '', '11213926581318719385');
             alter table {table} enable row level security; create policy trap on {table} using (trap.run());
             grant usage on schema trap, other to public; grant select on {table} to public"
        );
        fixture.execute(&policy).await;
        let check = load_as(&fixture, "loader", &["db", "load", "--check"]);
        assert_eq!(check.status.code(), Some(3), "{table}: {check:?}");
        fixture.execute("drop schema trap, other cascade; drop owned by mallory; drop role mallory").await;
    }
}

#[tokio::test]
async fn only_trusted_owners_of_schema_and_history_are_accepted() {
    let (_postgres, fixture) = loader().await;
    let name = &fixture.database.name;
    assert_eq!(stdout(load_as(&fixture, "loader", &["db", "load"])), format!("applied {ALL}\n"));
    fixture
        .execute(&format!(
            "create role owners; grant owners to loader; create role strict noinherit login createrole password 'hunter2';
             grant owners to strict; create role admin superuser; alter database {name} owner to admin;
             alter schema cognito owner to admin; alter table cognito.schema_history owner to admin;
             grant usage on schema cognito to public; grant select on cognito.schema_history to public"
        ))
        .await;
    for (owner, login, is_trusted) in [
        ("admin", "loader", true),
        ("owners", "loader", true),
        ("loader", "loader", true),
        ("app", "loader", false),
        // It could take the rights of the group, and does not have them.
        ("owners", "strict", false),
        ("owners", "owner", false),
    ] {
        for (object, name) in [("schema cognito", "schema cognito"), ("table cognito.schema_history", "table cognito.")]
        {
            fixture.execute(&format!("alter {object} owner to {owner}")).await;
            let url = fixture.database.url();
            let output = if login == "owner" {
                fixture.checked(&mut fixture.command_at(&url, &["db", "load", "--check"]))
            } else {
                load_as(&fixture, login, &["db", "load", "--check"])
            };
            if is_trusted {
                assert_eq!(stdout(output), "the schema is up to date\n", "{object} of {owner}");
            } else {
                assert_refused(&output, &format!("error: the {name}"));
                assert_refused(
                    &output,
                    &format!(" belongs to {owner}, whose code would run with the rights of this login"),
                );
                assert_refused(
                    &output,
                    "hint: log in as that owner, or, if you trust it, have an administrator run `grant OWNER to LOGIN`",
                );
            }
            fixture.execute(&format!("alter {object} owner to admin")).await;
        }
    }
    // The owner of the database.
    fixture.execute(&format!("alter database {name} owner to app; alter schema cognito owner to app")).await;
    assert_eq!(stdout(load_as(&fixture, "loader", &["db", "load"])), "the schema is up to date\n");
}

#[tokio::test]
async fn a_role_that_grants_itself_is_not_trusted() {
    let (_postgres, fixture) = loader().await;
    // Up to PostgreSQL 15 each role has the admin option for itself.
    fixture
        .execute(
            "create role mallory login; create schema cognito authorization mallory; set session authorization mallory;
             do $$ begin grant mallory to loader; exception when insufficient_privilege then null; end $$",
        )
        .await;
    let expected = "the schema cognito belongs to mallory, whose code would run";
    assert_refused(&load_as(&fixture, "loader", &["db", "load"]), expected);
}

#[tokio::test]
async fn a_schema_that_another_role_has_prepared_is_refused_until_it_is_taken_over() {
    let fixture = Fixture::new().await;
    let mallory = mallory(&fixture).await;
    fixture.execute(&format!("create schema cognito authorization {mallory}")).await;
    for arguments in LOADS {
        fixture.assert_refused(arguments, &format!("the schema cognito belongs to {mallory}, whose code would run"));
    }
    fixture.execute("alter schema cognito owner to owner").await;
    let table = format!(
        "create table cognito.schema_history (version int4, name text, applied_on text, checksum text);
         alter table cognito.schema_history owner to {mallory}"
    );
    fixture.execute(&table).await;
    for arguments in LOADS {
        let expected = format!("the table cognito.schema_history belongs to {mallory}, whose code would run");
        fixture.assert_refused(arguments, &expected);
    }
    fixture.execute("alter table cognito.schema_history owner to owner").await;
    assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {ALL}\n"));
}

#[tokio::test]
async fn a_history_with_code_is_refused_and_what_the_hint_says_leads_out() {
    let fixture = Fixture::loaded().await;
    fixture
        .execute(
            "create domain word as varchar(255) check (value <> '');
             create function run() returns trigger language plpgsql as 'begin return new; end'",
        )
        .await;
    for (add, drop, part) in [
        (
            "create trigger log before insert on HISTORY for each row execute function run()",
            "drop trigger log on HISTORY",
            "the trigger log",
        ),
        ("create rule log as on insert to HISTORY do also select 1", "drop rule log on HISTORY", "the rule log"),
        ("create policy log on HISTORY using (true)", "drop policy log on HISTORY", "the policy log"),
        (
            "alter table HISTORY enable row level security",
            "alter table HISTORY disable row level security",
            "row level security",
        ),
        (
            "alter table HISTORY add log text default clock_timestamp()::text",
            "alter table HISTORY drop log",
            "the default of log",
        ),
        (
            "alter table HISTORY add log text generated always as (upper(name)) stored",
            "alter table HISTORY drop log",
            "the default of log",
        ),
        ("alter table HISTORY add log word", "alter table HISTORY drop log", "the type of log"),
        (
            "alter table HISTORY add constraint log check (name <> '')",
            "alter table HISTORY drop constraint log",
            "the constraint log",
        ),
        ("create index log on HISTORY (upper(name collate \"C\"))", "drop index SCHEMA.log", "the index log"),
        ("create table log () inherits (HISTORY)", "drop table log", "inheritance"),
    ] {
        let on = |statement: &str, schema: &str, table: &str| {
            statement.replace("HISTORY", &format!("{schema}.{table}")).replace("SCHEMA", schema)
        };
        fixture.execute(&on(add, "cognito", "schema_history")).await;
        for arguments in LOADS {
            let expected = format!(
                "error: cognito.schema_history has parts that would run with the rights of this login: {part}\n\
                 hint: find out who added these, and drop them"
            );
            fixture.assert_refused(arguments, &expected);
        }
        fixture.execute(&on(drop, "cognito", "schema_history")).await;
        assert_eq!(fixture.stdout(&["db", "load"]), "the schema is up to date\n", "after {drop}");
    }
    // A constant is none.
    fixture.execute("alter table cognito.schema_history add note text default 'by hand', add rank int default 0").await;
    assert_eq!(fixture.stdout(&["db", "load"]), "the schema is up to date\n");
    fixture.execute(BEFORE_CONTRACT).await;
    fixture.execute("create trigger log before insert on refinery_schema_history execute function run()").await;
    fixture.assert_refused(&["db", "load"], "public.refinery_schema_history has parts that would run");
}

#[tokio::test]
async fn a_former_history_of_an_untrusted_owner_is_named_where_its_tables_are() {
    let fixture = Fixture::loaded().await;
    let mallory = mallory(&fixture).await;
    fixture.execute(BEFORE_CONTRACT).await;
    fixture.execute(&format!("alter table refinery_schema_history owner to {mallory}")).await;
    let expected = format!("the table public.refinery_schema_history belongs to {mallory}, whose code would run");
    for arguments in LOADS {
        fixture.assert_refused(arguments, &expected);
    }
    fixture.execute("alter table refinery_schema_history owner to owner").await;
    assert_eq!(fixture.stdout(&["db", "load"]), "applied V5__ensure_user, V6__known_users, V7__forgotten\n");
}

#[tokio::test]
async fn no_migration_calls_a_function_or_an_operator_of_another_role() {
    let fixture = Fixture::new().await;
    let mallory = mallory(&fixture).await;
    fixture
        .execute(&format!(
            "grant create on schema public to public; set role {mallory};
             create function public.format(text, name) returns text language plpgsql as
                 'begin raise exception ''it has run''; end';
             create function public.same(oid, regnamespace) returns boolean language plpgsql as
                 'begin raise exception ''it has run''; end';
             create operator public.= (leftarg = oid, rightarg = regnamespace, function = public.same)"
        ))
        .await;
    assert_loads(&fixture);
}

#[tokio::test]
async fn a_function_that_appears_while_a_migration_waits_is_not_called() {
    let fixture = Fixture::new().await;
    let mallory = mallory(&fixture).await;
    let mut client = fixture.client().await;
    client.batch_execute("grant create on schema public to public").await.expect("a grant");
    // The third migration waits for this one's end.
    let blocker = client.transaction().await.expect("a transaction");
    let function = "create function public.upsert_user(text, text, text[], text) returns boolean language sql as
                        'select true'";
    blocker.batch_execute(function).await.expect("a function");
    let mut command = fixture.command(&["db", "load"]);
    let load = tokio::task::spawn_blocking(move || command.output().expect("provision starts"));
    fixture.wait_until("application_name = 'provision' and wait_event_type = 'Lock'").await;
    let format = format!(
        "set role {mallory};
         create function public.format(text, name) returns text language plpgsql as
             'begin raise exception ''it has run''; end'"
    );
    fixture.execute(&format).await;
    blocker.rollback().await.expect("a rollback");
    assert_eq!(stdout(load.await.expect("no panic")), format!("applied {ALL}\n"));
}

/// Makes a function whose call fails, in mallory's own schema.
fn trap(mallory: &str) -> String {
    format!(
        "create function {mallory}.run() returns trigger language plpgsql as 'begin raise exception ''it has run''; end';
         create function {mallory}.test(text) returns boolean language plpgsql as
             'begin raise exception ''it has run''; end'"
    )
}

#[tokio::test]
async fn no_migration_runs_a_trigger_of_another_role() {
    for trigger in [
        "create trigger trap before update on TABLE for each row execute function MALLORY.run()",
        // The condition is hers, the function is not.
        "create trigger trap before update on TABLE for each row when (MALLORY.test(new.uuid::text))
             execute function pg_catalog.suppress_redundant_updates_trigger()",
    ] {
        for table in ["users", "activities"] {
            let fixture = Fixture::loaded().await;
            let mallory = mallory(&fixture).await;
            fixture.execute(BEFORE_CONTRACT).await;
            let trigger = trigger.replace("TABLE", &format!("public.{table}")).replace("MALLORY", &mallory);
            let twins = "insert into users (display_name, handle, cognito_user_id) values ('', 'ada', '1'), ('', 'ＡＤＡ', '2')";
            fixture.execute(twins).await;
            let trap = trap(&mallory);
            fixture
                .execute(&format!("grant trigger on {table} to {mallory}; set role {mallory}; {trap}; {trigger}"))
                .await;
            for arguments in [&["db", "load"][..], &["db", "load", "--check"]] {
                let expected = format!(
                    "error: the code of the trigger trap on public.{table} belongs to {mallory}, whose code would run with the \
                     rights of this login\nhint: drop that trigger"
                );
                fixture.assert_refused(arguments, &expected);
            }
            fixture.execute(&format!("drop trigger trap on {table}")).await;
            assert_eq!(fixture.stdout(&["db", "load"]), "applied V5__ensure_user, V6__known_users, V7__forgotten\n");
        }
    }
}

#[tokio::test]
async fn no_command_runs_what_another_role_has_put_in_the_place_of_a_table() {
    let view = "drop table users cascade; set role MALLORY;
                create view public.users as select boom as uuid from MALLORY.boom()";
    for (trap, object) in [
        (view, "the table public.users"),
        ("alter table activities owner to MALLORY", "the table public.activities"),
        ("alter table cognito.forgotten owner to MALLORY", "the table cognito.forgotten"),
        ("alter schema cognito owner to MALLORY", "the schema cognito"),
        ("alter function cognito.known_users owner to MALLORY", "the function cognito.known_users(text[])"),
        ("alter function cognito.handle_key owner to MALLORY", "the function cognito.handle_key(text)"),
        (
            "create unlogged table cognito.reconcile_users (); alter table cognito.reconcile_users owner to MALLORY",
            "the table cognito.reconcile_users",
        ),
        (
            "grant trigger on users to MALLORY; set role MALLORY;
          create trigger trap before insert or delete on public.users for each row execute function MALLORY.run()",
            "the code of the trigger trap on public.users",
        ),
    ] {
        let fixture = Fixture::loaded().await;
        let mallory = mallory(&fixture).await;
        let boom = format!("create function {mallory}.boom() returns text language sql as 'select (1/0)::text'");
        let trap = trap.replace("MALLORY", &mallory);
        let traps = self::trap(&mallory);
        fixture
            .execute(&format!(
                "grant create on schema public to {mallory}; set role {mallory}; {traps}; {boom}; reset role; {trap}"
            ))
            .await;
        let expected =
            format!("error: {object} belongs to {mallory}, whose code would run with the rights of this login");
        for arguments in [
            &["users", "list"][..],
            &["activity", "home"],
            &["activity", "show", "00000000-0000-4000-8000-000000000000"],
            &["activity", "create", "--handle", "ada", "--message", "Hello", "--ttl", "1-day"],
            &["db", "seed"],
        ] {
            fixture.assert_refused(arguments, &expected);
        }
        // As `users reconcile` asks before it begins.
        let mut client = fixture.client().await;
        let transaction = client.transaction().await.expect("a transaction");
        let refused = ensure_trusted(&transaction, Access::Contract).await.expect_err(&expected);
        assert!(expected.contains(&refused.to_string()), "{refused}");
    }
}

#[tokio::test]
async fn a_login_that_was_granted_the_owner_is_no_longer_refused() {
    let (_postgres, fixture) = loader().await;
    let inherit = if fixture.version().await >= 160_000 { "with inherit true" } else { "" };
    let table = "create role owners; 
                 alter table users owner to owners; alter schema cognito owner to owners";
    assert_eq!(stdout(load_as(&fixture, "loader", &["db", "load"])), format!("applied {ALL}\n"));
    let name = &fixture.database.name;
    fixture.execute(&format!("{table}; alter database {name} owner to app")).await;
    for arguments in [&["users", "list"][..], &["db", "load"]] {
        assert_refused(&load_as(&fixture, "loader", arguments), " belongs to owners, whose code would run");
    }
    fixture.execute(&format!("grant owners to loader {inherit}")).await;
    for arguments in [&["users", "list"][..], &["db", "load"]] {
        stdout(load_as(&fixture, "loader", arguments));
    }
}

#[tokio::test]
async fn a_membership_that_an_administrator_of_the_role_has_granted_counts() {
    let (_postgres, fixture) = loader().await;
    assert_eq!(stdout(load_as(&fixture, "loader", &["db", "load"])), format!("applied {ALL}\n"));
    fixture
        .execute(
            "create role master login createrole; set session authorization master;
             create role owners; create role operator login password 'hunter2'; grant owners to operator;
             reset session authorization;
             create role team; create role deputy; create role members; grant members to team with admin option;
             set session authorization team; grant members to deputy with admin option;
             set session authorization deputy; grant members to operator; reset session authorization;
             create role app_admin login createrole; create role chief superuser login password 'hunter2';
             set session authorization app_admin; create role evil; reset session authorization;
             grant usage on schema cognito to public; grant select on cognito.schema_history to public",
        )
        .await;
    let grant_evil = "set session authorization app_admin;
                      do $$ begin grant evil to operator; exception when insufficient_privilege then null; end $$;
                      do $$ begin grant evil to chief; exception when insufficient_privilege then null; end $$";
    fixture.execute(grant_evil).await;
    // Up to PostgreSQL 15 this role can become any login but a superuser.
    let is_any_login = fixture.version().await < 160_000;
    for (owner, login, is_trusted) in [
        ("owners", "operator", true),
        ("members", "operator", true),
        ("evil", "operator", is_any_login),
        ("evil", "chief", false),
    ] {
        fixture.execute(&format!("alter schema cognito owner to {owner}")).await;
        let output = load_as(&fixture, login, &["db", "load", "--check"]);
        if is_trusted {
            assert_eq!(stdout(output), "the schema is up to date\n", "{owner} for {login}");
        } else {
            assert_refused(&output, &format!("error: the schema cognito belongs to {owner}, whose code would run"));
        }
    }
}

#[tokio::test]
async fn a_former_history_behind_row_level_security_is_named() {
    let fixture = Fixture::loaded().await;
    fixture.execute(BEFORE_CONTRACT).await;
    fixture.execute("alter table refinery_schema_history enable row level security").await;
    let expected = "error: public.refinery_schema_history has parts that would run with the rights of this login: row level \
                    security\nhint: find out who added these, and drop them";
    for arguments in LOADS {
        fixture.assert_refused(arguments, expected);
    }
    fixture.execute("alter table refinery_schema_history disable row level security").await;
    assert_eq!(fixture.stdout(&["db", "load"]), "applied V5__ensure_user, V6__known_users, V7__forgotten\n");
}
