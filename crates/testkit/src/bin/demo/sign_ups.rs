//! From an event to a row: a PostgreSQL with TLS, moto as Secrets Manager, the function, and every event in `events/`
//! through `cargo lambda`. Fails unless each event comes back unchanged and `users` holds exactly the expected rows.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use serde_json::Value;
use tempfile::NamedTempFile;
use testkit::{Leash, Moto, Port, Postgres, Sample, samples, tool};
use tokio::process::Command;

use crate::{output, provision, provision_quietly, say, top};

const FUNCTION: &str = "post-confirmation";

const SECRET_ID: &str = "demo/users-db";

/// How long `cargo lambda watch` may take until it listens.
const START_LIMIT: Duration = Duration::from_mins(2);

pub(crate) async fn run() -> anyhow::Result<()> {
    say("starting a temporary PostgreSQL with TLS and its own certificate authority");
    let postgres = Postgres::start()?;
    let database = postgres.database().await?;
    let root_certificate = database.root_certificate.to_string_lossy().into_owned();

    say("starting moto as AWS Secrets Manager");
    let moto = Moto::start()?;

    let mut operator = vec![("CONNECTION_URL", database.url()), ("PGSSLROOTCERT", root_certificate.clone())];
    operator.extend(moto.environment());
    provision(&["db", "load"], &operator).await?;
    provision(&["db", "grant", "--secret", SECRET_ID], &operator).await?;

    let mut function = vec![("DB_SECRET_ID", SECRET_ID.to_owned()), ("PGSSLROOTCERT", root_certificate.clone())];
    function.extend(moto.environment());
    let watch = Watch::start(&function)?;
    for sample in samples()? {
        watch.invoke(&sample).await?;
    }

    let users: Vec<Value> =
        serde_json::from_str(&provision_quietly(&["users", "list", "--output", "json"], &operator).await?)?;
    compare(&users)?;
    provision(&["users", "list"], &operator).await?;
    say("every event came back unchanged, and every user has the expected row");
    Ok(())
}

/// `cargo lambda watch` with the function in it.
struct Watch {
    log: NamedTempFile,
    // Stopped before its port is free.
    _leash: Leash,
    port: Port,
}

impl Watch {
    fn start(environment: &[(&str, String)]) -> anyhow::Result<Self> {
        let reserved = Port::reserve()?;
        let port = reserved.number();
        let log = NamedTempFile::new()?;
        let mut command = cargo_lambda(&["watch", "--ignore-changes", "-A", "127.0.0.1", "-P", &port.to_string()])?;
        let watch = command
            .as_std_mut()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .stdout(log.reopen()?)
            .stderr(log.reopen()?);
        let watch = Self { log, _leash: Leash::spawn(watch)?, port: reserved };
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            ensure!(
                started.elapsed() < START_LIMIT,
                "`cargo lambda watch` does not listen; its log:\n{}",
                watch.log()?
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(watch)
    }

    /// Sends the event and fails unless the same event comes back.
    async fn invoke(&self, sample: &Sample) -> anyhow::Result<()> {
        let file = format!("events/{}.json", sample.name);
        let port = self.port.number().to_string();
        let mut command = cargo_lambda(&["invoke", "-A", "127.0.0.1", "-P", &port, "--data-file", &file, FUNCTION])?;
        let shown = format!("cargo lambda invoke -A 127.0.0.1 -P {port} --data-file {file} {FUNCTION}");
        let answer = match output(&mut command, &shown).await {
            Ok(answer) => answer,
            Err(error) => bail!("{error}\nthe function's log:\n{}", self.log()?),
        };
        let answer: Value = serde_json::from_str(&answer)?;
        ensure!(
            answer == serde_json::from_str::<Value>(&sample.event)?,
            "expected {file} back unchanged, and got {answer}"
        );
        Ok(())
    }

    fn log(&self) -> anyhow::Result<String> {
        Ok(io::read_to_string(File::open(self.log.path())?)?)
    }
}

/// Fails unless `users` has the rows of all samples and no others.
fn compare(users: &[Value]) -> anyhow::Result<()> {
    // Without the UUID, which differs in every run.
    let expected_columns = |user: &Value| {
        let column = |name: &str| user[name].as_str().map(str::to_owned);
        ["cognito_user_id", "display_name", "handle", "email"].map(column)
    };
    let rows = samples()?.into_iter().filter_map(|sample| sample.row);
    let expected = rows.map(|row| Ok(expected_columns(&serde_json::to_value(row)?)));
    let expected: BTreeSet<_> = expected.collect::<anyhow::Result<_>>()?;
    let found: BTreeSet<_> = users.iter().map(expected_columns).collect();
    ensure!(
        found == expected && users.len() == expected.len(),
        "expected these rows in users: {expected:#?}; found {users:#?}"
    );
    Ok(())
}

fn cargo_lambda(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(tool("python/bin/cargo-lambda")?);
    command.arg("lambda").args(arguments).current_dir(top());
    Ok(command)
}
