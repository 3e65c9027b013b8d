//! What libpq and the server take without any function: pgbench, on the same server through the same TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use testkit::{Postgres, TestDatabase};

use crate::results::Floor;
use crate::spread::Series;

/// Different in each transaction: no two get the same user.
const UNIQUE: &str = "\\set user random(1, 9000000000000000000)\n";

/// A row as the function makes one, with nothing else around it.
const PLAIN: &str = "insert into public.users \
    (cognito_user_id, display_name, handle, email, email_verified, cognito_as_of) \
    values ('sub-' || :user, 'Ada Lovelace', 'ada-' || :user, :user || '@example.com', true, now());\n";

/// The function's own statement. Its argument is made on the server, since pgbench has numbers only.
const ENSURE: &str = "select cognito.ensure_user(replace('{\"contract\": 1, \"sub\": \"sub-#\", \
    \"user_name\": \"sub-#\", \"user_pool_id\": \"eu-central-1_aB3dE5gH7\", \
    \"trigger_source\": \"PostConfirmation_ConfirmSignUp\", \"display_name\": \"Ada Lovelace\", \
    \"handles\": [\"ada-#\", \"ada-#-5c2f\"], \"email\": \"#@example.com\", \"email_verified\": true, \
    \"attributes\": {}, \"client_metadata\": {}}', '#', :user || '')::jsonb);\n";

/// Name, label, script, and whether it connects for each transaction.
const FLOORS: [(&str, &str, &str, bool); 3] = [
    ("connect", "pgbench: connect, plain INSERT", PLAIN, true),
    ("insert", "pgbench: prepared plain INSERT", PLAIN, false),
    ("ensure", "pgbench: prepared `ensure_user`", ENSURE, false),
];

/// pgbench, and what it has measured.
#[derive(Debug)]
pub(crate) struct Floors {
    pgbench: PathBuf,
    database: TestDatabase,
    directory: TempDir,
    times: [Series; FLOORS.len()],
}

impl Floors {
    /// None if the server came without pgbench.
    pub(crate) fn new(server: &Postgres, database: TestDatabase) -> anyhow::Result<Option<Self>> {
        let Some(pgbench) = server.program("pgbench") else { return Ok(None) };
        let directory = TempDir::with_prefix("pgbench-")?;
        for (name, _, script, _) in FLOORS {
            fs::write(directory.path().join(name), format!("{UNIQUE}{script}"))?;
        }
        Ok(Some(Self { pgbench, database, directory, times: Default::default() }))
    }

    /// Measures each once more, with so many transactions that connect and so many that do not.
    pub(crate) fn measure(&mut self, connecting: usize, prepared: usize) -> anyhow::Result<()> {
        for (place, (name, _, _, connects)) in FLOORS.into_iter().enumerate() {
            let number = if connects { connecting } else { prepared };
            let script = self.directory.path().join(name);
            let output = self.run(&script, connects, number)?;
            if connects {
                // The log has no time of the connection.
                let rate = output.lines().find_map(|line| line.strip_prefix("tps = ")).context("no rate")?;
                let rate: f64 = rate.split_whitespace().next().unwrap_or_default().parse()?;
                self.times[place].push(1000.0 / rate);
            }
            for log in fs::read_dir(self.directory.path())? {
                let log = log?.path();
                if log.to_string_lossy().contains("log.") {
                    // The first transaction connects, prepares, and meets a fresh backend.
                    for line in fs::read_to_string(&log)?.lines().skip(prepared / 10).filter(|_| !connects) {
                        let time = line.split_whitespace().nth(2).context("no time in pgbench's log")?;
                        self.times[place].push(time.parse::<f64>()? / 1000.0);
                    }
                    fs::remove_file(log)?;
                }
            }
        }
        Ok(())
    }

    fn run(&self, script: &Path, connects: bool, number: usize) -> anyhow::Result<String> {
        let log = self.directory.path().join("log");
        let mut command = Command::new(&self.pgbench);
        command.args(["--no-vacuum", "--log"]).arg("--log-prefix").arg(log).arg("--file").arg(script);
        command.args(["--transactions", &number.to_string(), "--protocol", "prepared"]);
        command.args(connects.then_some("--connect"));
        let database = &self.database;
        let port = database.port.to_string();
        let settings = [
            ("PGHOST", database.host()),
            ("PGPORT", &port),
            ("PGUSER", database.user()),
            ("PGDATABASE", &database.name),
        ];
        command.envs(settings).env("PGPASSWORD", &database.password);
        command.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", &database.root_certificate);
        let output = command.output().context("cannot run pgbench")?;
        ensure!(output.status.success(), "pgbench fails: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What was measured.
    pub(crate) fn results(&self) -> Vec<Floor> {
        let named = FLOORS.iter().zip(&self.times);
        let floor = |((name, label, _, _), times): (&(&str, &str, _, _), &Series)| Floor {
            name: (*name).to_owned(),
            label: (*label).to_owned(),
            time: times.spread(),
        };
        named.map(floor).collect()
    }
}
