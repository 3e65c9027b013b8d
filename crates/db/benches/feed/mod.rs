//! A long home feed, for the benchmark and the test of its plan.

use testkit::{Postgres, TestDatabase};
use tokio_postgres::Client;

/// A new database with so many activities, by a tenth as many users.
pub(crate) async fn fill(activities: u32) -> (TestDatabase, Client) {
    let database = Postgres::shared().database().await.expect("a new database");
    let mut client = database.connect().await.expect("the database is up");
    db::schema::load(&mut client).await.expect("the migrations apply");
    let statements = include_str!("fill.sql")
        .replace("{users}", &(activities / 10).to_string())
        .replace("{activities}", &activities.to_string());
    for statement in statements.split_inclusive(";\n") {
        client.batch_execute(statement).await.expect(statement);
    }
    (database, client)
}
