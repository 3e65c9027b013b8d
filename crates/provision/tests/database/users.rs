//! `provision users`

use serde_json::json;

use crate::fixture::{Fixture, assert_refused};

#[tokio::test]
async fn users_are_listed_for_people() {
    let fixture = Fixture::loaded().await;
    let client = fixture.client().await;
    let users = "insert into users (uuid, display_name, handle, email, cognito_user_id, created_at) values
        ('00000000-0000-4000-8000-000000000002', E'Evil \\x1b[31m\\nname', 'evil', null, 'b', '2026-01-02 03:04:05+01'),
        ('00000000-0000-4000-8000-000000000001', '李', 'ada', 'ada@example.com', 'a', '2026-01-01 00:00:00.5+00')";
    client.batch_execute(users).await.expect("good users");
    let expected = [
        " uuid                                  display_name           handle  email            cognito_user_id  created_at",
        " 00000000-0000-4000-8000-000000000001  李                     ada     ada@example.com  a                2026-01-01T00:00:00.500000Z",
        " 00000000-0000-4000-8000-000000000002  Evil \\u{1b}[31m\\nname  evil    -                b                2026-01-02T02:04:05.000000Z",
        "",
    ]
    .join("\n");
    assert_eq!(fixture.stdout(&["users", "list"]), expected);
}

#[tokio::test]
async fn users_are_listed_for_programs() {
    let fixture = Fixture::loaded().await;
    let client = fixture.client().await;
    let user = "insert into users (uuid, display_name, handle, cognito_user_id, created_at) values
        ('00000000-0000-4000-8000-000000000001', '李 \"x\"', 'ada', 'a', '2026-01-01 00:00:00+00')";
    client.batch_execute(user).await.expect("a good user");
    let users = fixture.json(&["users", "list"]);
    let expected = json!([{
        "uuid": "00000000-0000-4000-8000-000000000001",
        "display_name": "李 \"x\"",
        "handle": "ada",
        "email": null,
        "cognito_user_id": "a",
        "created_at": "2026-01-01T00:00:00.000000Z",
    }]);
    assert_eq!(users, expected);
}

#[tokio::test]
async fn rows_that_the_login_may_not_see_are_an_error_and_not_left_out() {
    let fixture = Fixture::loaded().await;
    fixture.stdout(&["db", "seed"]);
    let (name, port) = (&fixture.database.name, fixture.database.port);
    let reader = format!(
        "create role reader_of_{name} password 'hunter2' login; grant select on users to reader_of_{name};
         alter table users enable row level security"
    );
    fixture.execute(&reader).await;
    let url = format!("postgres://reader_of_{name}:hunter2@localhost:{port}/{name}");
    let refused = fixture.checked(&mut fixture.command_at(&url, &["users", "list"]));
    assert_refused(&refused, "row-level security policy for table \"users\"");
    assert_refused(&refused, "hint: log in as the owner of the table, or, if that one is refused too, as a role with");
}

#[tokio::test]
async fn in_an_empty_database_the_hint_is_to_load_the_schema() {
    let fixture = Fixture::new().await;
    fixture.assert_refused(&["users", "list"], "run `provision db load`");
}
