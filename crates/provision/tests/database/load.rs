//! `provision db load`

use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::fixture::{BEFORE_CONTRACT, BEFORE_V4, Fixture, assert_refused, stdout};

pub(crate) const ALL: &str = "V1__users, V2__activities, V3__upsert_user, V4__activities_expire, V5__ensure_user, V6__known_users, V7__forgotten";

#[tokio::test]
async fn load_applies_every_migration_once() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {ALL}\n"));
    assert_eq!(fixture.stdout(&["db", "load"]), "the schema is up to date\n");
}

#[tokio::test]
async fn load_reports_to_programs_the_migrations_it_applied() {
    let fixture = Fixture::new().await;
    let all: Vec<&str> = ALL.split(", ").collect();
    assert_eq!(fixture.json(&["db", "load"]), json!({"applied": all, "warnings": []}));
    assert_eq!(fixture.json(&["db", "load", "--dry-run"]), json!({"pending": []}));
}

#[tokio::test]
async fn a_dry_run_shows_what_is_pending_and_writes_nothing() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.stdout(&["db", "load", "--dry-run"]), format!("pending: {ALL}\n"));
    let relations = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    assert_eq!(fixture.count(relations).await, 0);
}

#[tokio::test]
async fn a_check_ends_with_3_while_something_is_pending() {
    let fixture = Fixture::new().await;
    let output = fixture.run(&["db", "load", "--check"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("pending: {ALL}\n"));
    fixture.stdout(&["db", "load"]);
    assert_eq!(fixture.stdout(&["db", "load", "--check"]), "the schema is up to date\n");
}

#[tokio::test]
async fn a_migration_that_fails_half_way_is_rolled_back() {
    let fixture = Fixture::new().await;
    // The name of what V2 makes last.
    fixture.execute("create table activities_reply_idx ()").await;
    let output = fixture.run(&["db", "load"]);
    for expected in ["V2__activities", "nothing of it stays", "rename it", "(SQLSTATE 42P07)"] {
        assert_refused(&output, expected);
    }
    assert_eq!(fixture.count("select count(*) from cognito.schema_history").await, 1, "V1 stays");
    assert_eq!(fixture.count("select count(*) from pg_class where relname = 'activities'").await, 0);
    fixture.execute("drop table activities_reply_idx").await;
    assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {}\n", ALL.replacen("V1__users, ", "", 1)));
}

#[tokio::test]
async fn a_load_gives_up_before_sign_ups_queue_behind_it() {
    let fixture = Fixture::loaded().await;
    fixture.execute(BEFORE_V4).await;
    let mut reader = fixture.client().await;
    let reading = reader.transaction().await.expect("a transaction");
    reading.batch_execute("select from activities").await.expect("a lock");
    let output = fixture.run(&["db", "load"]);
    for expected in [
        "V4__activities_expire failed",
        "hint: find the session that holds the lock with `provision db sessions`",
        "(SQLSTATE 55P03)",
    ] {
        assert_refused(&output, expected);
    }
}

/// Starts a load whose V3 does not end by itself, and has made its function by then.
pub(crate) async fn endless(fixture: &Fixture, arguments: &[&str]) -> Child {
    endless_at(fixture, arguments, "CREATE FUNCTION").await
}

/// Starts a load that does not end by itself once it has done this.
async fn endless_at(fixture: &Fixture, arguments: &[&str], tag: &str) -> Child {
    let trigger = format!(
        "create function sleep() returns event_trigger language plpgsql as $$ begin
             if tg_tag = '{tag}' then perform pg_sleep(600); end if;
         end $$;
         create event trigger sleep on ddl_command_end execute function sleep()"
    );
    fixture.execute(&trigger).await;
    let mut command = fixture.command(arguments);
    let load = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("provision starts");
    fixture.wait_until("application_name = 'provision' and wait_event = 'PgSleep'").await;
    load
}

#[tokio::test]
async fn ctrl_c_or_a_closed_terminal_rolls_the_current_migration_back() {
    let fixture = Fixture::new().await;
    for signal in ["INT", "HUP", "TERM"] {
        let load = endless(&fixture, &["db", "load"]).await;
        let interrupt = Command::new("sh").args(["-c", &format!("kill -s {signal} {}", load.id())]).status();
        assert!(interrupt.expect("a shell").success());
        assert_refused(
            &load.wait_with_output().expect("it ends"),
            "interrupted: the current migration was rolled back",
        );
        // The server did not sleep on.
        fixture.wait_until_alone().await;
        assert_eq!(fixture.count("select count(*) from cognito.schema_history").await, 2, "V1 and V2 stay");
        assert_eq!(fixture.count("select count(*) from pg_proc where proname = 'upsert_user'").await, 0);
        fixture.execute("drop event trigger sleep; drop function sleep").await;
    }
    assert_eq!(
        fixture.stdout(&["db", "load"]),
        "applied V3__upsert_user, V4__activities_expire, V5__ensure_user, V6__known_users, V7__forgotten\n"
    );
}

#[tokio::test]
async fn a_load_whose_session_is_ended_reports_it() {
    let fixture = Fixture::new().await;
    let load = endless(&fixture, &["db", "load"]).await;
    fixture.stdout(&["db", "sessions", "--kill", "all-others"]);
    let output = load.wait_with_output().expect("it ends");
    for expected in [
        "V3__upsert_user failed, and nothing of it stays",
        "hint: an administrator or a crash ended the session",
        "(SQLSTATE 57P01)",
    ] {
        assert_refused(&output, expected);
    }
}

#[tokio::test]
async fn activities_without_an_end_get_one() {
    let fixture = Fixture::loaded().await;
    fixture
        .execute(&format!(
            "{BEFORE_V4};
             alter table activities alter column expires_at drop not null, drop constraint activities_expires_at_check;
             insert into users (display_name, handle, cognito_user_id) values ('Ada', 'ada', 'a');
             insert into activities (user_uuid, message, created_at) select uuid, 'x', '2026-01-01' from users"
        ))
        .await;
    assert_eq!(
        fixture.stdout(&["db", "load"]),
        "applied V4__activities_expire, V5__ensure_user, V6__known_users, V7__forgotten\n"
    );
    let ended = "select count(*) from activities where expires_at - created_at = interval '30 days'";
    assert_eq!(fixture.count(ended).await, 1);
}

#[tokio::test]
async fn the_schema_refuses_invalid_rows() {
    let fixture = Fixture::loaded().await;
    let client = fixture.client().await;
    let one_user = "insert into users (display_name, handle, cognito_user_id) values ('Ada', 'ada', 'a')";
    client.batch_execute(one_user).await.expect("a good user");
    let activity = |message: &str, life: &str| {
        format!(
            "insert into activities (user_uuid, message, expires_at)
             select uuid, {message}, now() + interval '{life}' from users
             returning replies_count + reposts_count + likes_count as counts"
        )
    };
    for (statement, sqlstate) in [
        ("insert into users (display_name, handle, cognito_user_id) values ('x', 'ADA', 'b')", "23505"),
        ("insert into users (display_name, handle, cognito_user_id) values ('x', 'b', 'a')", "23505"),
        ("insert into users (handle, cognito_user_id) values ('b', 'b')", "23502"),
        ("insert into activities (user_uuid, message, expires_at) values (gen_random_uuid(), 'x', now())", "23503"),
        ("insert into activities (user_uuid, message) select uuid, 'x' from users", "23502"),
        (&activity("repeat('é', 2801)", "1 hour"), "23514"),
        (&activity("'x'", "721 hours"), "23514"),
    ] {
        let error = client.batch_execute(statement).await.expect_err(statement);
        assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some(sqlstate), "{statement}");
    }
    let longest = activity("repeat('é', 2800)", "720 hours");
    let row = client.query_one(&longest, &[]).await.expect("a good activity");
    assert_eq!(row.get::<_, i32>("counts"), 0);
    client.batch_execute("delete from users").await.expect("a user can be deleted");
    let left = client.query_one("select count(*) from activities", &[]).await.expect("a count");
    assert_eq!(left.get::<_, i64>(0), 0, "a user's activities go with the user");
}

#[tokio::test]
async fn users_whose_handles_look_the_same_keep_them() {
    let fixture = Fixture::loaded().await;
    let twins = "insert into users (display_name, handle, cognito_user_id, created_at)
                 values ('A', U&'E\\0301mile', 'a', now() - interval '1 day'), ('B', U&'\\00E9mile', 'b', now())";
    fixture.execute(BEFORE_CONTRACT).await;
    fixture.execute(twins).await;
    assert_eq!(fixture.stdout(&["db", "load"]), "applied V5__ensure_user, V6__known_users, V7__forgotten\n");
    let third = "insert into users (display_name, handle, cognito_user_id) values ('C', U&'\\00C9MILE', 'c') \
                 on conflict do nothing";
    fixture.execute(third).await;
    let rows = "select count(*) from users where cognito.handle_key(handle) = cognito.handle_key(U&'\\00E9mile')";
    assert_eq!(fixture.count(rows).await, 2, "both are there, and there is no third");
}

#[tokio::test]
async fn a_load_takes_no_right_from_other_roles() {
    let fixture = Fixture::new().await;
    fixture.execute("grant create on schema public to public").await;
    fixture.stdout(&["db", "load"]);
    assert_eq!(fixture.count(PUBLIC_RIGHTS).await, 2, "PUBLIC keeps what it had");
}

#[tokio::test]
async fn a_login_that_is_no_superuser_loads() {
    // A server of its own, where no other login has created the contract's owner.
    let postgres = testkit::Postgres::start().expect("a server");
    let fixture = Fixture { database: postgres.database().await.expect("a database") };
    let name = &fixture.database.name;
    let url = |role: &str| format!("postgres://{role}:hunter2@localhost:{}/{name}", fixture.database.port);
    let loader = format!("loader_{name}");
    fixture
        .execute(&format!(
            "create role {loader} login createrole password 'hunter2'; alter database {name} owner to {loader}"
        ))
        .await;
    let load = |role: &str| fixture.checked(&mut fixture.command_at(&url(role), &["db", "load"]));
    assert_eq!(stdout(load(&loader)), format!("applied {ALL}\n"));
    let owner = "select count(*) from pg_proc where proname = 'ensure_user' and proowner = 'cognito_writer'::regrole";
    assert_eq!(fixture.count(owner).await, 1);
    let row =
        "select count(*) from cognito.ensure_user('{\"sub\": \"a\", \"display_name\": \"A\", \"handles\": [\"a\"]}')";
    assert_eq!(fixture.count(row).await, 1);
    let before = "select count(*) from public.upsert_user('b', 'B', array['b'], null) as is_new where is_new";
    assert_eq!(fixture.count(before).await, 1, "the function of the release before writes its rows");
}

#[tokio::test]
async fn nothing_depends_on_a_search_path() {
    let fixture = Fixture::new().await;
    let traps = format!(
        "create schema trap;
         create function trap.now() returns timestamptz language sql as 'select null::timestamptz';
         create function trap.count(text) returns int8 language sql as 'select -1::int8';
         create table trap.users (id int); create table trap.activities (id int);
         create table trap.refinery_schema_history (id int);
         alter database {} set search_path = trap, pg_catalog",
        fixture.database.name
    );
    fixture.execute(&traps).await;
    assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {ALL}\n"));
    assert_eq!(fixture.stdout(&["db", "load", "--check"]), "the schema is up to date\n");
    assert_eq!(fixture.stdout(&["db", "seed"]), "seeded 2 users and 1 activity\n");
    assert_eq!(fixture.json(&["users", "list"]).as_array().map(Vec::len), Some(2));
    let created =
        fixture.json(&["activity", "create", "--handle", "andrewbrown", "--message", "hello", "--ttl", "1-hour"]);
    let uuid = created["uuid"].as_str().expect("the new activity's uuid");
    for read in [&["activity", "show", uuid][..], &["activity", "home"]] {
        assert!(fixture.stdout(read).contains("hello"), "{read:?}");
    }
    let inside =
        "select (select pg_catalog.count(*) from trap.users) + (select pg_catalog.count(*) from trap.activities)";
    assert_eq!(fixture.count(inside).await, 0);
}

#[tokio::test]
async fn a_trigger_that_runs_with_the_contracts_few_rights_is_reported() {
    let fixture = Fixture::loaded().await;
    let trigger = "create function log_user() returns trigger language plpgsql as 'begin return new; end';
                   create trigger log_user after insert on users for each row execute function log_user()";
    fixture.execute(trigger).await;
    let loaded = fixture.stdout(&["db", "load"]);
    let expected = "warning: the trigger log_user on public.users runs with the rights and the search_path of";
    assert!(loaded.contains(expected), "expected {expected:?} in {loaded:?}");
    fixture.execute("alter function log_user security definer set search_path = public, pg_temp").await;
    // A trigger's function cannot be called, but every role may attach it to a table of its own.
    fixture.execute("revoke execute on function log_user from public").await;
    assert_eq!(fixture.stdout(&["db", "load"]), "the schema is up to date\n");
}

/// How many of the rights to create objects PUBLIC has.
const PUBLIC_RIGHTS: &str = "
    select count(*) from (values (has_database_privilege('public', current_database(), 'temporary')),
        (has_schema_privilege('public', 'public', 'create'))) as public (has) where has";

#[tokio::test]
async fn a_load_that_is_killed_has_taken_no_right_from_public() {
    let fixture = Fixture::new().await;
    fixture.execute("grant create on schema public to public").await;
    let mut load = endless_at(&fixture, &["db", "load"], "CREATE POLICY").await;
    load.kill().expect("it runs");
    load.wait().expect("it ends");
    fixture.stdout(&["db", "sessions", "--kill", "all-others"]);
    fixture.wait_until_alone().await;
    assert_eq!(fixture.count(PUBLIC_RIGHTS).await, 2);
    fixture.execute("drop event trigger sleep; drop function sleep").await;
    assert_eq!(fixture.stdout(&["db", "load"]), "applied V5__ensure_user, V6__known_users, V7__forgotten\n");
    assert_eq!(fixture.count(PUBLIC_RIGHTS).await, 2);
}

#[tokio::test]
async fn the_rights_that_an_interrupted_load_of_the_release_before_has_taken_are_given_back() {
    let fixture = Fixture::loaded().await;
    let interrupted = format!(
        "revoke temporary on database {0} from public; revoke create on schema public from public;
         create table cognito.public_rights as values ('grant temporary on database {0} to public'),
             ('grant create on schema public to public');
         alter table cognito.public_rights rename column1 to statement",
        fixture.database.name
    );
    fixture.execute(&interrupted).await;
    let owed = format!(
        "grant temporary on database {} to public; grant create on schema public to public\n",
        fixture.database.name
    );
    let check = fixture.run(&["db", "load", "--check"]);
    assert_eq!(check.status.code(), Some(3), "{check:?}");
    assert_eq!(String::from_utf8_lossy(&check.stdout), format!("pending: {owed}"));
    assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {owed}"));
    assert_eq!(fixture.stdout(&["db", "load"]), "the schema is up to date\n");
    assert_eq!(fixture.count(PUBLIC_RIGHTS).await, 2);
    assert_eq!(fixture.count("select count(*) from pg_class where relname = 'public_rights'").await, 0);
}

#[tokio::test]
async fn a_load_runs_no_statement_that_another_role_has_prepared() {
    let fixture = Fixture::loaded().await;
    let name = &fixture.database.name;
    let prepared = format!(
        "revoke create on schema public from public; create role intruder_{name};
         create table cognito.public_rights as
             values ('alter role intruder_{name} createdb'), ('grant create on schema public to public');
         alter table cognito.public_rights rename column1 to statement;
         alter table cognito.public_rights owner to intruder_{name}"
    );
    fixture.execute(&prepared).await;
    let is_obeyed = format!(
        "select count(*) from pg_roles where rolname = 'intruder_{name}' and
             (rolcreatedb or has_schema_privilege('public', 'public', 'create'))"
    );
    assert_eq!(fixture.stdout(&["db", "load"]), "the schema is up to date\n");
    assert_eq!(fixture.count(&is_obeyed).await, 0);
    // Nor does it run anything but these two, whoever owns the table.
    fixture.execute("alter table cognito.public_rights owner to owner").await;
    fixture.execute("delete from cognito.public_rights where statement like 'grant%'").await;
    assert_eq!(fixture.stdout(&["db", "load"]), "the schema is up to date\n");
    assert_eq!(fixture.count(&is_obeyed).await, 0);
    assert_eq!(fixture.count("select count(*) from pg_class where relname = 'public_rights'").await, 0);
}

#[tokio::test]
async fn rights_of_public_in_a_table_with_policies_are_nobodys_promise() {
    let fixture = Fixture::loaded().await;
    let planted = "revoke create on schema public from public;
                   create table cognito.public_rights as select 'grant create on schema public to public' as statement;
                   alter table cognito.public_rights enable row level security";
    fixture.execute(planted).await;
    assert_eq!(fixture.stdout(&["db", "load", "--check"]), "the schema is up to date\n");
    assert_eq!(fixture.stdout(&["db", "load"]), "the schema is up to date\n");
    assert_eq!(fixture.count("select count(*) from pg_class where relname = 'public_rights'").await, 1);
}

#[tokio::test]
async fn a_load_outlasts_the_time_limits_of_its_role_and_database() {
    let fixture = Fixture::new().await;
    let has_transaction_timeout = fixture.version().await >= 170_000;
    let name = &fixture.database.name;
    for limit in ["statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"] {
        if limit != "transaction_timeout" || has_transaction_timeout {
            fixture.execute(&format!("alter database {name} set {limit} = '2s'")).await;
        }
    }
    let slow = "create function slow() returns event_trigger language plpgsql as 'begin perform pg_sleep(3); end';
                create event trigger slow on ddl_command_end when tag in ('CREATE POLICY') execute function slow()";
    fixture.execute(slow).await;
    assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {ALL}\n"));
}

/// How many of the tables are where the contract has them.
const IN_PUBLIC: &str = "
    select count(*) from pg_catalog.pg_class
    where relnamespace = 'public'::pg_catalog.regnamespace and relname in ('users', 'activities')";

#[tokio::test]
async fn the_tables_are_in_public_whatever_settings_the_login_has() {
    // The names of a schema, and of a login, and the settings that the login has.
    for (place, settings) in [
        ("role", "search_path = app"),
        ("role", "search_path = ''"),
        ("role", "standard_conforming_strings = off"),
        ("role", "default_transaction_isolation = 'repeatable read'"),
        ("database", "search_path = app, public"),
        ("database", "search_path = ''"),
        // The setting of a new server: a schema with the name of the login comes first.
        ("role", "search_path = \"$user\", public"),
    ] {
        let fixture = Fixture::new().await;
        let name = &fixture.database.name;
        let login = format!("login_of_{name}");
        let target = if place == "role" { &login } else { name };
        let before = format!(
            "create role {login} superuser login password 'hunter2';
             create schema app; create table app.users (id int);
             create schema {login}; create table {login}.users (id int); create table {login}.activities (id int);
             alter {place} {target} set {settings}"
        );
        fixture.execute(&before).await;
        let url = format!("postgres://{login}:hunter2@localhost:{}/{name}", fixture.database.port);
        let run = |arguments: &[&str]| stdout(fixture.checked(&mut fixture.command_at(&url, arguments)));
        assert_eq!(run(&["db", "load"]), format!("applied {ALL}\n"), "{place} {settings}");
        assert_eq!(fixture.count(IN_PUBLIC).await, 2, "{place} {settings}");
        assert_eq!(run(&["db", "load"]), "the schema is up to date\n", "{place} {settings}");
        assert_eq!(run(&["db", "seed"]), "seeded 2 users and 1 activity\n", "{place} {settings}");
        let key = fixture.count("select count(*) from public.users where cognito.handle_key(handle) = 'bayko'").await;
        assert_eq!(key, 1, "{place} {settings}");
    }
}

#[tokio::test]
async fn a_schema_that_comes_later_hides_no_table() {
    let fixture = Fixture::loaded().await;
    fixture.stdout(&["db", "seed"]);
    fixture.execute("create schema owner; create table owner.users (id int)").await;
    assert_eq!(fixture.stdout(&["db", "load"]), "the schema is up to date\n");
    assert_eq!(fixture.json(&["users", "list"]).as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_database_without_the_schema_public_gets_it() {
    let fixture = Fixture::new().await;
    fixture.execute("drop schema public").await;
    assert_eq!(fixture.stdout(&["db", "load"]), format!("applied {ALL}\n"));
    assert_eq!(fixture.count(IN_PUBLIC).await, 2);
}

#[tokio::test]
async fn a_load_that_has_applied_nothing_leaves_nothing() {
    let fixture = Fixture::new().await;
    fixture.execute("create table users (id int)").await;
    assert_refused(&fixture.run(&["db", "load"]), "V1__users failed, and nothing of it stays");
    assert_eq!(fixture.count("select count(*) from pg_namespace where nspname = 'cognito'").await, 0);
}

#[tokio::test]
async fn a_history_without_the_contract_does_not_make_a_foreign_contract_ours() {
    let fixture = Fixture::new().await;
    let foreign = "create schema cognito;
                   create table cognito.schema_history (version int4, name text, applied_on text, checksum text);
                   create function cognito.ensure_user(event jsonb) returns text language sql as 'select null'";
    fixture.execute(foreign).await;
    assert_refused(&fixture.run(&["db", "load"]), "the schema cognito has functions that no migration");
    assert_eq!(fixture.count("select count(*) from pg_class where relname in ('users', 'activities')").await, 0);
}

#[tokio::test]
async fn a_load_after_which_sign_ups_would_fail_is_refused_and_the_former_function_goes_on() {
    let fixture = Fixture::loaded().await;
    fixture.execute(BEFORE_CONTRACT).await;
    let former = include_str!("../../../db/migrations/V3__upsert_user.sql");
    let (former, _) = former.split_once("-- Everybody may call").expect("the function comes first");
    fixture.execute(&former.replace("create function", "create or replace function")).await;
    // It found its table by the search_path of the former function.
    let trigger = "create table audit (who text);
                   create function log_user() returns trigger language plpgsql security definer as
                       'begin insert into audit values (new.handle); return new; end';
                   create trigger log_user after insert on users for each row execute function log_user()";
    fixture.execute(trigger).await;
    let refused = fixture.run(&["db", "load"]);
    for expected in [
        "V5__ensure_user failed, and nothing of it stays: a sign-up would fail: relation \"audit\" does not exist",
        "hint: give the trigger functions on the table a search_path of their own",
    ] {
        assert_refused(&refused, expected);
    }
    let before = "select count(*) from public.upsert_user('b', 'B', array['b'], null) as is_new where is_new";
    assert_eq!(fixture.count(before).await, 1);
    fixture.execute("alter function log_user() set search_path = public, pg_temp").await;
    assert!(fixture.stdout(&["db", "load"]).starts_with("applied V5__ensure_user, V6__known_users, V7__forgotten\n"));
    assert_eq!(fixture.count("select count(*) from users").await, 1, "the migration's own sign-up is undone");
}

#[tokio::test]
async fn who_may_ask_for_known_users_still_may_after_its_columns_have_changed() {
    let fixture = Fixture::loaded().await;
    let role = format!("monitoring_{}", fixture.database.name);
    fixture
        .execute(&format!(
            "delete from cognito.schema_history where version >= 6; drop table cognito.forgotten; create role {role};
             grant execute on function cognito.known_users to {role} with grant option"
        ))
        .await;
    assert_eq!(fixture.stdout(&["db", "load"]), "applied V6__known_users, V7__forgotten\n");
    let grants = format!(
        "select count(*) from pg_proc, aclexplode(proacl)
         where oid = 'cognito.known_users(text[])'::regprocedure and grantee = '{role}'::regrole and is_grantable"
    );
    assert_eq!(fixture.count(&grants).await, 1);
    let public = "select count(*) from pg_proc where oid = 'cognito.known_users(text[])'::regprocedure
                  and has_function_privilege('public', oid, 'execute')";
    assert_eq!(fixture.count(public).await, 0);
}

#[tokio::test]
async fn who_deletes_users_without_owning_the_tables_still_may_and_leaves_a_tombstone() {
    let fixture = Fixture::loaded().await;
    let role = format!("support_{}", fixture.database.name);
    fixture
        .execute(&format!(
            "delete from cognito.schema_history where version >= 7; drop table cognito.forgotten; create role {role};
             grant usage on schema cognito to {role}; grant select, delete on users to {role};
             grant execute on function cognito.forget_user to {role};
             insert into users (display_name, handle, cognito_user_id) values ('Ada', 'ada', 'a')"
        ))
        .await;
    assert_eq!(fixture.stdout(&["db", "load"]), "applied V7__forgotten\n");
    fixture.execute(&format!("set role {role}; select cognito.forget_user('a')")).await;
    assert_eq!(fixture.count("select count(*) from users").await, 0);
    assert_eq!(fixture.count("select count(*) from cognito.forgotten").await, 1);
    let event =
        "'{\"sub\": \"a\", \"display_name\": \"A\", \"handles\": [\"a\"], \"as_of\": \"2020-01-01T00:00:00Z\"}'";
    let unchanged = format!("select count(*) from cognito.ensure_user({event}) as answer where answer = 'unchanged'");
    assert_eq!(fixture.count(&unchanged).await, 1);
}

#[tokio::test]
async fn the_contract_keeps_its_owner_settings_and_grants_when_it_is_replaced() {
    // A server of its own, where no other login has created the contract's owner.
    let postgres = testkit::Postgres::start().expect("a server");
    let fixture = Fixture { database: postgres.database().await.expect("a database") };
    let name = &fixture.database.name;
    let url = format!("postgres://loader:hunter2@localhost:{}/{name}", fixture.database.port);
    let load = || fixture.checked(&mut fixture.command_at(&url, &["db", "load"]));
    fixture
        .execute(&format!(
            "create role loader login createrole password 'hunter2'; alter database {name} owner to loader;
             create role signups"
        ))
        .await;
    load();
    fixture.execute("grant execute on function cognito.ensure_user to signups").await;
    let state = "select string_agg(concat_ws(' ', proname, proowner::regrole, prosecdef, proconfig, proacl), '; ' order by proname)
                 from pg_proc where pronamespace = 'cognito'::regnamespace and proname in ('ensure_user', 'forget_user')";
    let client = fixture.client().await;
    let state = async || client.query_one(state, &[]).await.expect("the functions").get::<_, String>(0);
    let before = state().await;
    assert!(before.starts_with("ensure_user cognito_writer t {\"search_path=pg_catalog, pg_temp\"}"), "{before}");
    assert!(before.contains("signups=X/"), "{before}");
    fixture.execute("delete from cognito.schema_history where version >= 7; drop table cognito.forgotten").await;
    assert_eq!(stdout(load()), "applied V7__forgotten\n");
    assert_eq!(state().await, before);
    let members = "select count(*) from pg_auth_members where roleid = 'cognito_writer'::regrole
                   and (inherit_option or set_option)";
    let members = if fixture.count("select current_setting('server_version_num')::int8").await < 160_000 {
        "select count(*) from pg_auth_members where roleid = 'cognito_writer'::regrole"
    } else {
        members
    };
    assert_eq!(fixture.count(members).await, 0, "the login is no member afterwards");
}
