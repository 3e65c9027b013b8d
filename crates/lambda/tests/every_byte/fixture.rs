//! The fixture of all cases: one server, one database, one secret, and functions behind a proxy each.

use std::sync::atomic::{AtomicU64, Ordering};

use db::role::{Authentication, Role};
use serde_json::json;
use testkit::{Break, Function, Moto, Postgres, Proxy, TestDatabase};
use tokio::sync::Semaphore;
use tokio_postgres::Client;

use crate::log_schema;

/// The role and the secret of the functions.
const ROLE: &str = "every_byte";

/// Sessions at the server: each function has one, a stalled one, and one that replaces it.
const SESSIONS: i32 = 400;

/// Functions that start at the same time: more would only wait for each other.
const STARTS_AT_ONCE: usize = 2;

pub(crate) struct Fixture {
    _postgres: Postgres,
    database: TestDatabase,
    client: Client,
    starts: Semaphore,
    users: AtomicU64,
}

/// A user who signs up.
pub(crate) struct User {
    sub: String,
    pub(crate) event: String,
}

impl Fixture {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let postgres = Postgres::start_with(&format!("max_connections = {}\n", SESSIONS + 20))?;
        let database = postgres.database().await?;
        let mut client = database.connect().await?;
        db::schema::load(&mut client).await?;
        let role = Role {
            name: ROLE.to_owned(),
            authentication: Authentication::Password,
            connection_limit: Some(SESSIONS),
            keeps_public: false,
        };
        let plan = db::role::plan(&client, &role).await?;
        let applied = db::role::apply(&mut client, &plan).await?;
        applied.set_password(&ROLE.into()).await?;
        applied.commit().await?;
        let mut secret = database.secret();
        secret["username"] = json!(ROLE);
        secret["password"] = json!(ROLE);
        Moto::shared().create_secret(ROLE, &secret).await?;
        let starts = Semaphore::new(STARTS_AT_ONCE);
        Ok(Self { _postgres: postgres, database, client, starts, users: AtomicU64::default() })
    }

    /// A function that has served a sign-up, and its proxy.
    pub(crate) async fn warm_function(&self) -> anyhow::Result<(Function, Proxy)> {
        let _turn = self.starts.acquire().await?;
        let (function, proxy) = self.function(None).await?;
        function.invoke(&self.new_user().event).await?;
        Ok((function, proxy))
    }

    /// A function whose first connection breaks there, and its proxy.
    pub(crate) async fn function(&self, at: Option<Break>) -> anyhow::Result<(Function, Proxy)> {
        let proxy = Proxy::start(self.database.port).await?;
        if let Some(at) = at {
            proxy.break_next(at);
        }
        let mut variables = vec![
            ("DB_SECRET_ID", ROLE.to_owned()),
            ("PGPORT", proxy.port().to_string()),
            ("PGSSLROOTCERT", self.database.root_certificate.to_string_lossy().into_owned()),
        ];
        variables.extend(Moto::shared().environment());
        let function = Function::start(env!("CARGO_BIN_EXE_post-confirmation"), &variables).await?;
        Ok((function.inspected_by(log_schema::check), proxy))
    }

    /// A user that no other case has; all events are equally long.
    pub(crate) fn new_user(&self) -> User {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let sub = format!("{number:08x}-0000-4000-8000-000000000000");
        let attributes = json!({"sub": sub, "preferred_username": format!("user{number:08}"), "name": "Ada Lovelace",
                                "email": format!("user{number:08}@example.com"), "email_verified": "true"});
        let event = json!({
            "triggerSource": "PostConfirmation_ConfirmSignUp",
            "userName": sub,
            "request": {"userAttributes": attributes},
            "response": {},
        });
        User { sub, event: event.to_string() }
    }

    /// How many rows the user has.
    pub(crate) async fn rows(&self, user: &User) -> anyhow::Result<i64> {
        let sql = "select count(*) from public.users where cognito_user_id = $1";
        Ok(self.client.query_one(sql, &[&user.sub]).await?.get(0))
    }
}
