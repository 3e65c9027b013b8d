//! The policy `infra/iam/function.json` allows exactly what the function requests, and nothing of another deployment.

use std::sync::LazyLock;
use std::time::Duration;

use testkit::{Answer, Call, Check, Moto, Policy, Port, Queue};

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

fn queue_of(url: &str) -> &str {
    url.rsplit('/').next().expect("a name")
}

fn of_queue(action: &str, name: &str) -> Check {
    Check::new(format!("sqs:{action}"), format!("arn:aws:sqs:eu-central-1:123456789012:{name}"))
}

/// SQS checks these for a queue with a key of its own; no request asks for them.
fn of_key(queue: &str) -> Vec<Call> {
    let check = |action: &str| {
        let check = Check::new(action, KEY).with("kms:ViaService", "sqs.eu-central-1.amazonaws.com");
        check.with("kms:EncryptionContext:aws:sqs:arn", format!("arn:aws:sqs:eu-central-1:123456789012:{queue}"))
    };
    ["kms:GenerateDataKey", "kms:Decrypt"].map(|action| Call { checks: vec![check(action)] }).into()
}

/// Fails unless the policy allows exactly what was requested with this key, and these calls.
async fn assert_allows_exactly(name: &str, queue: &Queue, access_key_id: &str, others: Vec<Call>) {
    let mut calls = MOTO.calls(access_key_id).await.expect("the recording is readable");
    assert!(!calls.is_empty(), "the function uses the queue");
    calls.extend(others);
    let values = [
        ("REGION", "eu-central-1"),
        ("ACCOUNT", "123456789012"),
        ("QUEUE", queue_of(&queue.url)),
        ("DEAD-LETTERS", queue_of(&queue.dead_letters)),
        ("KEY-ID", KEY.rsplit('/').next().expect("an id")),
    ];
    let differences = Policy::read(name, &values).expect("a policy").differences(&calls);
    assert!(differences.is_empty(), "expected exactly what is requested:\n{}", differences.join("\n"));
}

/// The variables of a function that requests nothing but of queues, with the database away.
fn without_secret(fixture: &Fixture, nowhere: &Port, queue: &Queue, key: &str) -> Vec<(&'static str, String)> {
    let mut changes = MOTO.environment().to_vec();
    changes.extend([
        ("AWS_ACCESS_KEY_ID", key.to_owned()),
        ("DB_SECRET_ID", String::new()),
        (
            "CONNECTION_URL",
            fixture.database.url().replace(&fixture.database.port.to_string(), &nowhere.number().to_string()),
        ),
        ("SPILL_QUEUE_URL", queue.url.clone()),
        ("DEAD_LETTER_QUEUE_URL", queue.dead_letters.clone()),
    ]);
    changes
}

#[tokio::test]
async fn the_policy_for_spilling_allows_exactly_what_that_requests() {
    let (fixture, nowhere) = (Fixture::new().await, Port::reserve().expect("a free port"));
    let queue = Queue::create(&MOTO).await.expect("a queue");
    let function = fixture.function(&without_secret(&fixture, &nowhere, &queue, "spilling")).await;
    let answer = function.invoke(&sample("confirm-sign-up").0).await.expect("an answer").answer;
    assert!(matches!(answer, Answer::Response(_)), "{answer:?}");
    assert_allows_exactly("spill.json", &queue, "spilling", of_key(queue_of(&queue.url))).await;
}

#[tokio::test]
async fn the_policy_of_the_replay_allows_exactly_what_that_requests() {
    let (fixture, nowhere) = (Fixture::new().await, Port::reserve().expect("a free port"));
    let queue = Queue::create(&MOTO).await.expect("a queue");
    for event in [sample("confirm-sign-up").0.as_str(), "no event"] {
        queue.send(event).await.expect("it is sent");
    }
    let messages = queue.receive().await.expect("an answer");
    let replay = fixture.function(&without_secret(&fixture, &nowhere, &queue, "replaying")).await;
    let failed = queue.deliver(&messages, &replay, Duration::from_secs(4)).await.expect("the replay answers");
    assert_eq!(failed.len(), 1, "the database is away, and the other one is a dead letter");
    // Lambda's own, in the name of the role.
    let [url, dead_letters] = [&queue.url, &queue.dead_letters].map(|url| queue_of(url));
    let mut others: Vec<Call> =
        ["ReceiveMessage", "DeleteMessage"].map(|action| Call { checks: vec![of_queue(action, url)] }).into();
    others.extend([of_key(url), of_key(dead_letters)].concat());
    assert_allows_exactly("replay.json", &queue, "replaying", others).await;
}
