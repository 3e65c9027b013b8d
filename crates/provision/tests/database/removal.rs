//! `provision db drop` says what is true of the database when its connection breaks.

use std::process::Stdio;

use tokio_postgres::Client;

use crate::fixture::Fixture;
use crate::setup_safety::server;

/// Starts a drop in development, and ends its session after this; the drop waits for the lock of the client until then.
async fn dropped_after(fixture: &Fixture, meanwhile: impl AsyncFnOnce(&Client)) -> String {
    let (name, server) = (&fixture.database.name, server(fixture));
    fixture.wait_until_alone().await;
    let holder = server.client().await;
    holder.batch_execute(&format!("begin; comment on database {name} is null")).await.expect("a lock");
    let mut drop = fixture.command(&["db", "drop", "--yes"]);
    let drop = drop.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("provision starts");
    let waiting = format!("query like 'drop database %{name}%' and wait_event_type = 'Lock'");
    server.wait_until(&waiting).await;
    let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where {waiting}");
    holder.batch_execute(&end).await.expect("the session's end");
    holder.batch_execute("commit").await.expect("the lock's end");
    meanwhile(&holder).await;
    let output = drop.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "the connection broke: going on in a new one\n");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test]
async fn a_drop_whose_connection_breaks_ends_with_a_database_that_is_gone() {
    let fixture = Fixture::new().await;
    let name = &fixture.database.name;
    let expected = format!("the database {name} on localhost is dropped\n");
    assert_eq!(dropped_after(&fixture, async |_| ()).await, expected);
    fixture.stdout(&["db", "create"]);
    let already = async |client: &Client| {
        client.batch_execute(&format!("drop database {name}")).await.expect("the end of the drop");
    };
    assert_eq!(dropped_after(&fixture, already).await, expected);
    fixture.stdout(&["db", "create"]);
    let half = async |client: &Client| {
        let halve = format!("update pg_database set datconnlimit = -2 where datname = '{name}'");
        client.batch_execute(&halve).await.expect("half of a drop");
    };
    assert_eq!(dropped_after(&fixture, half).await, expected);
    fixture.stdout(&["db", "create"]);
}
