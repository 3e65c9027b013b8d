//! Which role `provision db grant` makes: each database of a server has one of its own.

use std::process::Command;

use serde_json::{Value, json};
use testkit::{Moto, Postgres, TestDatabase};

use crate::fixture::{Fixture, assert_refused, stdout};

/// The name of the first releases' role.
const FORMER: &str = "post_confirmation";

/// A server of this test's own with two databases, whose names no other test has.
struct Server {
    app: Fixture,
    shop: Fixture,
    _postgres: Postgres,
}

impl Server {
    async fn start() -> Self {
        let postgres = Postgres::start().expect("a server");
        let database = postgres.database().await.expect("a database");
        let (first, port) = (Fixture { database: database.clone() }, database.port);
        let named =
            |name: &str| Fixture { database: TestDatabase { name: format!("{name}_{port}"), ..database.clone() } };
        let server = Self { app: named("app"), shop: named("shop"), _postgres: postgres };
        for database in [&server.app, &server.shop] {
            first.execute(&format!("create database {}", database.database.name)).await;
            database.stdout(&["db", "load"]);
            close_to_public(database).await;
        }
        server
    }
}

/// Lets no role rely on what PUBLIC may do.
async fn close_to_public(fixture: &Fixture) {
    let name = &fixture.database.name;
    let statements =
        format!("revoke temporary on database {name} from public; revoke create on schema public from public");
    fixture.execute(&statements).await;
}

fn command(fixture: &Fixture, more: &[&str]) -> Command {
    let mut command = fixture.command(&[&["db", "grant", "--output", "json"], more].concat());
    command.envs(Moto::shared().environment());
    command
}

#[track_caller]
fn grant(fixture: &Fixture, more: &[&str]) -> Value {
    serde_json::from_str(&stdout(fixture.checked(&mut command(fixture, more)))).expect("JSON and nothing else")
}

/// Fails unless the role can log in with what its secret holds.
async fn assert_logs_in(fixture: &Fixture, role: &str, secret: &str) {
    let secret = Moto::shared().secret(secret, "AWSCURRENT").await.expect("an answer").expect("a secret");
    let password = secret["password"].as_str().expect("a text");
    assert_eq!((&secret["username"], &secret["dbname"]), (&json!(role), &json!(fixture.database.name)));
    fixture.database.connect_as(role, password).await.expect("it is accepted");
}

#[tokio::test]
async fn each_database_of_a_server_gets_a_role_and_a_secret_of_its_own() {
    let server = Server::start().await;
    for fixture in [&server.app, &server.shop] {
        let role = format!("{FORMER}_{}", fixture.database.name);
        assert_eq!(grant(fixture, &[])["role"], json!(role));
        assert_eq!(grant(fixture, &[])["changes"], json!([]), "a second run changes nothing");
    }
    for fixture in [&server.app, &server.shop] {
        let role = format!("{FORMER}_{}", fixture.database.name);
        assert_logs_in(fixture, &role, &format!("localhost/{role}")).await;
    }
}

#[tokio::test]
async fn a_role_that_a_former_release_has_made_stays() {
    let Server { app, shop, .. } = &Server::start().await;
    // One secret of this name for each test: it is that of the host.
    let secret = format!("former/{}", app.database.name);
    grant(app, &["--role", FORMER, "--secret", &secret]);
    let again = grant(app, &["--secret", &secret]);
    assert_eq!((&again["role"], &again["changes"]), (&json!(FORMER), &json!([])));

    // Dropped and created again, the database knows nothing of the role, and the function still has the secret.
    for words in [&["db", "drop", "--yes"][..], &["db", "create"], &["db", "load"]] {
        app.stdout(words);
        app.wait_until_alone().await;
    }
    close_to_public(app).await;
    assert_eq!(grant(app, &["--secret", &secret])["role"], json!(FORMER));
    assert_logs_in(app, FORMER, &secret).await;

    // It is no other database's.
    assert_eq!(grant(shop, &[])["role"], json!(format!("{FORMER}_{}", shop.database.name)));
    assert_logs_in(app, FORMER, &secret).await;
}

#[tokio::test]
async fn the_password_of_a_role_that_another_database_uses_is_never_changed() {
    let Server { app, shop, .. } = &Server::start().await;
    let (secret, another) = (format!("a/{}", app.database.name), format!("b/{}", shop.database.name));
    grant(app, &["--role", FORMER, "--secret", &secret]);
    let own = format!("{FORMER}_{}", shop.database.name);
    let problem =
        format!("the role {FORMER} is used in {} too, and another password would lock its clients", app.database.name);
    let hint = format!("hint: give this database a role of its own with --role {own}");
    // Also where both databases have granted it, each with a secret of its own and another password.
    for before in [
        "select 1",
        "grant usage on schema cognito to post_confirmation; grant execute on function cognito.ensure_user to post_confirmation",
    ] {
        shop.execute(before).await;
        for more in [&["--yes"][..], &["--yes", "--rotate"]] {
            let more = [&["--role", FORMER, "--secret", &another], more].concat();
            let refused = shop.checked(&mut command(shop, &more));
            assert_refused(&refused, &problem);
            assert_refused(&refused, &hint);
        }
        let mut theirs = Moto::shared().secret(&secret, "AWSCURRENT").await.expect("an answer").expect("a secret");
        theirs["dbname"] = json!(shop.database.name);
        theirs["password"] = json!("of another secret");
        let _ = Moto::shared().create_secret(&another, &theirs).await;
    }
    assert_logs_in(app, FORMER, &secret).await;
    // The secret of the other database leads out as well.
    let refused = shop.checked(&mut command(shop, &["--role", FORMER, "--secret", &secret]));
    assert_refused(&refused, &hint);
    // As the hint says.
    grant(shop, &["--role", &own]);
    assert_logs_in(shop, &own, &format!("localhost/{own}")).await;
    assert_logs_in(app, FORMER, &secret).await;
}

#[tokio::test]
async fn a_role_that_another_database_uses_is_changed_only_after_a_question() {
    let (app, shop) = (Fixture::loaded().await, Fixture::loaded().await);
    close_to_public(&app).await;
    let role = format!("shared_{}", app.database.name);
    grant(&app, &["--role", &role]);
    shop.execute(&format!("grant select on users to {role}")).await;
    let more = ["--role", &role, "--connection-limit", "7"];
    let refused = app.checked(&mut command(&app, &more));
    let expected =
        format!("The role {role} is used in {} too, and a program may rely on it. This is to", shop.database.name);
    assert_refused(&refused, &format!("{expected} allow it at most 7 connections (before: 50)"));
    let granted = grant(&app, &[&more[..], &["--yes"]].concat());
    assert_eq!(granted["changes"], json!(["allow it at most 7 connections (before: 50)"]));
}

#[tokio::test]
async fn a_privilege_in_another_database_through_a_group_is_a_use_of_the_role() {
    let (app, shop) = (Fixture::loaded().await, Fixture::loaded().await);
    let role = format!("grouped_{}", app.database.name);
    let groups = format!(
        "create role {role} login; create role inner_{role}; create role outer_{role};
         grant outer_{role} to inner_{role}; grant inner_{role} to {role}"
    );
    app.execute(&groups).await;
    shop.execute(&format!("grant select on users to outer_{role}")).await;
    let refused = app.checked(&mut command(&app, &["--role", &role, "--yes"]));
    assert_refused(&refused, &format!("the role {role} is used in {} too", shop.database.name));
}

#[tokio::test]
async fn a_session_in_another_database_is_a_use_of_the_role() {
    let (app, shop) = (Fixture::loaded().await, Fixture::new().await);
    let role = format!("waiter_{}", app.database.name);
    app.execute(&format!("create role {role} login password 'x'")).await;
    let _client = shop.database.connect_as(&role, "x").await.expect("it is accepted");
    let refused = app.checked(&mut command(&app, &["--role", &role, "--yes"]));
    assert_refused(&refused, &format!("the role {role} is used in {} too", shop.database.name));
}

#[tokio::test]
async fn a_name_that_the_server_would_cut_off_is_refused() {
    let fixture = Fixture::loaded().await;
    for name in ["r".repeat(64), "é".repeat(32), String::new()] {
        let output = fixture.run(&["db", "grant", "--iam", "--role", &name]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("use a name of 1 to 63 bytes"), "{output:?}");
    }
    let long = "d".repeat(46);
    fixture.execute(&format!("create database {long}")).await;
    let long = Fixture { database: TestDatabase { name: long, ..fixture.database.clone() } };
    long.stdout(&["db", "load"]);
    let refused = long.run(&["db", "grant", "--iam"]);
    assert_refused(&refused, "is longer than 63 bytes\nhint: name the role with --role");
    for name in ["pg_mine", "pg_monitor", "public", "none"] {
        let reserved = long.run(&["db", "grant", "--iam", "--role", name, "--yes"]);
        assert_eq!(reserved.status.code(), Some(2), "{reserved:?}");
        let stderr = String::from_utf8_lossy(&reserved.stderr);
        assert!(stderr.contains("choose another name: PostgreSQL has reserved this one"), "{stderr}");
    }
}
