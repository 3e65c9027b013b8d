//! What a URL asks of its connection, besides where it leads.

use std::time::Duration;

use db::{Budget, Database, Kind, Plaintext, Settings};
use testkit::{Postgres, TestDatabase};

/// The error of a session with these parameters, or its answer to the query.
async fn ask(database: &TestDatabase, parameters: &str, query: &str) -> Result<String, db::Error> {
    let url = format!("{}?{parameters}", database.url());
    let roots = database.root_certificate.clone();
    let variable = |name: &str| (name == "PGSSLROOTCERT").then(|| roots.clone());
    let settings = Settings::from_url("CONNECTION_URL", &url, Plaintext::Refused, variable).expect("a URL");
    let session = Database::new(settings, "the program's").connect(&Budget::new(Duration::from_mins(1))).await?;
    let answer = session.query_one(query, &[]).await?.get(0);
    session.close().await;
    Ok(answer)
}

#[tokio::test]
async fn a_session_has_the_name_in_the_url_or_the_programs() {
    let database = Postgres::shared().database().await.expect("a database");
    let query = "select current_setting('application_name')";
    assert_eq!(ask(&database, "", query).await.expect("an answer"), "the program's");
    assert_eq!(ask(&database, "application_name=of%20the+URL", query).await.expect("an answer"), "of the+URL");
}

#[tokio::test]
async fn a_session_is_only_on_the_server_that_is_asked_for() {
    let database = Postgres::shared().database().await.expect("a database");
    let query = "select 'answer'";
    for target in ["any", "primary", "read-write"] {
        ask(&database, &format!("target_session_attrs={target}"), query).await.expect("this server writes");
    }
    let name = &database.name;
    let read_only = format!("alter database {name} set default_transaction_read_only = on");
    database.connect().await.expect("a session").batch_execute(&read_only).await.expect("it is the owner's");
    for target in ["any", "primary"] {
        ask(&database, &format!("target_session_attrs={target}"), query).await.expect("it may only read");
    }
    let error = ask(&database, "target_session_attrs=read-write", query).await.expect_err("nothing can be written");
    assert_eq!(error.kind(), Kind::DatabaseReadOnly, "{error}");
    assert_eq!(error.to_string(), "the database server localhost is not writable, as target_session_attrs asks for");
}

#[tokio::test]
async fn channel_binding_is_required_or_left_out_as_the_url_says() {
    let database = Postgres::shared().database().await.expect("a database");
    for mode in ["require", "prefer", "disable"] {
        ask(&database, &format!("channel_binding={mode}"), "select 'answer'")
            .await
            .expect("SCRAM over TLS can do both");
    }
}
