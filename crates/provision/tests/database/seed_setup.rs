//! `provision db seed` and `provision db setup`

use serde_json::json;

use crate::fixture::Fixture;

#[tokio::test]
async fn seed_writes_the_samples_once() {
    let fixture = Fixture::loaded().await;
    assert_eq!(fixture.stdout(&["db", "seed"]), "seeded 2 users and 1 activity\n");
    assert_eq!(fixture.stdout(&["db", "seed"]), "the samples exist already\n");
    assert_eq!(fixture.json(&["db", "seed"]), json!({"users": 0, "activities": 0, "taken": []}));
    let users = fixture.json(&["users", "list"]);
    let handles: Vec<_> = users.as_array().expect("a list").iter().map(|user| &user["handle"]).collect();
    assert_eq!(handles.len(), 2);
    assert!(["andrewbrown", "bayko"].iter().all(|handle| handles.contains(&&json!(handle))), "{handles:?}");
    let home = fixture.json(&["activity", "home"]);
    assert_eq!(home["activities"][0]["message"], "This was imported as seed data!");
    assert_eq!(home["activities"][0]["handle"], "andrewbrown");
}

#[tokio::test]
async fn a_sample_that_has_expired_comes_back() {
    let fixture = Fixture::loaded().await;
    fixture.stdout(&["db", "seed"]);
    fixture.execute("update activities set expires_at = now() - interval '1 hour'").await;
    assert_eq!(fixture.stdout(&["db", "seed"]), "seeded 0 users and 1 activity\n");
}

#[tokio::test]
async fn seed_keeps_a_user_who_has_the_handle_of_a_sample() {
    let fixture = Fixture::loaded().await;
    fixture.execute("insert into users (display_name, handle, cognito_user_id) values ('X', 'AndrewBrown', 'x')").await;
    assert_eq!(fixture.json(&["db", "seed"]), json!({"users": 1, "activities": 0, "taken": ["andrewbrown"]}));
    assert_eq!(
        fixture.stdout(&["db", "seed"]),
        "seeded 0 users and 0 activities; left out andrewbrown: other users have these handles\n"
    );
}

#[tokio::test]
async fn setup_creates_the_database_again_each_time() {
    let fixture = Fixture::missing().await;
    let name = &fixture.database.name;
    let expected = |drop: &str| {
        format!(
            "the database {name} on localhost {drop}\nthe database {name} on localhost is created\n\
             applied V1__users, V2__activities, V3__upsert_user, V4__activities_expire, V5__ensure_user\n\
             seeded 2 users and 1 activity\n"
        )
    };
    assert_eq!(fixture.stdout(&["db", "setup"]), expected("did not exist"));
    fixture.execute("insert into users (display_name, handle, cognito_user_id) values ('X', 'x', 'x')").await;
    fixture.wait_until_alone().await;
    assert_eq!(fixture.stdout(&["db", "setup", "--yes"]), expected("is dropped"));
    assert_eq!(fixture.count("select count(*) from users").await, 2);
}

#[tokio::test]
async fn setup_stops_where_something_fails() {
    let fixture = Fixture::new().await;
    let _open = fixture.client().await;
    fixture.assert_refused(
        &["db", "setup", "--yes"],
        "1 session is open\nhint: list them with `provision db sessions`, and add --force",
    );
    fixture.assert_refused(&["db", "setup"], "1 session is open");
    assert_eq!(fixture.count("select count(*) from pg_class where relname = 'users'").await, 0);
    fixture.stdout(&["db", "setup", "--yes", "--force"]);
}
