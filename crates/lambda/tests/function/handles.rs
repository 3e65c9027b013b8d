//! A handle belongs to one user, and a sign-up that asks for a taken one gets another.

use std::collections::BTreeSet;

use serde_json::json;

use crate::fixture::{Fixture, sign_up, succeed};

fn asks_for(handle: &str, sub: &str) -> String {
    sign_up(sub, &json!({"sub": sub, "preferred_username": handle}))
}

#[tokio::test]
async fn what_identifies_a_person_elsewhere_is_in_no_public_column() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    for (user_name, attributes) in [
        ("+15555613706", json!({"phone_number": "+15555613706"})),
        ("ada.x@example.com", json!({"email": "ada.x@example.com"})),
        ("AzureAD_x", json!({"preferred_username": "jane@contoso.example", "name": "jane@contoso.example"})),
        ("Okta_joe", json!({"identities": "[{\"userId\":\"joe\",\"providerName\":\"Okta\"}]"})),
        ("SignInWithApple_001234.abc.0815", json!({"given_name": "+44 1632 960961"})),
        ("\u{200b}", json!({"name": "\u{3164}", "preferred_username": "１５５５５６１３７０６"})),
    ] {
        fixture.execute("delete from users").await;
        let mut attributes = attributes;
        attributes["sub"] = json!("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
        succeed(&function, &sign_up(user_name, &attributes)).await;
        let (handle, display_name, _) = fixture.users().await.remove(0);
        let made = "user-aaaaaaaa";
        assert_eq!((handle.as_str(), display_name.as_str()), (made, made), "{user_name:?} {attributes}");
    }
}

#[tokio::test]
async fn two_users_asking_for_one_handle_one_after_the_other_get_two() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    succeed(&function, &asks_for("ada", "11111111-2222-4333-8444-555555555555")).await;
    succeed(&function, &asks_for("Ada", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")).await;
    let handles: Vec<String> = fixture.users().await.into_iter().map(|(handle, ..)| handle).collect();
    assert_eq!(handles, ["ada", "Ada-aaaa"]);
}

#[tokio::test]
async fn more_of_sub_is_used_when_the_first_of_it_is_taken_too() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    let sub = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    for (taken, expected) in [
        ("ada", "ada-aaaa"),
        ("ADA-AAAA", "ada-aaaaaaaa"),
        ("ada-aaaaaaaa", "ada-aaaaaaaabbbb4ccc"),
        ("ada-aaaaaaaabbbb4ccc", "ada-aaaaaaaabbbb4ccc8dddeeeeeeeeeeee"),
    ] {
        fixture.execute("delete from users where cognito_user_id like 'aaaaaaaa%'").await;
        succeed(&function, &asks_for(taken, &format!("owner-of-{taken}"))).await;
        succeed(&function, &asks_for("ada", sub)).await;
        let row = fixture.row_of(sub).await.expect("the user has a row");
        assert_eq!(row.0, expected, "with {taken} taken as well");
    }
}

#[tokio::test]
async fn a_second_delivery_keeps_the_handle_even_when_the_wanted_one_is_free_again() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    let second = asks_for("ada", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
    succeed(&function, &asks_for("ada", "11111111-2222-4333-8444-555555555555")).await;
    succeed(&function, &second).await;
    fixture.execute("delete from users where handle = 'ada'").await;
    succeed(&function, &second).await;
    assert_eq!(fixture.users().await[0].0, "ada-aaaa");
}

#[tokio::test]
async fn twenty_users_asking_for_one_handle_at_once_get_twenty() {
    let fixture = Fixture::new().await;
    let functions = fixture.connected_functions(20, &[]).await;
    let sign_ups = functions.iter().enumerate().map(async |(number, function)| {
        let sub = format!("{number:08x}-2222-4333-8444-555555555555");
        succeed(function, &asks_for("ada", &sub)).await;
    });
    futures::future::join_all(sign_ups).await;
    let handles: BTreeSet<String> = fixture.users().await.into_iter().map(|(handle, ..)| handle).collect();
    assert_eq!(handles.len(), 20, "{handles:?}");
    assert!(handles.contains("ada"), "one user gets the handle itself: {handles:?}");
}

#[tokio::test]
async fn the_statement_reads_the_table_through_its_indexes() {
    let fixture = Fixture::new().await;
    fixture
        .execute(
            "insert into users (display_name, handle, cognito_user_id)
             select 'x', 'user' || number, 'sub' || number from generate_series(1, 20000) as number;
             analyze users",
        )
        .await;
    let function = fixture.function(&[]).await;
    succeed(&function, &asks_for("user1", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")).await;
    // Its session reports what it read when it ends; ask until it has.
    drop(function);
    let client = fixture.database.connect().await.expect("the database is up");
    loop {
        let sql = "select idx_scan > 0, seq_tup_read from pg_stat_user_tables where relname = 'users'";
        let row = client.query_one(sql, &[]).await.expect("the statistics are readable");
        if row.get(0) {
            // What `analyze` and the migrations read is not counted; what the statement reads is.
            assert_eq!(row.get::<_, i64>(1), 0, "the statement scanned the table");
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
