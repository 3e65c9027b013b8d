//! The fixture: a server with two databases of which one is in use, Secrets Manager, SQS, a proxy before each of them, and a
//! user pool.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use db::role::{Authentication, Role};
use serde_json::{Value, json};
use testkit::{Function, Moto, Postgres, Proxy, Queue, TestDatabase, UserPool};
use tokio_postgres::Client;

use crate::log_schema;

/// The role of the functions, and the name of its secret; its password changes all the time.
pub(crate) const ROLE: &str = "soak";

/// The password at first.
const PASSWORD: &str = "0";

/// Makes each statement on `users` as slow as the one row of `slowness` says.
const SLOWNESS: &str = "
    create table public.slowness (seconds double precision not null);
    insert into public.slowness values (0);
    grant select on public.slowness to public;
    create function public.be_slow() returns trigger language plpgsql as $$
    begin
        perform pg_catalog.pg_sleep(seconds) from public.slowness;
        return new;
    end
    $$;
    create trigger be_slow before insert or update on public.users for each row execute function public.be_slow();
";

/// A database with the schema, and the proxy through which the functions reach it.
pub(crate) struct Target {
    pub(crate) database: TestDatabase,
    pub(crate) proxy: Proxy,
}

/// A row: how many there are of the user, and the e-mail address.
pub(crate) type Rows = BTreeMap<String, (i64, Option<String>)>;

pub(crate) struct Fixture {
    pub(crate) postgres: Arc<Postgres>,
    targets: [Target; 2],
    in_use: AtomicUsize,
    pub(crate) moto: Moto,
    pub(crate) secrets: Proxy,
    pub(crate) queue: Queue,
    /// The functions' way to the queue.
    pub(crate) sqs: Proxy,
    pub(crate) user_pool: UserPool,
}

impl Fixture {
    pub(crate) async fn start(seed: u64) -> Self {
        let postgres = Arc::new(Postgres::start().expect("a server"));
        let targets = [Target::make(&postgres).await, Target::make(&postgres).await];
        let moto = Moto::start().expect("a server");
        let secrets = Proxy::start(moto.port()).await.expect("a proxy");
        let sqs = Proxy::start(moto.port()).await.expect("a proxy");
        let queue = Queue::create(&moto).await.expect("a queue");
        let (in_use, user_pool) = (AtomicUsize::new(0), UserPool::new(seed));
        let fixture = Self { postgres, targets, in_use, moto, secrets, queue, sqs, user_pool };
        fixture.moto.create_secret(ROLE, &fixture.target().secret(PASSWORD)).await.expect("a secret");
        fixture
    }

    /// The database in use.
    pub(crate) fn target(&self) -> &Target {
        &self.targets[self.in_use.load(Ordering::Relaxed)]
    }

    /// The databases in the order in which they are used.
    pub(crate) fn targets(&self) -> &[Target; 2] {
        &self.targets
    }

    /// Takes the second database into use; the secret is still to follow.
    pub(crate) fn switch(&self) {
        self.in_use.store(1, Ordering::Relaxed);
    }

    pub(crate) async fn function(&self) -> Function {
        let root = self.target().database.root_certificate.to_string_lossy().into_owned();
        let mut variables = vec![("DB_SECRET_ID", ROLE.to_owned()), ("PGSSLROOTCERT", root)];
        variables.extend(self.moto.environment());
        variables.push(("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.secrets.port())));
        variables.push(("AWS_ENDPOINT_URL_SQS", format!("http://127.0.0.1:{}", self.sqs.port())));
        variables.push(("SPILL_QUEUE_URL", self.queue.url.clone()));
        variables.push(("DEAD_LETTER_QUEUE_URL", self.queue.dead_letters.clone()));
        let function = Function::start(env!("CARGO_BIN_EXE_post-confirmation"), &variables).await;
        function.expect("the function starts").inspected_by(log_schema::check)
    }
}

impl Target {
    async fn make(postgres: &Postgres) -> Self {
        let database = postgres.database().await.expect("a database");
        let mut client = database.connect().await.expect("the database is up");
        db::schema::load(&mut client).await.expect("the migrations apply");
        let role = Role {
            name: ROLE.to_owned(),
            authentication: Authentication::Password,
            connection_limit: Some(80),
            keeps_public: false,
        };
        let plan = db::role::plan(&client, &role).await.expect("a plan for the role");
        let applied = db::role::apply(&mut client, &plan).await.expect("a role with no other privilege");
        applied.set_password(&PASSWORD.into()).await.expect("a new password");
        applied.commit().await.expect("the role exists");
        client.batch_execute(SLOWNESS).await.expect("a trigger");
        let proxy = Proxy::start(database.port).await.expect("a proxy");
        Self { database, proxy }
    }

    pub(crate) fn secret(&self, password: &str) -> Value {
        let mut secret = self.database.secret();
        secret["username"] = json!(ROLE);
        secret["password"] = json!(password);
        secret["port"] = json!(self.proxy.port());
        secret
    }

    pub(crate) async fn client(&self) -> Client {
        self.database.connect().await.expect("the database is up")
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.expect("the statement is right");
    }

    /// The rows of each user.
    pub(crate) async fn rows(&self) -> Rows {
        let sql = "select cognito_user_id, count(*), max(email) from users group by 1";
        let rows = self.client().await.query(sql, &[]).await.expect("`users` is readable");
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()
    }
}
