//! Places that cannot be read: they are noted, and the story goes on.

use testkit::Incident;

use super::RECONCILE;
use super::scene::{ADDRESS, Expected, LONG_AGO, Scene, text};

/// AWS refuses the next requests of these operations.
fn refuse(scene: &Scene, operations: &[&str]) {
    for operation in operations {
        // A command runs three times in a test.
        for _ in 0..30 {
            let message = format!(
                "User: arn:aws:iam::123456789012:user/x is not authorized for Lovelace@example.com: {operation}"
            );
            scene.aws.at_next(operation, Incident::Refusal("AccessDeniedException", message));
        }
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_noted() {
    let mut scene = Scene::new("why-log-denied").await;
    scene.confirmed_user();
    refuse(&scene, &["FilterLogEvents"]);
    let why = "is not known without the function's log";
    let told = scene.assert_story(&[ADDRESS], &Expected { cause: "log_unread", why, next: RECONCILE });
    let note = &told["notes"][0];
    assert_eq!(note["place"], "log");
    assert!(note["problem"].as_str().expect("text").contains("do not allow logs:FilterLogEvents"), "{note}");
    assert!(note["remedy"].as_str().expect("text").contains("infra/iam"), "{note}");
}

#[tokio::test]
async fn a_pool_that_cannot_be_read_is_noted() {
    let mut scene = Scene::new("why-pool-denied").await;
    let sub = scene.confirmed_user();
    scene.write_row(&sub, ADDRESS, true, LONG_AGO).await;
    refuse(&scene, &["DescribeUserPool", "AdminGetUser", "ListUsers"]);
    let next = Some("provision users why SUB --pool POOL --function why-pool-denied");
    let expected = Expected { cause: "pool_unreadable", why: "the table has a row, and whether Cognito has", next };
    let told = scene.assert_story(&[&sub, "--function", "why-pool-denied"], &expected);
    assert_eq!(told["notes"][0]["place"], "user pool");
}

#[tokio::test]
async fn a_queue_that_does_not_exist_is_noted() {
    let mut scene = Scene::new("why-no-queue").await;
    let sub = scene.confirmed_user();
    scene.write_row(&sub, ADDRESS, true, LONG_AGO).await;
    let expected = Expected { cause: "agrees", why: "agrees", next: None };
    let told = scene.assert_story(&[&sub, "--queue", "why-missing"], &expected);
    assert_eq!(told["notes"][0]["place"], "queue");
}

#[tokio::test]
async fn without_the_pool_or_credentials_there_is_no_story() {
    let scene = Scene::new("why-no-pool").await;
    for (name, value, expected) in [
        ("USER_POOL_ID", "eu-central-1_missing", "there is no user pool eu-central-1_missing"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1", "AWS cannot be reached for cognito-idp:DescribeUserPool"),
    ] {
        let mut command = scene.command(&[ADDRESS]);
        let output = command.env(name, value).env("AWS_MAX_ATTEMPTS", "1").output().expect("provision starts");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(expected) && stderr.contains("\nhint: "), "expected {expected:?} in {stderr}");
        scene.assert_impersonal(&stderr);
    }
}
