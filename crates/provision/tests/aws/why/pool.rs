//! What Cognito itself tells: the user's status, and the ways to become confirmed that fire no trigger.

use serde_json::json;

use super::RECONCILE;
use super::scene::{ADDRESS, Expected, LONG_AGO, Scene, arn};

const ATTRIBUTES: [(&str, &str); 3] =
    [("email", ADDRESS), ("preferred_username", "Countess"), ("name", "Ada Lovelace")];

#[tokio::test]
async fn a_user_who_has_not_confirmed_is_to_have_no_row() {
    let mut scene = Scene::new("why-unconfirmed").await;
    let client = scene.ask("CreateUserPoolClient", json!({"ClientName": "c"}));
    let attributes = json!([{"Name": "email", "Value": ADDRESS}]);
    let sign_up = json!({
        "ClientId": client["UserPoolClient"]["ClientId"], "Username": "lovelace", "Password": "Passw0rd!",
        "UserAttributes": attributes,
    });
    let answer = scene.aws.request("SignUp", &sign_up).expect("a sign-up");
    scene.remember(answer["UserSub"].as_str().expect("a sub"));
    scene.assert_story(&[ADDRESS], &Expected { cause: "unconfirmed", why: "has not confirmed", next: None });
}

#[tokio::test]
async fn a_user_with_a_temporary_password_is_to_have_no_row_yet() {
    let mut scene = Scene::new("why-temporary").await;
    scene.create_user(true);
    let why = "has not replaced the temporary password";
    scene.assert_story(&["lovelace"], &Expected { cause: "force_change_password", why, next: None });
}

#[tokio::test]
async fn a_disabled_user_keeps_the_row() {
    let mut scene = Scene::new("why-disabled").await;
    let sub = scene.confirmed_user();
    scene.write_row(&sub, ADDRESS, true, LONG_AGO).await;
    scene.ask("AdminDisableUser", json!({"Username": "lovelace"}));
    scene.assert_story(&[ADDRESS], &Expected { cause: "disabled", why: "may not sign in", next: None });
}

#[tokio::test]
async fn where_administrators_alone_create_users_no_trigger_was_called() {
    let settings = json!({
        "LambdaConfig": {"PostConfirmation": arn("why-by-admin")},
        "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": true},
    });
    let mut scene = Scene::with("why-by-admin", &settings).await;
    scene.confirmed_user();
    scene.assert_story(&[ADDRESS], &Expected { cause: "admin_created", why: "by an administrator", next: RECONCILE });
}

#[tokio::test]
async fn a_migrated_user_has_fired_no_trigger() {
    let triggers = json!({"PostConfirmation": arn("why-migrated"), "UserMigration": arn("migration")});
    let mut scene = Scene::with("why-migrated", &json!({"LambdaConfig": triggers})).await;
    scene.confirmed_user();
    scene.assert_story(&[ADDRESS], &Expected { cause: "migrated", why: "another directory", next: RECONCILE });
}

#[tokio::test]
async fn a_user_from_before_the_first_row_was_confirmed_before_the_trigger() {
    let mut scene = Scene::new("why-before").await;
    scene.confirmed_user();
    let other = "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95";
    scene.write_row(other, "grace@example.com", true, "2999-01-01T00:00:00Z").await;
    let why = "created before the trigger wrote its first row";
    scene.assert_story(&["lovelace"], &Expected { cause: "before_trigger", why, next: RECONCILE });
}

#[tokio::test]
async fn an_imported_user_has_fired_no_trigger() {
    let function = "arn:aws:lambda:eu-central-1:123456789012:function:why-imported";
    let (mut scene, pool) = Scene::of_pool("why-imported", 1, function).await;
    let user = pool.import("lovelace", &ATTRIBUTES);
    scene.remember(&user.sub);
    scene.assert_story(&[ADDRESS], &Expected { cause: "reset_required", why: "imported", next: RECONCILE });
}

#[tokio::test]
async fn a_linked_user_has_fired_no_trigger() {
    let function = "arn:aws:lambda:eu-central-1:123456789012:function:why-linked";
    let (mut scene, pool) = Scene::of_pool("why-linked", 2, function).await;
    pool.admin_create("lovelace", &ATTRIBUTES);
    pool.set_password("lovelace");
    pool.link("lovelace", "Google", "77");
    scene.remember(&pool.user("lovelace").expect("the user").sub);
    let told =
        scene.assert_story(&["Countess"], &Expected { cause: "linked", why: "linked to a profile", next: RECONCILE });
    let story = &told["users"][0];
    assert!(story["timeline"].to_string().contains("linked to Google"), "{story}");
}

#[tokio::test]
async fn a_user_of_an_identity_provider_and_a_local_one_with_the_same_address_have_each_a_story() {
    let function = "arn:aws:lambda:eu-central-1:123456789012:function:why-two";
    let (mut scene, pool) = Scene::of_pool("why-two", 3, function).await;
    pool.sign_up("lovelace", &ATTRIBUTES);
    let _ = pool.confirm("lovelace");
    let local = scene.remember(&pool.user("lovelace").expect("the user").sub);
    let _ = pool.federated("Google", "77", &[("email", ADDRESS)]);
    scene.remember(&pool.user("google_77").expect("the user").sub);
    scene.write_row(&local, ADDRESS, true, LONG_AGO).await;
    let why = "signed in through an identity provider";
    let told = scene.assert_story(&[ADDRESS], &Expected { cause: "federated", why, next: RECONCILE });
    let causes: Vec<_> = told["users"].as_array().expect("users").iter().map(|user| &user["cause"]).collect();
    assert_eq!(causes.len(), 2, "{told}");
    assert!(causes.contains(&&json!("agrees")), "{told}");
}
