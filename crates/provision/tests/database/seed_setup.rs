//! `provision db seed` and `provision db setup`

use std::process::{Output, Stdio};

use serde_json::json;
use testkit::TestDatabase;

use crate::fixture::{Fixture, assert_refused, stdout};

/// Runs the command as this role, whose password is its name.
fn run_as(fixture: &Fixture, role: &str, arguments: &[&str]) -> Output {
    let TestDatabase { name, port, .. } = &fixture.database;
    fixture.checked(&mut fixture.command_at(&format!("postgres://{role}:{role}@localhost:{port}/{name}"), arguments))
}

/// The standard output of a setup that succeeded, and whose progress names the statements that would make it again.
#[track_caller]
fn set_up(output: Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.starts_with("if this is cut short, these statements make "), "{stderr}");
    assert!(stderr.contains(": create database ") && stderr.lines().count() == 1, "{stderr}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test]
async fn seed_writes_the_samples_once() {
    let fixture = Fixture::loaded().await;
    assert_eq!(fixture.stdout(&["db", "seed"]), "seeded 2 users and 1 activity\n");
    assert_eq!(fixture.stdout(&["db", "seed"]), "the samples exist already\n");
    assert_eq!(fixture.json(&["db", "seed"]), json!({"users": 0, "activities": 0, "taken": []}));
    let users = fixture.json(&["users", "list"]);
    let handles: Vec<_> = users.as_array().expect("a list").iter().map(|user| &user["handle"]).collect();
    assert_eq!(handles.len(), 2);
    assert!(["andrewbrown", "bayko"].iter().all(|handle| handles.contains(&&json!(handle))), "{handles:?}");
    let home = fixture.json(&["activity", "home"]);
    assert_eq!(home["activities"][0]["message"], "This was imported as seed data!");
    assert_eq!(home["activities"][0]["handle"], "andrewbrown");
}

#[tokio::test]
async fn a_sample_that_has_expired_comes_back() {
    let fixture = Fixture::loaded().await;
    fixture.stdout(&["db", "seed"]);
    fixture.execute("update activities set expires_at = now() - interval '1 hour'").await;
    assert_eq!(fixture.stdout(&["db", "seed"]), "seeded 0 users and 1 activity\n");
}

#[tokio::test]
async fn seed_keeps_a_user_who_has_the_handle_of_a_sample() {
    let fixture = Fixture::loaded().await;
    fixture.execute("insert into users (display_name, handle, cognito_user_id) values ('X', 'AndrewBrown', 'x')").await;
    assert_eq!(fixture.json(&["db", "seed"]), json!({"users": 1, "activities": 0, "taken": ["andrewbrown"]}));
    assert_eq!(
        fixture.stdout(&["db", "seed"]),
        "seeded 0 users and 0 activities; left out andrewbrown: other users have these handles\n"
    );
}

#[tokio::test]
async fn of_two_seeds_at_once_the_second_finds_the_samples_of_the_first() {
    let fixture = Fixture::loaded().await;
    let other = fixture.client().await;
    let samples = [
        include_str!("../../src/commands/db/seed_users.sql"),
        include_str!("../../src/commands/db/seed_activities.sql"),
    ];
    other.batch_execute(&format!("begin; {}", samples.join(";"))).await.expect("the samples");
    let mut seed = fixture.command(&["db", "seed"]);
    let seed = seed.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
    fixture.wait_until("application_name = 'provision' and wait_event_type = 'Lock'").await;
    other.batch_execute("commit").await.expect("the lock's end");
    assert_eq!(stdout(seed.wait_with_output().expect("it ends")), "the samples exist already\n");
}

#[tokio::test]
async fn setup_creates_the_database_again_each_time() {
    let fixture = Fixture::missing().await;
    let name = &fixture.database.name;
    let expected = |drop: &str| {
        format!(
            "the database {name} on localhost {drop}\nthe database {name} on localhost is created\n\
             applied V1__users, V2__activities, V3__upsert_user, V4__activities_expire, V5__ensure_user, V6__known_users, V7__forgotten\n\
             seeded 2 users and 1 activity\n"
        )
    };
    assert_eq!(fixture.stdout(&["db", "setup"]), expected("did not exist"));
    fixture.execute("insert into users (display_name, handle, cognito_user_id) values ('X', 'x', 'x')").await;
    fixture.wait_until_alone().await;
    assert_eq!(fixture.stdout(&["db", "setup", "--yes"]), expected("is dropped"));
    assert_eq!(fixture.count("select count(*) from users").await, 2);
}

#[tokio::test]
async fn setup_stops_where_something_fails() {
    let fixture = Fixture::new().await;
    let _open = fixture.client().await;
    fixture.assert_refused(
        &["db", "setup", "--yes"],
        "1 session is open\nhint: list them with `provision db sessions`, and add --force",
    );
    fixture.assert_refused(&["db", "setup"], "1 session is open");
    assert_eq!(fixture.count("select count(*) from pg_class where relname = 'users'").await, 0);
    fixture.stdout(&["db", "setup", "--yes", "--force"]);
}

#[tokio::test]
async fn setup_drops_nothing_that_the_login_may_not_create_again() {
    let (_postgres, fixture) = Fixture::alone().await;
    let name = &fixture.database.name;
    let owner = "create role plain login password 'plain'; create table precious ()";
    fixture.execute(&format!("{owner}; alter database {name} owner to plain")).await;
    fixture.wait_until_alone().await;
    for arguments in [&["db", "setup"][..], &["db", "setup", "--yes"]] {
        let output = run_as(&fixture, "plain", arguments);
        assert_refused(&output, &format!("error: plain may drop {name} on localhost:"));
        assert_refused(
            &output,
            ", but not create it again\nhint: log in as a role that has CREATEDB, or have one grant it:",
        );
    }
    fixture.execute("table precious").await;
}

#[tokio::test]
async fn setup_keeps_what_a_database_has_beside_its_data() {
    let fixture = Fixture::new().await;
    let name = &fixture.database.name;
    let (owner, reader) = (format!("owner_{name}"), format!("reader \"{name}\""));
    let quoted = format!("\"{}\"", reader.replace('"', "\"\""));
    let properties = format!(
        "create role {owner}; create role {quoted};
         alter database {name} owner to {owner};
         revoke all on database {name} from public;
         revoke temporary on database {name} from {owner};
         grant connect on database {name} to {quoted} with grant option;
         alter database {name} set search_path = \"$user\", \"Odd \"\"name\"\"\", public;
         alter database {name} set timezone = 'Europe/Vienna';
         alter database {name} set app.secret = 'hunter2, ''quoted'' \\ and = more';
         alter database {name} set temp_tablespaces = '';
         alter role {quoted} in database {name} set statement_timeout = '7s';
         alter database {name} connection limit 17;
         comment on database {name} is 'the users'' database'"
    );
    fixture.execute(&properties).await;
    let read = async || {
        let client = fixture.client().await;
        let state = "select jsonb_build_object(
                'owner', pg_get_userbyid(datdba), 'privileges', (select array_agg(a::text order by a::text)
                    from unnest(datacl) a),
                'settings', (select jsonb_agg(setrole || setting order by setrole, setting)
                    from pg_db_role_setting, unnest(setconfig) as setting where setdatabase = oid),
                'limit', datconnlimit, 'comment', shobj_description(oid, 'pg_database'),
                'locale', array[datcollate::text, datctype::text])::text
            from pg_database where datname = current_database()";
        client.query_one(state, &[]).await.expect("an answer").get::<_, String>(0)
    };
    let former = read().await;
    fixture.wait_until_alone().await;
    let output = set_up(fixture.run(&["db", "setup", "--yes"]));
    assert!(!output.contains("lacks"), "{output}");
    assert_eq!(read().await, former);
    assert_eq!(fixture.count("select count(*) from users").await, 2);
}

#[tokio::test]
async fn setup_keeps_another_locale() {
    let fixture = Fixture::missing().await;
    let name = &fixture.database.name;
    let other = Fixture::new().await;
    other.execute(&format!("create database {name} lc_ctype 'C.UTF-8' template template0")).await;
    set_up(fixture.run(&["db", "setup", "--yes"]));
    let ctype = format!("select count(*) from pg_database where datname = '{name}' and datctype = 'C.UTF-8'");
    assert_eq!(fixture.count(&ctype).await, 1);
}

#[tokio::test]
async fn setup_names_what_it_cannot_restore_before_it_drops() {
    let (_postgres, fixture) = Fixture::alone().await;
    let name = &fixture.database.name;
    let owner = format!("owner_{name}");
    let statements = format!(
        "create role {owner} login createdb createrole password '{owner}'; alter database {name} owner to {owner};
         create role cognito_writer; grant cognito_writer to {owner};
         alter database {name} set log_statement = 'ddl'; alter database {name} set timezone = 'Europe/Vienna'"
    );
    fixture.execute(&statements).await;
    fixture.wait_until_alone().await;
    let output = run_as(&fixture, &owner, &["db", "setup"]);
    assert_refused(
        &output,
        "; no session is open; the new one will not have the setting log_statement\nhint: add --yes",
    );
    let output = set_up(run_as(&fixture, &owner, &["db", "setup", "--yes"]));
    assert!(output.contains("\nthe new database lacks the setting log_statement\napplied V1__users"), "{output}");
    let settings = "select count(*) from pg_db_role_setting, unnest(setconfig) as setting
        where setdatabase = (select oid from pg_database where datname = current_database()) and setting ilike 'timezone=%'";
    assert_eq!(fixture.count(settings).await, 1, "what can be restored is restored");
}

#[tokio::test]
async fn setup_in_another_encoding_says_so_and_makes_utf8_of_it() {
    let fixture = Fixture::missing().await;
    let name = &fixture.database.name;
    let other = Fixture::new().await;
    other.execute(&format!("create database {name} encoding 'LATIN1' locale 'C' template template0")).await;
    for command in ["load", "seed"] {
        fixture
            .assert_refused(&["db", command], "has the encoding LATIN1, and UTF8 is needed\nhint: save its data, drop");
    }
    fixture.assert_refused(&["db", "setup"], "the new one will not have the encoding LATIN1\n");
    let output = fixture.stdout(&["db", "setup", "--yes"]);
    assert!(output.contains("the new database lacks the encoding LATIN1\n"), "{output}");
}

#[tokio::test]
async fn setup_that_stops_halfway_tells_what_was_done() {
    let (_postgres, fixture) = Fixture::alone().await;
    let name = &fixture.database.name;
    let owner = format!("owner_{name}");
    let role = format!(
        "create role {owner} login createdb createrole password '{owner}'; alter database {name} owner to {owner};
         alter role {owner} set default_tablespace = 'pg_global'; create table precious ()"
    );
    fixture.execute(&role).await;
    fixture.wait_until_alone().await;
    let output = run_as(&fixture, &owner, &["db", "setup", "--yes"]);
    let expected = format!("error: the database {name} on localhost is dropped and created, but not loaded: ");
    assert_refused(&output, &expected);
    assert_refused(&output, "; then run `provision db load` and `provision db seed`\n");
    let precious = "select count(*) from pg_class where relname = 'precious'";
    assert_eq!(fixture.count(precious).await, 0, "the database is new");
    fixture.wait_until_alone().await;
    let output = run_as(&fixture, &owner, &["db", "drop", "--yes"]);
    stdout(output);
    let output = run_as(&fixture, &owner, &["db", "setup"]);
    assert_refused(&output, &format!("error: the database {name} on localhost is created, but not loaded: "));
}
