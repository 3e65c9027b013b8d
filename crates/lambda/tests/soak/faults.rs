//! Everything that fails, now and then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use testkit::Fault;
use tokio::time::sleep;

use crate::fixture::{Fixture, ROLE};
use crate::pool::Pool;

/// The longest pause between two faults, in milliseconds.
const PAUSE: u64 = 800;

/// The longest of the faults that last: more than an invocation may wait, so that some must fail.
const LONGEST: Duration = Duration::from_secs(7);

/// The longest freeze, in milliseconds: longer than Cognito waits.
const LONGEST_FREEZE: u64 = 8000;

/// The slowest statement, in seconds.
const SLOWEST: f64 = 2.0;

/// How often each fault occurred.
pub(crate) type Faults = BTreeMap<&'static str, u32>;

impl Fixture {
    /// Makes something fail, now and then, until all is done. Half way, the database moves.
    pub(crate) async fn fail_at_random(&self, mut rng: Rng, half: &AtomicBool, done: &AtomicBool) -> Faults {
        let mut faults = Faults::new();
        let mut moved = false;
        // Not by the number of faults before it, which the machine's speed decides.
        let manner = rng.u8(..3);
        while !done.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(rng.u64(..PAUSE))).await;
            let fault = if half.load(Ordering::Relaxed) && !moved {
                moved = true;
                self.move_away(manner).await
            } else {
                self.fail(&mut rng).await
            };
            *faults.entry(fault).or_default() += 1;
        }
        faults
    }

    async fn fail(&self, rng: &mut Rng) -> &'static str {
        let proxy = &self.target().proxy;
        match rng.u8(..14) {
            0 => {
                proxy.cut();
                "connections cut"
            }
            1 => {
                proxy.stall();
                "connections stalled"
            }
            2 => {
                proxy.fail_next([Fault::Cut]);
                "statements cut"
            }
            3 => {
                proxy.fail_next([Fault::Stall]);
                "statements stalled"
            }
            4 => {
                proxy.refuse(true);
                proxy.cut();
                last(rng).await;
                proxy.refuse(false);
                "refusals"
            }
            5 => self.restart("fast", "restarts").await,
            6 => self.restart("immediate", "crashes").await,
            7 => {
                self.rotate(rng).await;
                "rotations"
            }
            8 => {
                self.secrets.silence(true);
                self.secrets.stall();
                proxy.cut();
                last(rng).await;
                self.secrets.silence(false);
                self.secrets.cut();
                "hangs of Secrets Manager"
            }
            9 => {
                let mut client = self.target().client().await;
                let lock = client.transaction().await.expect("a transaction");
                lock.batch_execute("lock table users in access exclusive mode").await.expect("a lock");
                last(rng).await;
                lock.commit().await.expect("the server is up");
                "locks"
            }
            10 => {
                let seconds = rng.f64() * SLOWEST;
                self.target().execute(&format!("update slowness set seconds = {seconds}")).await;
                last(rng).await;
                self.target().execute("update slowness set seconds = 0").await;
                "slow times"
            }
            11 => {
                proxy.delay(Duration::from_millis(rng.u64(..300)));
                last(rng).await;
                proxy.delay(Duration::ZERO);
                "slow networks"
            }
            12 => {
                // Then there is neither a row nor a message.
                self.sqs.silence(true);
                self.sqs.stall();
                proxy.refuse(true);
                proxy.cut();
                last(rng).await;
                proxy.refuse(false);
                self.sqs.silence(false);
                self.sqs.cut();
                "absences of database and queue"
            }
            _ => {
                self.set_read_only(true).await;
                last(rng).await;
                self.set_read_only(false).await;
                "read-only times"
            }
        }
    }

    async fn restart(&self, mode: &'static str, name: &'static str) -> &'static str {
        let postgres = Arc::clone(&self.postgres);
        let restart = tokio::task::spawn_blocking(move || {
            postgres.stop(mode).expect("the server stops");
            postgres.start_again().expect("the server starts");
        });
        restart.await.expect("it restarts");
        name
    }

    /// In the order of AWS's rotation functions: the pending version, the database, the current version.
    async fn rotate(&self, rng: &mut Rng) {
        let password = rng.u64(..).to_string();
        let secret = self.target().secret(&password);
        self.moto.put_secret(ROLE, "AWSPENDING", &secret).await.expect("a pending version");
        self.target().execute(&format!("alter role {ROLE} password '{password}'")).await;
        self.target().proxy.cut();
        sleep(Duration::from_millis(rng.u64(..PAUSE))).await;
        self.moto.put_secret(ROLE, "AWSCURRENT", &secret).await.expect("a current version");
    }

    /// Makes every session read-only, or writable again, as a full disk or a failover does.
    async fn set_read_only(&self, read_only: bool) {
        let client = self.target().client().await;
        let (value, reload) = (if read_only { "on" } else { "off" }, "select pg_reload_conf()");
        // Each is a transaction of its own: a server's setting cannot be changed within one.
        for sql in [&format!("alter system set default_transaction_read_only = {value}"), reload] {
            client.batch_execute(sql).await.expect("the setting is the server's");
        }
    }

    /// Moves to the second database: the first one becomes read-only, its rows are copied, and the secret names the
    /// second one. The first one goes on read-only, accepts no sessions, or its port refuses.
    async fn move_away(&self, manner: u8) -> &'static str {
        let [old, new] = self.targets();
        let name = &old.database.name;
        old.execute(&format!("alter database {name} set default_transaction_read_only = on")).await;
        // No session goes on as it was.
        let sessions = format!("from pg_stat_activity where usename = '{ROLE}'");
        let client = old.client().await;
        client
            .batch_execute(&format!("select pg_terminate_backend(pid, 60000) {sessions}"))
            .await
            .expect("it ends them");
        let columns = "display_name, handle, email, email_verified, cognito_user_id, cognito_as_of, created_at";
        let rows = format!("select to_jsonb(users) from (select {columns} from users) as users");
        let copy =
            format!("insert into users ({columns}) select {columns} from jsonb_populate_record(null::users, $1)");
        let target = new.client().await;
        for row in client.query(&rows, &[]).await.expect("`users` is readable") {
            target.execute(&copy, &[&row.get::<_, serde_json::Value>(0)]).await.expect("a copy");
        }
        let secret = self.moto.secret(ROLE, "AWSCURRENT").await.expect("a secret").expect("a current version");
        let password = secret["password"].as_str().expect("a password");
        self.switch();
        self.moto.put_secret(ROLE, "AWSCURRENT", &new.secret(password)).await.expect("a current version");
        match manner {
            0 => "moves, the old database read-only",
            1 => {
                old.proxy.refuse(true);
                old.proxy.cut();
                "moves, the old port refusing"
            }
            _ => {
                // By a session of the other one: a database cannot be closed from within.
                new.execute(&format!("alter database {name} allow_connections false")).await;
                "moves, the old database closed"
            }
        }
    }
}

/// Waits as long as a fault lasts: mostly a second or two, one time in four longer than Cognito waits.
async fn last(rng: &mut Rng) {
    sleep(LONGEST.mul_f64(rng.f64().powi(2))).await;
}

/// Freezes functions, now and then, until all is done; returns how often.
pub(crate) async fn freeze_at_random(pool: &Pool, mut rng: Rng, done: &AtomicBool) -> u32 {
    let mut freezes = 0;
    while !done.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(rng.u64(..LONGEST_FREEZE))).await;
        let running = pool.running();
        let Some(function) = rng.choice(&running) else { continue };
        let freeze = Duration::from_millis(rng.u64(..LONGEST_FREEZE));
        // Lambda may end it meanwhile.
        if let Some(function) = function.upgrade() {
            function.freeze().expect("it freezes");
            freezes += 1;
        }
        sleep(freeze).await;
        if let Some(function) = function.upgrade() {
            function.thaw().expect("it goes on");
        }
    }
    freezes
}
