//! The policy `infra/iam/function.json` allows exactly the actions that the function requests.

use std::sync::LazyLock;

use testkit::{Moto, policy_differences};

use crate::fixture::{Fixture, sample, succeed};

/// Signs the function's requests, and no others.
const ACCESS_KEY_ID: &str = "function";

/// RDS checks `rds-db:connect` when a connection presents an IAM token; no request of the function asks for it.
const CHECKED_BY_RDS: &str = "OrLogInWithIam";

static MOTO: LazyLock<Moto> = LazyLock::new(|| Moto::recording().expect("moto starts"));

#[tokio::test]
async fn the_functions_policy_allows_exactly_what_the_function_requests() {
    let fixture = Fixture::new().await;
    let current = Moto::shared().secret(fixture.secret_id(), "AWSCURRENT").await.expect("an answer").expect("a secret");
    // In the middle of a rotation the function reads both stages.
    let mut outdated = current.clone();
    outdated["password"] = "outdated".into();
    let id = fixture.secret_id();
    MOTO.create_secret(id, &outdated).await.expect("a new secret");
    MOTO.put_secret(id, "AWSPENDING", &current).await.expect("a new version");

    let mut changes = MOTO.environment().to_vec();
    changes.push(("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()));
    let function = fixture.function(&changes).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    let requested = MOTO.actions(ACCESS_KEY_ID).expect("the recording is readable");
    let differences = policy_differences("function.json", &[CHECKED_BY_RDS], &requested).expect("a policy");
    assert!(differences.is_empty(), "expected exactly what the function requests:\n{}", differences.join("\n"));
}
