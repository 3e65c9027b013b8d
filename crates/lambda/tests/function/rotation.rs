//! Passwords that change, and faults of Secrets Manager.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Answer, Fault, Function, Invocation, Moto, Proxy};
use tokio::time::timeout;

use crate::fixture::{Fixture, fail, run_out_of_time, sample, succeed, try_succeed, try_succeed_after, undisturbed};

/// A role of its own for this database, whose password can be changed, and its secret.
struct Rotation {
    fixture: Fixture,
    role: String,
}

impl Rotation {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let role = format!("rotated_{}", fixture.database.name);
        fixture.execute(&format!("create role {role} login password 'first'")).await;
        fixture.allow(&role).await;
        let rotation = Self { fixture, role };
        rotation.fixture.store_secret(&rotation.role, rotation.secret("first")).await;
        rotation
    }

    fn secret(&self, password: &str) -> Value {
        let mut secret = self.fixture.database.secret();
        secret["username"] = json!(self.role);
        secret["password"] = json!(password);
        secret
    }

    async fn write(&self, stage: &str, password: &str) {
        Moto::shared().put_secret(&self.role, stage, &self.secret(password)).await.expect("a new version");
    }

    async fn function(&self) -> Function {
        self.fixture.function(&[("DB_SECRET_ID", self.role.clone())]).await
    }

    /// A function that reaches Secrets Manager through this proxy.
    async fn function_behind(&self, secrets: &Proxy) -> Function {
        self.fixture.function(&[("DB_SECRET_ID", self.role.clone()), endpoint(secrets)]).await
    }

    /// Changes the password in the database and ends every session that used the old one.
    async fn change_password(&self, password: &str) {
        let end = "select pg_terminate_backend(pid, 60000) from pg_stat_activity where usename";
        self.fixture.execute(&format!("alter role {0} password '{password}'; {end} = '{0}'", self.role)).await;
    }
}

/// A proxy before Secrets Manager.
async fn secrets_proxy() -> Proxy {
    Proxy::start(Moto::shared().port()).await.expect("a proxy")
}

/// The variable that leads the AWS SDK to this proxy.
fn endpoint(secrets: &Proxy) -> (&'static str, String) {
    ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", secrets.port()))
}

#[tokio::test]
async fn a_password_rotated_while_warm_is_read_again() {
    undisturbed(async || {
        let rotation = Rotation::new().await;
        let function = rotation.function().await;
        succeed(&function, &sample("confirm-sign-up").0).await;
        rotation.change_password("second").await;
        rotation.write("AWSCURRENT", "second").await;
        try_succeed(&function, &sample("confirm-sign-up-phone").0).await?;
        assert_eq!(rotation.fixture.users().await.len(), 2);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_password_that_only_the_pending_version_holds_is_used() {
    undisturbed(async || {
        let rotation = Rotation::new().await;
        let function = rotation.function().await;
        succeed(&function, &sample("confirm-sign-up").0).await;
        rotation.write("AWSPENDING", "second").await;
        rotation.change_password("second").await;
        try_succeed(&function, &sample("confirm-sign-up-phone").0).await?;
        let cold = rotation.function().await;
        try_succeed(&cold, &sample("confirm-sign-up-only-sub").0).await?;
        assert_eq!(rotation.fixture.users().await.len(), 3);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_password_that_no_version_holds_yet_is_waited_for_and_reported() {
    undisturbed(async || {
        let (rotation, secrets) = (Rotation::new().await, secrets_proxy().await);
        let function = rotation.function_behind(&secrets).await;
        succeed(&function, &sample("confirm-sign-up").0).await;
        rotation.change_password("second").await;
        let event = sample("confirm-sign-up-phone").0;
        let line = fail(&function, &event, "CredentialsRejected").await;
        assert!(line["error"].as_str().is_some_and(|error| error.contains("SQLSTATE 28P01")), "{line}");
        // The two versions are read for the first try, and find the old password; before the second try it is changed.
        secrets.fail_next([Fault::Pass, Fault::Pass, Fault::Hold]);
        let held = async { secrets.until_held().await.expect("the secret is read again") };
        let finish_rotation = async {
            rotation.write("AWSCURRENT", "second").await;
            secrets.release();
        };
        try_succeed_after(&function, &event, held, finish_rotation).await?;
        assert_eq!(rotation.fixture.users().await.len(), 2);
        for password in ["first", "second"] {
            assert!(!function.log().contains(&format!("\"{password}\"")), "a password stands in the log");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_moved_is_found_where_the_secret_says() {
    undisturbed(async || {
        let rotation = Rotation::new().await;
        let (old, new) = (behind(&rotation).await, behind(&rotation).await);
        let at = |proxy: &Proxy| {
            let mut secret = rotation.secret("first");
            secret["port"] = json!(proxy.port());
            secret
        };
        Moto::shared().put_secret(&rotation.role, "AWSCURRENT", &at(&old)).await.expect("a new version");
        let function = rotation.function().await;
        succeed(&function, &sample("confirm-sign-up").0).await;
        assert!(old.connections() > 0 && new.connections() == 0, "the secret names the old server");
        Moto::shared().put_secret(&rotation.role, "AWSCURRENT", &at(&new)).await.expect("a new version");
        old.refuse(true);
        old.cut();
        try_succeed(&function, &sample("confirm-sign-up-phone").0).await?;
        assert_eq!(rotation.fixture.users().await.len(), 2);
        Ok(())
    })
    .await;
}

/// A proxy before the rotation's database.
async fn behind(rotation: &Rotation) -> Proxy {
    Proxy::start(rotation.fixture.database.port).await.expect("a proxy")
}

/// Fails unless a warm function outlasts an outage of the database while Secrets Manager is disturbed like this.
async fn assert_known_login_is_used(disturb: impl Fn(&Proxy)) {
    undisturbed(async || {
        let fixture = Fixture::new().await;
        let secrets = secrets_proxy().await;
        let database = Proxy::start(fixture.database.port).await.expect("a proxy");
        let function = fixture.function(&[endpoint(&secrets), ("PGPORT", database.port().to_string())]).await;
        succeed(&function, &sample("confirm-sign-up").0).await;
        disturb(&secrets);
        secrets.cut();
        database.refuse(true);
        database.cut();
        let refused = async { database.until_refused(2).await.expect("the function tries again and again") };
        let accept_again = async { database.refuse(false) };
        try_succeed_after(&function, &sample("confirm-sign-up-phone").0, refused, accept_again).await?;
        assert_eq!(fixture.users().await.len(), 2);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_although_secrets_manager_is_down() {
    assert_known_login_is_used(|secrets| secrets.refuse(true)).await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_although_secrets_manager_hangs() {
    assert_known_login_is_used(|secrets| secrets.silence(true)).await;
}

#[tokio::test]
async fn the_first_cause_is_reported_although_secrets_manager_hangs() {
    let fixture = Fixture::new().await;
    let secrets = secrets_proxy().await;
    let database = Proxy::start(fixture.database.port).await.expect("a proxy");
    let function = fixture.function(&[endpoint(&secrets), ("PGPORT", database.port().to_string())]).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    secrets.silence(true);
    secrets.cut();
    database.refuse(true);
    database.cut();
    undisturbed(async || {
        let line = fail(&function, &sample("confirm-sign-up-phone").0, "DatabaseUnreachable").await;
        let error = line["error"].as_str().expect("a chain of causes");
        if error.contains("cannot reach the database server") { Ok(()) } else { Err(error.to_owned()) }
    })
    .await;
}

/// An answer of AWS to a role that may read `AWSCURRENT` alone.
const DENIED: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: 34\r\n\r\n\
                      {\"__type\":\"AccessDeniedException\"}";

#[tokio::test]
async fn a_faulty_pending_version_never_hides_that_the_current_one_is_refused() {
    for fault in [Fault::Answer(DENIED), Fault::Stall, Fault::Cut, Fault::Pass] {
        let (rotation, secrets) = (Rotation::new().await, secrets_proxy().await);
        Moto::shared().put_secret(&rotation.role, "AWSPENDING", &json!("hunter2")).await.expect("a version");
        rotation.write("AWSCURRENT", "wrong").await;
        // The current version and the pending one are read in turn.
        let faults: Vec<_> = (0..30).flat_map(|_| [Fault::Pass, fault.clone()]).collect();
        secrets.fail_next(faults);
        let function = rotation.function_behind(&secrets).await;
        let line = fail(&function, &sample("confirm-sign-up").0, "CredentialsRejected").await;
        let error = line["error"].as_str().expect("a chain of causes");
        assert!(error.contains("SQLSTATE 28P01"), "{fault:?}: {line}");
    }
}

#[tokio::test]
async fn a_rotation_is_outlived_although_the_pending_version_may_not_be_read() {
    undisturbed(async || {
        let (rotation, secrets) = (Rotation::new().await, secrets_proxy().await);
        let function = rotation.function_behind(&secrets).await;
        succeed(&function, &sample("confirm-sign-up").0).await;
        rotation.change_password("second").await;
        let refusals = (0..3).flat_map(|_| [Fault::Pass, Fault::Answer(DENIED)]);
        secrets.fail_next(refusals.chain([Fault::Hold]));
        let held = async { secrets.until_held().await.expect("the secret is read again") };
        let finish_rotation = async {
            rotation.write("AWSCURRENT", "second").await;
            secrets.release();
        };
        try_succeed_after(&function, &sample("confirm-sign-up-phone").0, held, finish_rotation).await?;
        assert_eq!(rotation.fixture.users().await.len(), 2);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_secrets_manager_that_is_down_is_reported_and_not_needed_when_warm() {
    let (fixture, secrets) = (Fixture::new().await, secrets_proxy().await);
    secrets.refuse(true);
    let function = fixture.function(&[endpoint(&secrets)]).await;
    let event = sample("confirm-sign-up").0;
    fail(&function, &event, "SecretUnavailable").await;
    secrets.refuse(false);
    succeed(&function, &event).await;
    secrets.refuse(true);
    secrets.cut();
    succeed(&function, &sample("confirm-sign-up-phone").0).await;
    assert_eq!(fixture.users().await.len(), 2);
}

#[tokio::test]
async fn a_secrets_manager_that_never_answers_is_reported() {
    let (fixture, secrets) = (Fixture::new().await, secrets_proxy().await);
    secrets.silence(true);
    let function = fixture.function(&[endpoint(&secrets)]).await;
    let event = sample("confirm-sign-up").0;
    undisturbed(async || run_out_of_time(&function, &event, "reading the secret").await).await;
    secrets.silence(false);
    secrets.cut();
    succeed(&function, &event).await;
}

#[tokio::test]
async fn a_secrets_manager_that_never_answers_is_reported_before_the_functions_own_timeout_in_lambda() {
    const TIMEOUT: Duration = Duration::from_secs(3);
    let event = sample("confirm-sign-up").0;
    let (fixture, secrets) = (Fixture::new().await, secrets_proxy().await);
    secrets.silence(true);
    undisturbed(async || {
        let function = fixture.function(&[endpoint(&secrets)]).await;
        // The secret is still being read ahead then.
        function.until_ready().await.expect("it starts");
        let answer = function.invoke_within(&event, Some(TIMEOUT));
        let Ok(invocation) = timeout(TIMEOUT, answer).await else {
            return Err("there was no answer when Lambda would have ended the function".to_owned());
        };
        let Invocation { request_id, answer } = invocation.expect("an answer");
        assert!(matches!(answer, Answer::Error(_)), "{answer:?}");
        let line = function.log_line("requestId", &request_id).await.expect("a log line");
        let error = line["error"].as_str().expect("a chain of causes");
        assert!(error.contains("time ran out while reading the secret"), "{line}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_slow_secrets_manager_is_waited_for() {
    let (fixture, secrets) = (Fixture::new().await, secrets_proxy().await);
    // Longer than connecting ahead waits for a first answer, so that the invocation itself has to wait.
    secrets.delay(Duration::from_secs(1));
    undisturbed(async || {
        let function = fixture.function(&[endpoint(&secrets)]).await;
        try_succeed(&function, &sample("confirm-sign-up").0).await
    })
    .await;
}

#[tokio::test]
async fn throttling_and_errors_of_secrets_manager_are_tried_again() {
    let (fixture, secrets) = (Fixture::new().await, secrets_proxy().await);
    let throttled = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: 37\r\n\r\n\
                     {\"__type\":\"ThrottlingException\"      }";
    let broken = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    undisturbed(async || {
        secrets.fail_next([Fault::Answer(throttled), Fault::Answer(broken)]);
        let function = fixture.function(&[endpoint(&secrets)]).await;
        try_succeed(&function, &sample("confirm-sign-up").0).await
    })
    .await;
}
