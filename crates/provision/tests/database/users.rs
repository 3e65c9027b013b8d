//! `provision users`

use serde_json::json;

use crate::fixture::Fixture;

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
async fn in_an_empty_database_the_hint_is_to_load_the_schema() {
    let fixture = Fixture::new().await;
    fixture.assert_refused(&["users", "list"], "run `provision db load`");
}
