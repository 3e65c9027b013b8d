//! The policy `infra/iam/function.json` allows exactly what the function requests, and nothing of another deployment.

use std::sync::LazyLock;

use testkit::{Call, Check, Moto, Policy};

use crate::fixture::{Fixture, sample, succeed};

/// Signs the function's requests, and no others.
const ACCESS_KEY_ID: &str = "function";

/// A KMS key of the secret's own.
const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1f6c0d3a-84b2-4e97-a5d0-c3b2a1908f7e";

static MOTO: LazyLock<Moto> = LazyLock::new(|| Moto::recording().expect("moto starts"));

fn policy(secret: &str, resource_id: &str, user: &str) -> Policy {
    let values = [
        ("REGION", "eu-central-1"),
        ("ACCOUNT", "123456789012"),
        ("SECRET-NAME", secret),
        ("KEY-ID", KEY.rsplit('/').next().expect("an id")),
        ("RESOURCE-ID", resource_id),
        ("DB-USER", user),
    ];
    Policy::read("function.json", &values).expect("a policy")
}

/// RDS checks this when a connection presents an IAM token; no request of the function asks for it.
fn login() -> Call {
    let user = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABCDEFGHIJKL/post_confirmation";
    Call { checks: vec![Check::new("rds-db:connect", user)] }
}

#[tokio::test]
async fn the_functions_policy_allows_exactly_what_the_function_requests() {
    let fixture = Fixture::new().await;
    let current = Moto::shared().secret(fixture.secret_id(), "AWSCURRENT").await.expect("an answer").expect("a secret");
    // In the middle of a rotation the function reads both stages.
    let mut outdated = current.clone();
    outdated["password"] = "outdated".into();
    let id = fixture.secret_id();
    MOTO.declare_secret(id, Some(KEY)).await.expect("a new secret");
    MOTO.put_secret(id, "AWSCURRENT", &outdated).await.expect("a first version");
    MOTO.put_secret(id, "AWSPENDING", &current).await.expect("a new version");

    let mut changes = MOTO.environment().to_vec();
    changes.push(("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()));
    let function = fixture.function(&changes).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    let mut calls = MOTO.calls(ACCESS_KEY_ID).await.expect("the recording is readable");
    assert!(!calls.is_empty(), "the function reads the secret");
    calls.push(login());
    let differences = policy(id, "db-ABCDEFGHIJKL", "post_confirmation").differences(&calls);
    assert!(differences.is_empty(), "expected exactly what the function requests:\n{}", differences.join("\n"));

    let other_secret = policy("another-secret", "db-ABCDEFGHIJKL", "postgres");
    let other_instance = policy("another-secret", "db-MNOPQRSTUVWX", "post_confirmation");
    for call in &calls {
        assert!(!other_secret.allows(call) && !other_instance.allows(call), "another deployment's may not {call:?}");
    }
}
