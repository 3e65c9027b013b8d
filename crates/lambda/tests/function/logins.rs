//! Other ways to log in: IAM tokens, and a pooler before the server.

use std::collections::BTreeSet;
use std::time::Duration;

use testkit::{IamGateway, Moto, PgBouncer, Postgres};

use crate::fixture::{Fixture, fail, sample, sign_up, succeed, try_succeed, undisturbed};

const END_IAM_SESSIONS: &str = "select pg_terminate_backend(pid, 60000) from pg_stat_activity \
                                where usename = 'iam_user' and datname = current_database()";

/// A database whose role `iam_user` logs in with a token, and the function's variables for it.
async fn iam() -> (Fixture, IamGateway, Vec<(&'static str, String)>) {
    let fixture = Fixture::new().await;
    // Roles are the server's, and another test may have made this one.
    let role =
        "do $$ begin create role iam_user login; exception when duplicate_object or unique_violation then end $$";
    fixture.execute(role).await;
    fixture.allow("iam_user").await;
    let gateway = IamGateway::start(&fixture.database).await.expect("a gateway");
    let variables = vec![
        ("DB_AUTH", "iam".to_owned()),
        ("DB_SECRET_ID", String::new()),
        ("PGHOST", fixture.database.host().to_owned()),
        ("PGPORT", gateway.port().to_string()),
        ("PGDATABASE", fixture.database.name.clone()),
        ("PGUSER", "iam_user".to_owned()),
        ("PGSSLROOTCERT", gateway.root_certificate().to_string_lossy().into_owned()),
        // Every request to AWS fails: a token needs none.
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1".to_owned()),
    ];
    (fixture, gateway, variables)
}

#[tokio::test]
async fn an_iam_token_is_made_for_each_connection_and_never_logged() {
    let (fixture, gateway, variables) = iam().await;
    let function = fixture.function(&variables).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    // A token changes with the second it was made in.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    fixture.execute(END_IAM_SESSIONS).await;
    succeed(&function, &sample("confirm-sign-up-phone").0).await;

    let tokens = gateway.tokens();
    let different: BTreeSet<&String> = tokens.iter().collect();
    assert!(different.len() > 1, "two connections more than a second apart, and the tokens {tokens:?}");
    for token in tokens {
        let start = format!("localhost:{}/?Action=connect&DBUser=iam_user&", gateway.port());
        assert!(token.starts_with(&start) && token.contains("X-Amz-Signature="), "{token}");
        assert!(!function.log().contains("X-Amz-Signature"), "a token stands in the log:\n{}", function.log());
    }
    assert_eq!(fixture.users().await.len(), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_for_a_moment_is_made_anew() {
    undisturbed(async || {
        let (fixture, gateway, variables) = iam().await;
        let function = fixture.function(&variables).await;
        succeed(&function, &sample("confirm-sign-up").0).await;
        fixture.execute(END_IAM_SESSIONS).await;
        let before = gateway.tokens().len();
        gateway.refuse_next(4);
        try_succeed(&function, &sample("confirm-sign-up-phone").0).await?;
        assert_eq!(gateway.tokens().len() - before, 5, "four refused tokens, and one that is accepted");
        assert_eq!(fixture.users().await.len(), 2);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_never_accepted_is_reported() {
    let (fixture, gateway, variables) = iam().await;
    gateway.refuse_next(usize::MAX);
    let function = fixture.function(&variables).await;
    let line = fail(&function, &sample("confirm-sign-up").0, "CredentialsRejected").await;
    let remedy = line["remedy"].as_str().expect("a remedy");
    for way_out in ["rds-db:connect", "AWS_REGION", "not an alias", "LOGIN", "pg_hba.conf"] {
        assert!(remedy.contains(way_out), "expected {way_out:?} in {remedy:?}");
    }
}

#[tokio::test]
async fn no_setting_for_a_token_ends_the_process() {
    let (fixture, _gateway, variables) = iam().await;
    let event = sample("confirm-sign-up").0;
    for (name, value) in [
        ("PGHOST", "localhost:5432"),
        ("PGHOST", "local host"),
        ("PGHOST", "::1"),
        ("PGUSER", "fn\nhunter2"),
        ("AWS_ACCESS_KEY_ID", "hunter2\n"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2\n"),
        ("AWS_SESSION_TOKEN", "hunter2\n"),
        ("AWS_REGION", "eu central"),
    ] {
        let changes: Vec<_> = variables.iter().cloned().chain([(name, value.to_owned())]).collect();
        let function = fixture.function(&changes).await;
        let line = fail(&function, &event, "SettingsInvalid").await;
        assert!(line["error"].as_str().is_some_and(|error| error.starts_with(name)), "expected {name} in {line}");
        assert!(!function.log().contains("hunter2"), "a value is in the log:\n{}", function.log());
    }
    for (name, value) in [("PGHOST", "localhost \n"), ("PGUSER", "iam_user\n"), ("AWS_REGION", "eu-central-1\n")] {
        let changes: Vec<_> = variables.iter().cloned().chain([(name, value.to_owned())]).collect();
        succeed(&fixture.function(&changes).await, &event).await;
    }
}

#[tokio::test]
async fn a_password_rotated_behind_pgbouncer_is_read_again() {
    let postgres = Postgres::start().expect("a server of this test's own");
    undisturbed(async || {
        let fixture = Fixture::on(&postgres).await;
        let role = format!("pooled_{}", fixture.database.name);
        fixture.execute(&format!("create role {role} login password 'first'")).await;
        fixture.allow(&role).await;
        let mut secret = fixture.database.secret();
        secret["username"] = role.as_str().into();
        secret["password"] = "first".into();
        fixture.store_secret(&role, secret.clone()).await;
        let mut pgbouncer = PgBouncer::start(&postgres, &fixture.database, 5).expect("a pooler");
        pgbouncer.restart(&postgres, &[(&role, "first")]).expect("a pooler with the role");
        let changes = [("DB_SECRET_ID", role.clone()), ("PGPORT", pgbouncer.port().to_string())];
        let function = fixture.function(&changes).await;
        succeed(&function, &sample("confirm-sign-up").0).await;

        fixture.execute(&format!("alter role {role} password 'second'")).await;
        pgbouncer.restart(&postgres, &[(&role, "second")]).expect("a pooler with the new password");
        let refused = fail(&function, &sample("confirm-sign-up-phone").0, "CredentialsRejected").await;
        assert!(refused["error"].as_str().is_some_and(|error| error.contains("SQLSTATE 08P01")), "{refused}");
        let remedy = refused["remedy"].as_str().expect("a remedy");
        assert!(remedy.contains("the pooler's auth_file"), "{remedy}");
        secret["password"] = "second".into();
        Moto::shared().put_secret(&role, "AWSCURRENT", &secret).await.expect("a new version");
        try_succeed(&function, &sample("confirm-sign-up-phone").0).await?;
        assert_eq!(fixture.users().await.len(), 2);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_database_that_pgbouncer_does_not_have_is_reported() {
    let postgres = Postgres::start().expect("a server of this test's own");
    let fixture = Fixture::on(&postgres).await;
    let pgbouncer = PgBouncer::start_for(&postgres, &fixture.database, 5, "another").expect("a pooler");
    fixture.store_secret("pooled-elsewhere", fixture.database.secret()).await;
    let changes = [("DB_SECRET_ID", "pooled-elsewhere".to_owned()), ("PGPORT", pgbouncer.port().to_string())];
    let function = fixture.function(&changes).await;
    let line = fail(&function, &sample("confirm-sign-up").0, "DatabaseMissing").await;
    let remedy = line["remedy"].as_str().expect("a remedy");
    assert!(remedy.contains("[databases] in the pooler's configuration"), "{remedy}");
}

#[tokio::test]
async fn fifty_functions_share_five_connections_through_pgbouncer() {
    let postgres = Postgres::start().expect("a server of this test's own");
    let fixture = Fixture::on(&postgres).await;
    let pgbouncer = PgBouncer::start(&postgres, &fixture.database, 5).expect("a pooler");
    fixture.store_secret("pooled", fixture.database.secret()).await;
    // The pooler knows the owner alone.
    let changes = [("DB_SECRET_ID", "pooled".to_owned()), ("PGPORT", pgbouncer.port().to_string())];
    let functions = fixture.connected_functions(50, &changes).await;
    for round in 0..4 {
        futures::future::join_all(functions.iter().enumerate().map(async |(number, function)| {
            let sub = format!("{round:04}{number:04}");
            succeed(function, &sign_up("ada", &serde_json::json!({"sub": sub}))).await;
        }))
        .await;
    }
    assert_eq!(fixture.users().await.len(), 200);
    let client = fixture.database.connect().await.expect("the database is up");
    let sessions =
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    let sessions: i64 = client.query_one(sessions, &[]).await.expect("a count").get(0);
    assert!((1..=5).contains(&sessions), "{sessions} sessions at the server");
}

#[tokio::test]
async fn a_role_without_the_grant_is_refused() {
    let fixture = Fixture::new().await;
    let role = format!("powerless_{}", fixture.database.name);
    fixture.execute(&format!("create role {role} login password 'x'")).await;
    let mut secret = fixture.database.secret();
    secret["username"] = role.as_str().into();
    secret["password"] = "x".into();
    fixture.store_secret(&role, secret).await;
    let function = fixture.function(&[("DB_SECRET_ID", role)]).await;
    let line = fail(&function, &sample("confirm-sign-up").0, "NotAllowed").await;
    assert!(line["error"].as_str().is_some_and(|error| error.contains("SQLSTATE 42501")), "{line}");
}
