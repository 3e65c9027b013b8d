//! Sign-ups while the database is away.

use crate::stack::Stack;

#[tokio::test]
async fn sign_ups_without_a_database_succeed_and_have_their_rows_soon_after() {
    let stack = Stack::deploy().await;
    stack.sign_up((0..200).map(|number| format!("before-{number}")), 16).await;
    stack.until_rows(200).await;

    stack.postgres.stop("fast").expect("the server stops");
    stack.sign_up((0..200).map(|number| format!("meanwhile-{number}")), 40).await;
    stack.postgres.start_again().expect("the server starts");
    stack.until_rows(400).await;
}
