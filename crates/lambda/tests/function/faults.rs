//! A fault around the function is reported with its remedy, and the function recovers by itself where it can.

use std::ffi::OsString;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStringExt;

use serde_json::json;
use tempfile::NamedTempFile;
use testkit::{Authority, Function, Postgres, RuntimeApi};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fixture::{Fixture, fail, fail_open, run_out_of_time, sample, sign_up, succeed, try_succeed, undisturbed};
use crate::log_schema;

/// Fails unless the report has this remedy beside the error, and the log holds no password.
#[track_caller]
fn assert_reported(fixture: &Fixture, line: &serde_json::Value, log: &str, remedy: &str) {
    let (error, reported) = (line["error"].as_str().expect("a chain of causes"), line["remedy"].as_str());
    assert!(reported.is_some_and(|reported| reported.contains(remedy)), "expected the remedy {remedy:?} in {line}");
    assert!(!error.contains(remedy), "the remedy is no part of the error {error:?}");
    for password in [fixture.database.password.as_str(), "hunter2"] {
        assert!(!log.contains(password), "the password is in the log:\n{log}");
    }
}

async fn assert_refused(fixture: &Fixture, changes: &[(&str, String)], word: &str, remedy: &str) {
    let function = fixture.function(changes).await;
    let line = fail(&function, &sample("confirm-sign-up").0, word).await;
    assert_reported(fixture, &line, &function.log(), remedy);
}

#[tokio::test]
async fn a_server_with_a_certificate_from_an_unknown_authority_is_refused() {
    let fixture = Fixture::new().await;
    // By another name, and by the very name of the right one, with another key.
    for name in ["another authority", "throw-away root"] {
        let mut other = NamedTempFile::new().expect("a file");
        let root = Authority::new(name).expect("an authority").root_certificate();
        other.write_all(root.as_bytes()).expect("the file is writable");
        let changes = [("PGSSLROOTCERT", other.path().to_string_lossy().into_owned())];
        assert_refused(&fixture, &changes, "TlsRefused", "set PGSSLROOTCERT to a PEM file with the root that signed")
            .await;
    }
    assert_eq!(fixture.users().await, []);
}

#[tokio::test]
async fn a_server_whose_certificate_has_another_name_is_refused() {
    let fixture = Fixture::new().await;
    let changes = [("PGHOST", "127.0.0.1".to_owned())];
    assert_refused(&fixture, &changes, "TlsRefused", "use a host name that its certificate holds").await;
    assert_eq!(fixture.users().await, []);
}

#[tokio::test]
async fn a_wrong_password_is_reported() {
    let fixture = Fixture::new().await;
    let mut secret = fixture.database.secret();
    secret["password"] = json!("hunter2");
    fixture.store_secret("wrong-password", secret).await;
    let changes = [("DB_SECRET_ID", "wrong-password".to_owned())];
    let remedy = "correct the user name and the password in the secret";
    assert_refused(&fixture, &changes, "CredentialsRejected", remedy).await;
}

#[tokio::test]
async fn a_missing_database_is_reported() {
    let fixture = Fixture::new().await;
    let changes = [("PGDATABASE", "nowhere".to_owned())];
    assert_refused(&fixture, &changes, "DatabaseMissing", "run `provision db create --prod`").await;
}

#[tokio::test]
async fn a_missing_table_is_reported() {
    let fixture = Fixture::without_schema(Postgres::shared()).await;
    assert_refused(&fixture, &[], "SchemaMissing", "run `provision db load --prod`").await;
}

#[tokio::test]
async fn a_missing_secret_is_reported() {
    let fixture = Fixture::new().await;
    let changes = [("DB_SECRET_ID", "nowhere".to_owned())];
    assert_refused(
        &fixture,
        &changes,
        "SecretUnavailable",
        "check the name or ARN of the resource, and that it is in this region",
    )
    .await;
}

#[tokio::test]
async fn without_aws_credentials_the_remedy_is_the_functions_role() {
    let fixture = Fixture::new().await;
    let changes = [("AWS_ACCESS_KEY_ID", String::new()), ("AWS_EC2_METADATA_DISABLED", "true".to_owned())];
    assert_refused(&fixture, &changes, "SecretUnavailable", "check that the function has an execution role").await;
}

#[tokio::test]
async fn a_secret_that_is_no_json_is_reported_without_quoting_it() {
    let fixture = Fixture::new().await;
    fixture.store_secret("no-object", json!("hunter2")).await;
    let changes = [("DB_SECRET_ID", "no-object".to_owned())];
    assert_refused(&fixture, &changes, "SecretInvalid", "write JSON with `username` and `password`").await;
}

#[tokio::test]
async fn a_missing_file_of_root_certificates_is_reported() {
    let fixture = Fixture::new().await;
    let changes = [("PGSSLROOTCERT", "/nowhere.pem".to_owned())];
    assert_refused(&fixture, &changes, "SettingsInvalid", "set PGSSLROOTCERT to a PEM file").await;
}

#[tokio::test]
async fn missing_settings_are_reported() {
    let fixture = Fixture::new().await;
    let changes = [("DB_SECRET_ID", String::new())];
    assert_refused(&fixture, &changes, "SettingsInvalid", "set DB_SECRET_ID to the name or ARN").await;
}

#[tokio::test]
async fn a_variable_that_is_not_utf8_is_reported_and_never_logged() {
    let fixture = Fixture::new().await;
    for name in ["CONNECTION_URL", "DB_SECRET_ID", "DB_AUTH"] {
        let api = RuntimeApi::start().await.expect("a Runtime API");
        let value = OsString::from_vec(b"postgres://fn:hunter2\xe9@localhost/app".to_vec());
        let function = Function::start_on(api, env!("CARGO_BIN_EXE_post-confirmation"), &[(name, value)]);
        let function = function.expect("the function starts").inspected_by(log_schema::check);
        let line = fail(&function, &sample("confirm-sign-up").0, "SettingsInvalid").await;
        assert_eq!(line["error"], format!("{name} is not UTF-8"));
        assert_reported(&fixture, &line, &function.log(), "percent-encode every special character");
    }
}

#[tokio::test]
async fn a_value_in_the_wrong_variable_is_never_logged() {
    let fixture = Fixture::new().await;
    for value in ["postgres://fn:hunter2@localhost/app", r#"{"username": "fn", "password": "hunter2"}"#] {
        for name in ["DB_SECRET_ID", "PGHOST", "PGUSER", "PGDATABASE", "PGSSLROOTCERT", "AWS_REGION"] {
            let changes = [(name, value.to_owned())];
            assert_refused(&fixture, &changes, "SettingsInvalid", "set it to ").await;
        }
        let mut secret = fixture.database.secret();
        secret["host"] = json!(value);
        let id = format!("misplaced-{}", value.len());
        fixture.store_secret(&id, secret).await;
        assert_refused(&fixture, &[("DB_SECRET_ID", id)], "SecretInvalid", "write JSON with").await;
    }
}

#[tokio::test]
async fn a_login_in_the_name_of_a_database_or_a_file_is_never_logged() {
    let fixture = Fixture::new().await;
    for value in
        ["host=db user=fn password=hunter2", "app?password=hunter2", "Server=db;Pwd=hunter2;", "//fn:hunter2@db/app"]
    {
        for name in ["PGUSER", "PGDATABASE", "PGSSLROOTCERT"] {
            assert_refused(&fixture, &[(name, value.to_owned())], "SettingsInvalid", "set it to ").await;
        }
    }
    for value in ["localhost:5432:app:fn:hunter2", "user=fn hunter2", "fn:hunter2"] {
        let changes = [("PGDATABASE", value.to_owned())];
        assert_refused(&fixture, &changes, "DatabaseMissing", "or correct PGDATABASE").await;
    }
    let changes = [("PGSSLROOTCERT", "fn:hunter2".to_owned())];
    assert_refused(&fixture, &changes, "SettingsInvalid", "set PGSSLROOTCERT to a PEM file").await;
}

#[tokio::test]
async fn a_host_or_an_endpoint_that_the_sdk_cannot_use_is_reported() {
    let fixture = Fixture::new().await;
    for host in ["999.1.1.1", "1.2.3.4.5", "xn--a", "10.0.0.300", "a..b"] {
        let changes =
            [("DB_SECRET_ID", ""), ("DB_AUTH", "iam"), ("PGHOST", host), ("PGUSER", "fn"), ("PGDATABASE", "app")]
                .map(|(name, value)| (name, value.to_owned()));
        assert_refused(&fixture, &changes, "SettingsInvalid", "set it to the host name").await;
    }
    for endpoint in ["http:127.0.0.1", "http:\\\\127.0.0.1", "http://é.example", "http://:hunter2@localhost"] {
        let changes = [("AWS_ENDPOINT_URL", endpoint.to_owned())];
        assert_refused(&fixture, &changes, "SettingsInvalid", "set it to a URL such as").await;
    }
}

#[tokio::test]
async fn a_service_that_is_not_postgresql_is_reported() {
    let fixture = Fixture::new().await;
    let mysql = ["J\0\0\0\n8.0.36\0", "N\0\0\0\n8.0.36-28\0", "S\0\0\0\n5.5.5-10.11.6-MariaDB\0"];
    let others = ["SSH-2.0-OpenSSH_9.6\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\x15\x03\x01\0\x02\x02\x46"];
    for greeting in mysql.into_iter().chain(others) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    stream.write_all(greeting.as_bytes()).await.expect("the client reads");
                    // Until the client is gone.
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                });
            }
        });
        let changes = [("PGPORT", port.to_string())];
        assert_refused(&fixture, &changes, "TlsRefused", "check the port").await;
    }
}

#[tokio::test]
async fn a_file_of_root_certificates_that_is_never_read_to_its_end_is_reported() {
    let fixture = Fixture::new().await;
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("ca.pem");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo");
    assert!(made.success());
    let function = fixture.function(&[("PGSSLROOTCERT", fifo.to_string_lossy().into_owned())]).await;
    let event = sample("confirm-sign-up").0;
    undisturbed(async || run_out_of_time(&function, &event, "reading the root certificates").await).await;
    std::fs::remove_file(&fifo).expect("the directory is writable");
    std::fs::copy(&fixture.database.root_certificate, &fifo).expect("the roots");
    succeed(&function, &event).await;
    function.end().await.expect("a read that never ends does not keep the process");
}

#[tokio::test]
async fn a_server_that_does_not_run_is_reported() {
    let fixture = Fixture::new().await;
    let port = testkit::Port::reserve().expect("a port");
    let changes = [("PGPORT", port.number().to_string())];
    assert_refused(&fixture, &changes, "DatabaseUnreachable", "check that the server runs").await;
}

#[tokio::test]
async fn a_database_that_comes_up_only_after_the_function_is_used_all_the_same() {
    let postgres = Postgres::start().expect("a server of this test's own");
    let fixture = Fixture::on(&postgres).await;
    postgres.stop("immediate").expect("the server stops");

    let function = fixture.function(&[]).await;
    // Not by its `errorType`: on a slow machine the time is over first.
    let message = "not connected yet; the first invocation tries again";
    function.log_line("message", message).await.expect("a line that it is not connected");
    let (event, _) = sample("confirm-sign-up");
    fail(&function, &event, "DatabaseUnreachable").await;
    postgres.start_again().expect("the server starts");
    succeed(&function, &event).await;
    assert_eq!(fixture.users().await.len(), 1);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_opened_again() {
    let terminate = "select pg_terminate_backend(pid, 60000) from pg_stat_activity \
                     where datname = current_database() and application_name = 'post-confirmation'";
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let function = fixture.function(&[]).await;
        succeed(&function, &sample("confirm-sign-up").0).await;
        fixture.execute(terminate).await;
        try_succeed(&function, &sample("confirm-sign-up-phone").0).await?;
        assert_eq!(fixture.users().await.len(), 2);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_new_password_is_never_refused_and_what_failed_is_reported() {
    let event = sample("confirm-forgot-password").0;
    let fixture = Fixture::new().await;
    let without_settings = fixture.function(&[("DB_SECRET_ID", String::new())]).await;
    let line = fail_open(&without_settings, &event, "SettingsInvalid").await;
    let remedy = "set DB_SECRET_ID to the name or ARN";
    assert_reported(&fixture, &line, &without_settings.log(), remedy);
    assert_eq!((&line["level"], &line["Outcome"]), (&json!("ERROR"), &json!("failed-open")));

    fixture.execute("drop table users cascade").await;
    let function = fixture.function(&[]).await;
    let line = fail_open(&function, &event, "SchemaMissing").await;
    assert_reported(&fixture, &line, &function.log(), "run `provision db load --prod`");

    let without_sub = sign_up("ada", &json!({"name": "Ada"})).replace("ConfirmSignUp", "ConfirmForgotPassword");
    fail_open(&function, &without_sub, "InvalidEvent").await;
    // A sign-up is refused, as long as there is somebody to tell.
    fail(&function, &sample("confirm-sign-up").0, "SchemaMissing").await;
}
