//! Questions of a command in the operator's function: they are asked where the operator is.

use serde_json::Value;

use super::{Vpc, assert_says};
use crate::terminal::Terminal;

impl Vpc {
    /// With a role of the function's name that has a right too many: to revoke it is a question.
    async fn with_role() -> (Self, String) {
        let vpc = Self::loaded().await;
        let role = format!("post_confirmation_{}", vpc.database.name);
        let client = vpc.database.connect().await.expect("the server is up");
        let create = format!("create role {role} login; grant insert on users to {role}");
        client.batch_execute(&create).await.expect("a role");
        (vpc, role)
    }

    /// How many rights the function's role has on the users.
    async fn rights(&self) -> i64 {
        let rights = "select count(*) from information_schema.role_table_grants \
                      where table_name = 'users' and grantee like 'post_confirmation%'";
        self.count(rights).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_here_and_nothing_happens_before_its_answer() {
    let (vpc, role) = Vpc::with_role().await;
    let grant = vpc.command(&["db", "grant"]);
    let mut terminal = Terminal::start(&grant);
    let question = terminal.question();
    assert_says(
        &question,
        &[
            "a program may rely on it",
            "revoke its privileges on table public.users",
            &format!("Type `{role}` to confirm: "),
        ],
    );
    assert_eq!(vpc.rights().await, 1, "nothing is done before the answer");
    assert_says(&terminal.answer("no"), &["error: not confirmed, so nothing was done"]);
    assert_eq!(vpc.rights().await, 1, "nothing is done after a refusal");

    let mut terminal = Terminal::start(&grant);
    terminal.question();
    assert_says(&terminal.answer(&role), &["is changed:", "DB_SECRET_ID="]);
    assert_eq!(vpc.rights().await, 0);
    let last: Value = serde_json::from_str(vpc.lambda.payloads().last().expect("one")).expect("JSON");
    assert_eq!(last["confirmed"][0]["expected"], *role);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_at_the_question_ends_the_command_and_nothing_is_done() {
    let (vpc, _) = Vpc::with_role().await;
    let mut terminal = Terminal::start(&vpc.command(&["db", "grant"]));
    terminal.question();
    terminal.type_keys("\x03");
    let (seen, status) = terminal.end();
    assert_eq!(status, Some(130), "{seen}");
    assert_eq!((vpc.lambda.payloads().len(), vpc.rights().await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_a_question_is_an_error_with_the_way_out() {
    let (vpc, _) = Vpc::with_role().await;
    let error = vpc.error(&["db", "grant"]);
    assert_says(&error, &["error: cannot ask, because standard input is no terminal", "hint: add --yes to confirm"]);
    assert_eq!(vpc.lambda.payloads().len(), 1);
    assert_eq!(vpc.rights().await, 1);
    vpc.stdout(&["db", "grant", "--yes"], 0);
    assert_eq!(vpc.rights().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_user_are_deleted_after_a_question_here_and_the_run_goes_on_after_it() {
    let vpc = Vpc::loaded().await;
    vpc.pool.import("ada", &[("email", "ada@example.com")]);
    vpc.pool.set_password("ada");
    let client = vpc.database.connect().await.expect("the server is up");
    let row = "insert into users (display_name, handle, cognito_user_id) \
               values ('Gone', 'gone', '5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95')";
    client.batch_execute(row).await.expect("a row");
    let reconcile =
        vpc.command(&["users", "reconcile", "--settle", "0s", "--rps", "1000", "--forget-orphans", "--output", "json"]);
    let mut terminal = Terminal::start(&reconcile);
    assert_says(
        &terminal.question(),
        &["This deletes 1 row whose user the pool", &format!("Type `1 {}`", vpc.pool.id())],
    );
    let report = terminal.answer(&format!("1 {}", vpc.pool.id()));
    let report = &report[report.find('{').expect("JSON")..];
    let report: Value = serde_json::from_str(report).expect("one document");
    assert_eq!(report["orphans"]["forgotten"], 1, "{report}");
    assert_eq!(vpc.count("select count(*) from users").await, 1);
    let left = "select count(*) from pg_class where relname like 'reconcile%'";
    assert_eq!(vpc.count(left).await, 0, "the copy of the pool's users is dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_deletion_leaves_the_rows_and_no_copy_of_the_pool() {
    let vpc = Vpc::loaded().await;
    let client = vpc.database.connect().await.expect("the server is up");
    let row = "insert into users (display_name, handle, cognito_user_id) \
               values ('Gone', 'gone', '5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95')";
    client.batch_execute(row).await.expect("a row");
    let reconcile = vpc.command(&["users", "reconcile", "--settle", "0s", "--rps", "1000", "--forget-orphans"]);
    let mut terminal = Terminal::start(&reconcile);
    terminal.question();
    assert_says(&terminal.answer("no"), &["1 rows whose user the pool does not have", "error: not confirmed"]);
    assert_eq!(vpc.count("select count(*) from users").await, 1);
    let left = "select count(*) from pg_class where relname like 'reconcile%'";
    assert_eq!(vpc.count(left).await, 0, "the copy of the pool's users is dropped");
}
