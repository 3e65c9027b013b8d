//! PgBouncer in transaction mode before a throw-away PostgreSQL.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::{HANG_LIMIT, Leash, Port, Postgres, TestDatabase, tool};

/// The clients that it accepts at most. Its own default of 100 is fewer than the functions of some measurements.
const CLIENTS: u32 = 1000;

/// A running PgBouncer; it ends when this is dropped or the process ends.
#[derive(Debug)]
pub struct PgBouncer {
    // Stopped before its port is free.
    leash: Option<Leash>,
    port: Port,
    directory: PathBuf,
}

impl PgBouncer {
    /// Starts it on a free port before `database`, with this many connections to the server. It has the server's
    /// certificate, and the owner is its only user, until it is [started anew](Self::restart).
    pub fn start(postgres: &Postgres, database: &TestDatabase, server_connections: u32) -> anyhow::Result<Self> {
        Self::start_for(postgres, database, server_connections, "*")
    }

    /// The same, but for the databases by this name alone.
    pub fn start_for(
        postgres: &Postgres,
        database: &TestDatabase,
        server_connections: u32,
        name: &str,
    ) -> anyhow::Result<Self> {
        tool("pgbouncer/pgbouncer").context("run `infra/dev/tools.sh pgbouncer`")?;
        let reserved = Port::reserve()?;
        let port = reserved.number();
        let directory = postgres.directory().join(format!("pgbouncer-{port}"));
        let copied = Command::new("cp").arg("-R").arg(tool("pgbouncer")?).arg(&directory).status()?;
        ensure!(copied.success(), "cannot copy pgbouncer to {}", directory.display());
        let data = postgres.directory().join("data");
        for file in ["server.crt", "server.key"] {
            fs::copy(data.join(file), directory.join(file))?;
            fs::set_permissions(directory.join(file), Permissions::from_mode(0o644))?;
        }
        fs::write(
            directory.join("pgbouncer.ini"),
            format!(
                "[databases]\n\
                 {name} = host=localhost port={server}\n\
                 [pgbouncer]\n\
                 listen_addr = 127.0.0.1\n\
                 listen_port = {port}\n\
                 unix_socket_dir =\n\
                 pool_mode = transaction\n\
                 default_pool_size = {server_connections}\n\
                 max_client_conn = {CLIENTS}\n\
                 auth_type = scram-sha-256\n\
                 auth_file = {here}/users.txt\n\
                 client_tls_sslmode = require\n\
                 client_tls_cert_file = {here}/server.crt\n\
                 client_tls_key_file = {here}/server.key\n\
                 server_tls_sslmode = verify-full\n\
                 server_tls_ca_file = {root}\n\
                 logfile = {here}/log\n",
                server = database.port,
                here = directory.display(),
                root = database.root_certificate.display(),
            ),
        )?;
        let mut pooler = Self { leash: None, port: reserved, directory };
        pooler.restart(postgres, &[(database.user(), &database.password)])?;
        Ok(pooler)
    }

    /// Stops it, which cuts its clients, and starts it with these users and their passwords.
    pub fn restart(&mut self, postgres: &Postgres, users: &[(&str, &str)]) -> anyhow::Result<()> {
        self.leash = None;
        let directory = &self.directory;
        let users = users.iter().map(|(user, password)| format!("\"{user}\" \"{password}\"\n"));
        fs::write(directory.join("users.txt"), users.collect::<String>())?;
        postgres.give_to_server_user(directory)?;
        let mut command = postgres.command_as_server_user(&directory.join("pgbouncer"));
        command.arg(directory.join("pgbouncer.ini")).stdout(Stdio::null()).stderr(Stdio::null());
        let mut leash = Leash::spawn(&mut command)?;
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).is_err() {
            let log = || fs::read_to_string(directory.join("log")).unwrap_or_default();
            ensure!(!leash.has_ended()?, "pgbouncer has ended; its log:\n{}", log());
            ensure!(started.elapsed() < HANG_LIMIT, "pgbouncer does not listen; its log:\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.leash = Some(leash);
        Ok(())
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port.number()
    }
}
