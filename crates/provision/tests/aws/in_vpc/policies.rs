//! The policies of the caller and of the operator's function.

use std::sync::LazyLock;

use testkit::{Call, Check, Moto};

use super::{FUNCTION, Vpc};
use crate::iam::assert_allows_exactly;

/// Signs the function's requests, and no others.
const ACCESS_KEY_ID: &str = "operator";

/// A KMS key of the deployment's own.
const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1f6c0d3a-84b2-4e97-a5d0-c3b2a1908f7e";

static MOTO: LazyLock<Moto> = LazyLock::new(|| Moto::recording().expect("moto starts"));

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_may_invoke_the_function_and_the_function_may_do_what_its_commands_request() {
    let vpc = Vpc::at(&MOTO, ACCESS_KEY_ID).await;
    // A template has declared the function's secret, with a key of its own and without a value.
    let secret = format!("users-db/post_confirmation_{}", vpc.database.name);
    MOTO.declare_secret(&secret, Some(KEY)).await.expect("a secret");
    vpc.pool.import("ada", &[("email", "ada@example.com")]);
    vpc.pool.set_password("ada");
    for command in [
        &["db", "create"][..],
        &["db", "load"],
        &["db", "wait"],
        &["db", "grant", "--yes"],
        &["db", "grant", "--rotate", "--yes"],
        &["db", "sessions"],
        &["users", "list"],
        &["users", "reconcile", "--settle", "0s", "--rps", "1000"],
        &["activity", "home"],
    ] {
        vpc.stdout(command, 0);
    }
    let caller = vpc.lambda.calls();
    assert_allows_exactly("in-vpc.json", &[("OPERATOR-FUNCTION", FUNCTION)], &caller);

    let mut calls = MOTO.calls(ACCESS_KEY_ID).await.expect("the recording is readable");
    let pool = format!("arn:aws:cognito-idp:eu-central-1:123456789012:userpool/{}", vpc.pool.id());
    for (action, _) in vpc.pool.requests().into_keys() {
        calls.push(Call { checks: vec![Check::new(format!("cognito-idp:{action}"), pool.as_str())] });
    }
    let values = [
        ("MASTER-SECRET", &*vpc.master_secret()),
        ("SECRET-NAME", &secret),
        ("KEY-ID", KEY.rsplit('/').next().expect("an id")),
        ("USER-POOL-ID", vpc.pool.id()),
    ];
    assert_allows_exactly("operator.json", &values, &calls);
}
