//! Passwords that change, and a Secrets Manager that is not at its best.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Fault, Function, Moto, Proxy};

use crate::stage::{Stage, fail, sample, succeed};

/// A role of its own for this database, whose password can be changed, and its secret.
struct Rotation {
    stage: Stage,
    role: String,
}

impl Rotation {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let role = format!("rotated_{}", stage.database.name);
        let grant = "grant execute on function upsert_user";
        stage.execute(&format!("create role {role} login password 'first'; {grant} to {role}")).await;
        let rotation = Self { stage, role };
        rotation.stage.store_secret(&rotation.role, rotation.secret("first")).await;
        rotation
    }

    fn secret(&self, password: &str) -> Value {
        let mut secret = self.stage.database.secret();
        secret["username"] = json!(self.role);
        secret["password"] = json!(password);
        secret
    }

    async fn write(&self, stage: &str, password: &str) {
        Moto::shared().put_secret(&self.role, stage, &self.secret(password)).await.expect("a new version");
    }

    async fn function(&self) -> Function {
        self.stage.function(&[("DB_SECRET_ID", self.role.clone())]).await
    }

    /// Changes the password in the database and ends every session that was opened with the old one.
    async fn change_password(&self, password: &str) {
        let end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename";
        self.stage.execute(&format!("alter role {0} password '{password}'; {end} = '{0}'", self.role)).await;
    }
}

#[tokio::test]
async fn a_password_rotated_while_warm_is_read_again() {
    let rotation = Rotation::new().await;
    let function = rotation.function().await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    rotation.change_password("second").await;
    rotation.write("AWSCURRENT", "second").await;
    succeed(&function, &sample("confirm-sign-up-phone").0).await;
    assert_eq!(rotation.stage.users().await.len(), 2);
}

#[tokio::test]
async fn a_password_that_only_the_pending_version_knows_is_found() {
    let rotation = Rotation::new().await;
    let function = rotation.function().await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    rotation.write("AWSPENDING", "second").await;
    rotation.change_password("second").await;
    succeed(&function, &sample("confirm-sign-up-phone").0).await;
    let cold = rotation.function().await;
    succeed(&cold, &sample("confirm-sign-up-only-sub").0).await;
    assert_eq!(rotation.stage.users().await.len(), 3);
}

#[tokio::test]
async fn a_password_that_nobody_knows_yet_is_waited_for_and_told_in_time() {
    let rotation = Rotation::new().await;
    let function = rotation.function().await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    rotation.change_password("second").await;
    let event = sample("confirm-sign-up-phone").0;
    let line = fail(&function, &event, "CredentialsRejected").await;
    assert!(line["error"].as_str().is_some_and(|error| error.contains("SQLSTATE 28P01")), "{line}");
    tokio::join!(succeed(&function, &event), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        rotation.write("AWSCURRENT", "second").await;
    });
    assert_eq!(rotation.stage.users().await.len(), 2);
    for password in ["first", "second"] {
        assert!(!function.log().contains(&format!("\"{password}\"")), "a password stands in the log");
    }
}

#[tokio::test]
async fn a_server_that_moved_is_found_where_the_secret_says() {
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
    assert_eq!((old.connections(), new.connections()), (1, 0));
    Moto::shared().put_secret(&rotation.role, "AWSCURRENT", &at(&new)).await.expect("a new version");
    old.refuse(true);
    old.cut();
    succeed(&function, &sample("confirm-sign-up-phone").0).await;
    assert_eq!(rotation.stage.users().await.len(), 2);
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_although_secrets_manager_is_down() {
    let stage = Stage::new().await;
    let secrets = proxy().await;
    let database = Proxy::start(stage.database.port).await.expect("a proxy");
    let function = stage
        .function(&[
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", secrets.port())),
            ("PGPORT", database.port().to_string()),
        ])
        .await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    secrets.refuse(true);
    secrets.cut();
    database.refuse(true);
    database.cut();
    let event = sample("confirm-sign-up-phone").0;
    tokio::join!(succeed(&function, &event), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        database.refuse(false);
    });
    assert_eq!(stage.users().await.len(), 2);
}

/// A proxy before the rotation's database.
async fn behind(rotation: &Rotation) -> Proxy {
    Proxy::start(rotation.stage.database.port).await.expect("a proxy")
}

/// A function that reaches Secrets Manager through a proxy.
async fn behind_proxy(stage: &Stage, proxy: &Proxy) -> Function {
    stage.function(&[("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", proxy.port()))]).await
}

async fn proxy() -> Proxy {
    Proxy::start(Moto::shared().port()).await.expect("a proxy")
}

#[tokio::test]
async fn a_secrets_manager_that_is_down_is_told_in_time_and_not_needed_when_warm() {
    let stage = Stage::new().await;
    let proxy = proxy().await;
    proxy.refuse(true);
    let function = behind_proxy(&stage, &proxy).await;
    let event = sample("confirm-sign-up").0;
    fail(&function, &event, "SecretUnavailable").await;
    proxy.refuse(false);
    succeed(&function, &event).await;
    proxy.refuse(true);
    proxy.cut();
    succeed(&function, &sample("confirm-sign-up-phone").0).await;
    assert_eq!(stage.users().await.len(), 2);
}

#[tokio::test]
async fn a_secrets_manager_that_never_answers_is_told_in_time() {
    let stage = Stage::new().await;
    let proxy = proxy().await;
    proxy.silence(true);
    let function = behind_proxy(&stage, &proxy).await;
    let event = sample("confirm-sign-up").0;
    let line = fail(&function, &event, "BudgetExceeded").await;
    assert!(line["error"].as_str().is_some_and(|error| error.contains("while reading the secret")), "{line}");
    proxy.silence(false);
    succeed(&function, &event).await;
}

#[tokio::test]
async fn a_slow_secrets_manager_is_waited_for() {
    let stage = Stage::new().await;
    let proxy = proxy().await;
    proxy.delay(Duration::from_secs(1));
    let function = behind_proxy(&stage, &proxy).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
}

#[tokio::test]
async fn throttling_and_errors_of_secrets_manager_are_tried_again() {
    let stage = Stage::new().await;
    let proxy = proxy().await;
    let throttled = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: 37\r\n\r\n\
                     {\"__type\":\"ThrottlingException\"      }";
    let broken = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    proxy.fail_next([Fault::Answer(throttled), Fault::Answer(broken)]);
    let function = behind_proxy(&stage, &proxy).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
}
