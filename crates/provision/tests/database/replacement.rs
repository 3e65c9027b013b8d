//! `provision db setup` and `drop` replace or drop the database that the question named, and lose nothing unsaid.

use std::process::{Command, Output, Stdio};

use testkit::TestDatabase;

use crate::fixture::{Fixture, assert_refused, stdout};
use crate::setup_safety::{command_as, of_eve, run_as, send, server};
use crate::terminal::Terminal;

/// The standard output of a setup, which also reports its progress.
fn set_up(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

const OWNER_OF_USERS: &str = "select count(*) from pg_tables where tablename = 'users' and tableowner = 'eve'";

#[tokio::test]
async fn the_tables_of_the_databases_owner_stay_the_owners() {
    let (_postgres, fixture) = of_eve().await;
    stdout(run_as(&fixture, "eve", &["db", "load"]));
    fixture.wait_until_alone().await;
    // As a superuser.
    let output = set_up(fixture.run(&["db", "setup", "--yes"]));
    assert!(!output.contains("lacks"), "{output}");
    assert_eq!(fixture.count(OWNER_OF_USERS).await, 1);
    let eve = fixture.database.connect_as("eve", "eve").await.expect("it is accepted");
    assert_eq!(eve.query("select from users", &[]).await.expect("eve may read").len(), 2);
    drop(eve);
    assert_eq!(stdout(run_as(&fixture, "eve", &["db", "load"])), "the schema is up to date\n");
    stdout(run_as(&fixture, "eve", &["activity", "home"]));
}

#[tokio::test]
async fn what_roles_lose_within_the_database_is_named_in_the_question_and_afterwards() {
    let (_postgres, fixture) = of_eve().await;
    stdout(run_as(&fixture, "eve", &["db", "load"]));
    let roles = "create role function; grant usage on schema cognito to function; create role other;
         create schema others authorization other; alter role eve nocreaterole";
    fixture.execute(roles).await;
    // From now on, no load as eve is possible.
    fixture
        .execute("do $$ begin execute 'revoke cognito_writer from eve'; exception when others then null; end $$")
        .await;
    let members = "select count(*) from pg_auth_members where roleid = 'cognito_writer'::regrole";
    if fixture.count(members).await > 0 {
        fixture.execute("delete from pg_auth_members where roleid = 'cognito_writer'::regrole").await;
    }
    fixture.wait_until_alone().await;
    let lost = "the tables and other objects of eve, the tables and other objects of other, the privileges of function on \
                its objects (for the function's role, run `provision db grant`)\n";
    fixture.assert_refused(&["db", "setup"], &format!("; the new one will not have {lost}hint: add --yes"));
    let output = set_up(fixture.run(&["db", "setup", "--yes"]));
    assert!(output.contains(&format!("the new database lacks {lost}")), "{output}");
}

#[tokio::test]
async fn a_list_without_quotes_or_elements_is_restored() {
    let fixture = Fixture::new().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    let stored = async || {
        let settings = "select array_to_string(setconfig, '; ') from pg_db_role_setting where setdatabase = (
            select oid from pg_database where datname = current_database())";
        fixture.client().await.query_one(settings, &[]).await.expect("settings").get::<_, String>(0)
    };
    for (value, restored) in [
        ("", r#"search_path="""#),
        (r#"Public,"Odd ""name""","$user" , pg_catalog"#, r#"search_path=public, "Odd ""name""", "$user", pg_catalog"#),
    ] {
        // As `set search_path from current` stores it after `set_config`.
        let setting = format!(
            "alter database {name} reset all; select set_config('search_path', '{value}', false); \
            alter database {name} set search_path from current"
        );
        server.client().await.batch_execute(&setting).await.expect("a setting");
        fixture.wait_until_alone().await;
        let output = set_up(fixture.run(&["db", "setup", "--yes"]));
        assert!(!output.contains("lacks"), "{output}");
        assert_eq!(stored().await, restored);
    }
}

#[tokio::test]
async fn a_database_that_is_renamed_while_the_question_waits_is_not_called_dropped() {
    let fixture = Fixture::new().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    let moved = format!("{name}_moved");
    let renamed = Fixture { database: TestDatabase { name: moved.clone(), ..fixture.database.clone() } };
    fixture.execute("create table precious ()").await;
    for command in ["setup", "drop"] {
        fixture.wait_until_alone().await;
        let mut terminal = Terminal::start(&fixture.command(&["db", command]));
        terminal.question();
        server.execute(&format!("alter database {name} rename to {moved}")).await;
        let seen = terminal.answer(name);
        assert!(seen.contains(&format!(" was renamed to {moved} meanwhile, so nothing was done")), "{seen}");
        renamed.execute("table precious").await;
        renamed.wait_until_alone().await;
        server.execute(&format!("alter database {moved} rename to {name}")).await;
    }
}

#[tokio::test]
async fn what_comes_to_stop_the_load_while_the_question_waits_stops_the_drop() {
    let (_postgres, fixture) = of_eve().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    fixture.execute("create table precious ()").await;
    fixture.wait_until_alone().await;
    let mut terminal = Terminal::start(&command_as(&fixture, "eve", &["db", "setup"]));
    terminal.question();
    server.execute("alter role eve nocreaterole").await;
    let seen = terminal.answer(name);
    assert!(seen.contains("eve cannot create the role cognito_writer and act as it"), "{seen}");
    fixture.execute("table precious").await;
}

#[tokio::test]
async fn a_setup_whose_connection_breaks_goes_on_in_a_new_one() {
    let fixture = Fixture::new().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    server.execute(&format!("alter database {name} set app.secret = 'hunter2'")).await;
    let holder = server.client().await;
    holder.batch_execute(&format!("begin; comment on database {name} is null")).await.expect("a lock");
    let mut setup = fixture.command(&["db", "setup", "--yes"]);
    let setup = setup.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
    let drop = format!("query like 'drop database %{name}%' and wait_event_type = 'Lock'");
    server.wait_until(&drop).await;
    let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where {drop}");
    holder.batch_execute(&end).await.expect("the session's end");
    holder.batch_execute("rollback").await.expect("the lock's end");
    let output = setup.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("the connection broke: going on in a new one\n"), "{stderr}");
    assert!(!stderr.contains("hunter2"), "{stderr}");
    let settings = "select count(*) from pg_db_role_setting, unnest(setconfig) as setting where setdatabase = (
        select oid from pg_database where datname = current_database()) and setting = 'app.secret=hunter2'";
    assert_eq!(fixture.count(settings).await, 1);
}

#[tokio::test]
async fn a_signal_that_is_ignored_at_the_start_stays_ignored() {
    let fixture = Fixture::loaded().await;
    let holder = fixture.client().await;
    for signal in ["HUP", "INT"] {
        holder.batch_execute("begin; lock table users").await.expect("a lock");
        let seed = fixture.command(&["db", "seed"]);
        // As `nohup` and a shell's `&` do.
        let mut ignoring = Command::new("/bin/sh");
        ignoring.args(["-c", &format!("trap '' {signal}; exec \"$0\" db seed")]).arg(seed.get_program());
        ignoring.env_clear().envs(seed.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let seed = ignoring.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let seed = seed.expect("a shell");
        fixture.wait_until("application_name = 'provision' and wait_event_type = 'Lock'").await;
        send(&seed, signal);
        // Whoever listens to one signal sees another after it.
        holder.batch_execute("rollback").await.expect("the lock's end");
        let output = seed.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{signal}: {output:?}");
        fixture.wait_until_provision_is_gone().await;
    }
}

#[tokio::test]
async fn the_question_about_half_a_database_says_that_nothing_could_be_tried() {
    let (_postgres, fixture) = Fixture::alone().await;
    let halve = format!("update pg_database set datconnlimit = -2 where datname = '{}'", fixture.database.name);
    server(&fixture).execute(&halve).await;
    fixture.assert_refused(
        &["db", "setup"],
        "; what this login may not restore is found only afterwards\nhint: add --yes to confirm",
    );
}

#[tokio::test]
async fn no_hint_grants_a_superuser_or_serves_the_functions_role() {
    let (_postgres, fixture) = of_eve().await;
    let (name, server) = (&fixture.database.name, server(&fixture));
    server.execute("create role post_confirmation_tq login createdb password 'post_confirmation_tq'").await;
    let output = run_as(&fixture, "post_confirmation_tq", &["db", "drop"]);
    assert_refused(&output, "which eve owns\nhint: log in as eve\n");
    server.execute(&format!("alter database {name} owner to {}", fixture.database.user())).await;
    let output = run_as(&fixture, "eve", &["db", "drop"]);
    assert_refused(&output, &format!("\nhint: log in as {}\n", fixture.database.user()));
}
