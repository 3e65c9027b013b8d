//! What the table tells: rows that agree, differ, are missing, wait, or are another's.

use serde_json::json;

use super::RECONCILE;
use super::scene::{ADDRESS, Expected, LONG_AGO, Scene};

/// A table of an application's own, in the parts of docs/own-table.
const OWN_TABLE: [&str; 3] = [
    include_str!("../../../../../docs/own-table/owner.sql"),
    include_str!("../../../../../docs/own-table/members.sql"),
    include_str!("../../../../../docs/own-table/hand-over.sql"),
];

const FORMER: &str = "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95";

#[tokio::test]
async fn a_row_that_agrees_needs_nothing_whatever_the_user_is_named_by() {
    let mut scene = Scene::new("why-agrees").await;
    let sub = scene.confirmed_user();
    scene.write_row(&sub, ADDRESS, true, LONG_AGO).await;
    let expected = Expected { cause: "agrees", why: "agrees with Cognito", next: None };
    scene.assert_story(&[&sub], &expected);
    for who in [&sub.to_uppercase(), ADDRESS, "lovelace@EXAMPLE.com", "Countess", "COUNTESS", "lovelace"] {
        let told = scene.stories(&[who], 0);
        assert_eq!((&told["users"][0]["sub"], &told["users"][0]["cause"]), (&json!(sub), &json!("agrees")), "{who}");
        assert_eq!(told["users"].as_array().map(Vec::len), Some(1), "{who}");
    }
}

#[tokio::test]
async fn a_stale_address_is_found_by_the_former_one_as_well() {
    let mut scene = Scene::new("why-stale").await;
    let sub = scene.confirmed_user();
    scene.write_row(&sub, "former.lovelace@example.com", true, LONG_AGO).await;
    let expected = Expected { cause: "stale", why: "another address than Cognito", next: RECONCILE };
    scene.assert_story(&[ADDRESS], &expected);
    scene.assert_story(&["Former.Lovelace@example.com"], &expected);
}

#[tokio::test]
async fn an_unverified_address_replaces_no_verified_one() {
    let mut scene = Scene::new("why-unverified").await;
    let sub = scene.confirmed_user();
    scene.change("email", "new.lovelace@example.com");
    scene.change("email_verified", "false");
    scene.write_row(&sub, ADDRESS, true, LONG_AGO).await;
    let expected = Expected { cause: "unverified_address", why: "keeps its verified address", next: None };
    scene.assert_story(&[&sub], &expected);
}

#[tokio::test]
async fn a_forgotten_user_whom_cognito_still_has_is_told_of() {
    let mut scene = Scene::new("why-forgotten").await;
    let sub = scene.confirmed_user();
    scene.write_row(&sub, ADDRESS, true, LONG_AGO).await;
    scene.execute(&format!("select cognito.forget_user('{sub}')")).await;
    let expected = Expected { cause: "forgotten", why: "Cognito still has the user", next: RECONCILE };
    let told = scene.assert_story(&[ADDRESS], &expected);
    let hint = told["users"][0]["hint"].as_str().expect("a hint");
    assert!(hint.contains("delete it in Cognito too"), "{hint}");

    scene.ask("AdminDeleteUser", json!({"Username": "lovelace"}));
    scene.assert_story(&[&sub], &Expected { cause: "deleted", why: "the row was forgotten at", next: None });
}

#[tokio::test]
async fn a_row_whose_user_the_pool_does_not_have_is_an_orphan() {
    let mut scene = Scene::new("why-orphan").await;
    let sub = scene.remember(FORMER);
    scene.write_row(&sub, ADDRESS, true, LONG_AGO).await;
    let next = Some("provision users reconcile --pool POOL --forget-orphans");
    let expected = Expected { cause: "orphan", why: "Cognito has no such user", next };
    for who in [&sub, ADDRESS, "countess"] {
        scene.assert_story(&[who], &expected);
    }
}

#[tokio::test]
async fn a_new_row_is_believed_more_than_the_list() {
    let mut scene = Scene::new("why-recent").await;
    let sub = scene.remember(FORMER);
    scene.write_row(&sub, ADDRESS, true, "2999-01-01T00:00:00Z").await;
    let next = Some("provision users why SUB --pool POOL --function why-recent");
    scene.assert_story(&[&sub], &Expected { cause: "too_recent", why: "within the last 10 minutes", next });
}

#[tokio::test]
async fn a_user_who_has_signed_up_again_has_the_former_account_in_the_table() {
    let mut scene = Scene::new("why-other-sub").await;
    scene.confirmed_user();
    let former = scene.remember(FORMER);
    scene.write_row(&former, ADDRESS, true, LONG_AGO).await;
    let expected = Expected { cause: "other_sub", why: "under another sub", next: RECONCILE };
    let told = scene.assert_story(&[ADDRESS], &expected);
    assert_eq!(told["users"][1]["cause"], "orphan");
}

#[tokio::test]
async fn a_seeded_row_with_the_handle_is_to_be_linked_by_it() {
    let mut scene = Scene::new("why-seed-handle").await;
    scene.confirmed_user();
    scene.seed("COUNTESS", "another@example.com").await;
    let next = Some("provision users reconcile --pool POOL --link-by handle");
    scene.assert_story(&[ADDRESS], &Expected { cause: "seeded", why: "with the user's handle", next });
}

#[tokio::test]
async fn a_seeded_row_with_the_verified_address_is_to_be_linked_by_it() {
    let mut scene = Scene::new("why-seed-email").await;
    scene.confirmed_user();
    scene.seed("somebody", ADDRESS).await;
    let next = Some("provision users reconcile --pool POOL --link-by email");
    scene.assert_story(&[ADDRESS], &Expected { cause: "seeded", why: "with the user's verified address", next });
    scene.change("email_verified", "false");
    let told = scene.stories(&["lovelace"], 3);
    assert_ne!(told["users"][0]["cause"], "seeded", "an address that is not verified links nobody");
}

#[tokio::test]
async fn a_seeded_row_waits_for_its_user() {
    let scene = Scene::new("why-seed-waits").await;
    scene.seed("countess", ADDRESS).await;
    let expected = Expected { cause: "waits_for_user", why: "seeded, and waits", next: None };
    for who in ["seed-ada", "countess", ADDRESS] {
        scene.assert_story(&[who], &expected);
    }
}

#[tokio::test]
async fn nobody_is_looked_for_in_production_next() {
    let scene = Scene::new("why-nobody").await;
    let next = Some("provision users why nobody.lovelace@example.com --prod --pool POOL");
    let why = "neither the pool (looked for by user name, email and preferred_username) nor the table";
    scene.assert_story(&["nobody.lovelace@example.com"], &Expected { cause: "nobody", why, next });
}

#[tokio::test]
async fn a_table_of_an_applications_own_is_asked_through_the_contract() {
    let mut scene = Scene::new("why-own-table").await;
    scene.execute("drop schema cognito cascade; drop table public.activities, public.users").await;
    for part in OWN_TABLE {
        scene.execute(part).await;
    }
    let sub = scene.confirmed_user();
    let missing = Expected { cause: "no_call", why: "has logged no call", next: RECONCILE };
    scene.assert_story(&[ADDRESS], &missing);
    let former = scene.remember(FORMER);
    scene.write_row(&former, ADDRESS, true, LONG_AGO).await;
    scene.assert_story(&["lovelace"], &Expected { cause: "other_sub", why: "under another sub", next: RECONCILE });
    scene.execute(&format!("select cognito.forget_user('{former}')")).await;
    scene.write_row(&sub, ADDRESS, true, LONG_AGO).await;
    let told = scene.assert_story(&["lovelace"], &Expected { cause: "agrees", why: "agrees", next: None });
    assert!(told["notes"][0]["problem"].as_str().is_some_and(|note| note.contains("not by handle")), "{told}");
    scene.execute(&format!("select cognito.forget_user('{sub}')")).await;
    scene.assert_story(&[&sub], &Expected { cause: "forgotten", why: "forgotten at", next: RECONCILE });
}

#[tokio::test]
async fn tombstones_that_the_login_may_not_read_are_noted() {
    let mut scene = Scene::new("why-no-tombstones").await;
    let sub = scene.confirmed_user();
    let role = "why_reader";
    scene
        .execute(&format!(
            "create role {role} login password 'x'; grant usage on schema cognito to {role}; grant select on public.users to {role};
             grant execute on function cognito.known_users(text[]) to {role}"
        ))
        .await;
    scene.execute(&format!("select cognito.forget_user('{sub}')")).await;
    scene.log_in_as(role, "x");
    let told = scene.assert_story(&[&sub], &Expected { cause: "no_call", why: "no call", next: RECONCILE });
    assert!(told["notes"][0]["problem"].as_str().is_some_and(|note| note.contains("cognito.forgotten")), "{told}");
}
