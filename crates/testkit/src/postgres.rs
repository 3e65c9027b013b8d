//! A throw-away PostgreSQL server that speaks nothing but TLS.

use std::fs::{self, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use native_tls::Certificate;
use postgres_native_tls::MakeTlsConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{Authority, HANG_LIMIT, Identity, Leash, Port, tool, tools};

/// The name in the server's certificate.
const HOST: &str = "localhost";

/// The names that moto gives to DB instances: the server can pass for one, where `PGHOSTADDR` leads to it.
const DB_INSTANCES: &str = "*.aaaaaaaaaa.eu-central-1.rds.amazonaws.com";

/// The name of the authority that signs it.
const AUTHORITY: &str = "throw-away root";

/// The server's superuser, who owns every database.
const OWNER: &str = "owner";

/// TLS and a password for everybody, but for the role that an [`IamGateway`](crate::IamGateway) has let in.
const HOST_BASED_AUTHENTICATION: &str = "\
hostnossl all iam_user 127.0.0.1/32 trust
hostssl all all 127.0.0.1/32 scram-sha-256
";

/// A password for everybody on this machine, with TLS or without.
const LOCAL_AUTHENTICATION: &str = "host all all 127.0.0.1/32 scram-sha-256\n";

/// `nobody` and its group on Linux. The server refuses to run as root, so root runs it as this user.
const NOBODY: u32 = 65534;

/// A running server with its own certificate authority. It and its files go when this is dropped or the process
/// ends.
#[derive(Debug)]
pub struct Postgres {
    password: String,
    binaries: Binaries,
    directory: PathBuf,
    authority: Authority,
    databases: AtomicU32,
    template: OnceCell<String>,
    // Stopped before its port is free.
    _leash: Leash,
    port: Port,
}

/// A database of its own on a [`Postgres`] server.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    /// Its name.
    pub name: String,
    /// The server's port.
    pub port: u16,
    /// The owner's password.
    pub password: String,
    /// A PEM file with the root that signed the server's certificate.
    pub root_certificate: PathBuf,
}

impl Postgres {
    /// The server that all tests of one process share.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Postgres> =
            LazyLock::new(|| Postgres::start().unwrap_or_else(|error| panic!("{error:?}")));
        &SHARED
    }

    /// Starts a server on a free port of 127.0.0.1.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with("")
    }

    /// Starts a server with these lines in its configuration.
    pub fn start_with(configuration: &str) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("postgres-")?.keep();
        let leash = Leash::new(
            "kill -s QUIT \"$(head -n 1 \"$1/data/postmaster.pid\")\" && \
             while [ -e \"$1/data/postmaster.pid\" ]; do sleep 0.02; done; rm -rf \"$1\"",
            &[path(&directory)?],
        )?;
        // Characters that a URL has to encode, so that every test proves that it does.
        let password = format!("p@ss/{}", Uuid::new_v4());
        let authority = Authority::new(AUTHORITY)?;
        let binaries = make_server(&directory, &password, &authority, HOST_BASED_AUTHENTICATION, configuration)?;
        let port = Port::reserve()?;
        binaries.start_server(port.number(), &directory.join("data"))?;
        let (databases, template) = (AtomicU32::new(0), OnceCell::new());
        Ok(Self { password, binaries, directory, authority, databases, template, _leash: leash, port })
    }

    /// Starts the server anew, with a certificate whose time is over.
    pub fn let_certificate_expire(&self) -> anyhow::Result<()> {
        self.stop("fast")?;
        let data = self.directory.join("data");
        write_identity(&data, self.authority.issue_expired(HOST)?)?;
        self.binaries.give_to_server_user(&data)?;
        self.start_again()
    }

    /// Stops the server: `immediate` as a crash would, `fast` as an operator does.
    pub fn stop(&self, mode: &str) -> anyhow::Result<()> {
        let data = self.directory.join("data");
        let arguments = ["stop", "--silent", "--mode", mode, "--pgdata", path(&data)?];
        run(self.binaries.command("pg_ctl").args(arguments)).map(drop)
    }

    /// Whether the server runs.
    pub fn is_running(&self) -> bool {
        let arguments =
            path(&self.directory.join("data")).map(|data| ["status", "--silent", "--pgdata", data].map(str::to_owned));
        arguments.and_then(|arguments| run(self.binaries.command("pg_ctl").args(arguments))).is_ok()
    }

    /// What the server has logged.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.directory.join("data/server.log"))?)
    }

    /// Starts the stopped server again, on the same port.
    pub fn start_again(&self) -> anyhow::Result<()> {
        self.binaries.start_server(self.port.number(), &self.directory.join("data"))
    }

    /// A program to be run as the server's user, because it refuses root as well.
    pub(crate) fn command_as_server_user(&self, program: &Path) -> Command {
        self.binaries.run_as_server_user(Command::new(program))
    }

    /// Lets the server's user own `path` and everything in it.
    pub(crate) fn give_to_server_user(&self, path: &Path) -> anyhow::Result<()> {
        self.binaries.give_to_server_user(path)
    }

    /// A directory that goes with the server and that its user may read.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Creates an empty database.
    pub async fn database(&self) -> anyhow::Result<TestDatabase> {
        let database = self.database_named(format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed)));
        self.administration().await?.batch_execute(&format!("create database {}", database.name)).await?;
        Ok(database)
    }

    /// Creates a database that holds what `load` writes into an empty one.
    ///
    /// `load` runs once for each server; every database is a copy of what it left. So each call on one server must
    /// pass the same.
    pub async fn loaded_database(
        &self,
        load: impl AsyncFnOnce(&TestDatabase) -> anyhow::Result<()>,
    ) -> anyhow::Result<TestDatabase> {
        let template = self.template.get_or_try_init(async || self.make_template(load).await).await?;
        let database = self.database_named(format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed)));
        let administration = self.administration().await?;
        administration.batch_execute(&format!("create database {} template {template}", database.name)).await?;
        // What was granted and revoked on the database itself is not copied.
        let rights =
            "update pg_database set datacl = (select datacl from pg_database where datname = $1) where datname = $2";
        administration.execute(rights, &[template, &database.name]).await?;
        Ok(database)
    }

    async fn make_template(
        &self,
        load: impl AsyncFnOnce(&TestDatabase) -> anyhow::Result<()>,
    ) -> anyhow::Result<String> {
        let template = self.database().await?;
        load(&template).await?;
        // A database that has a session cannot be copied, and the server ends one some time after its client has gone.
        let administration = self.administration().await?;
        let close = format!("alter database {} allow_connections false", template.name);
        administration.batch_execute(&close).await?;
        let sessions = "select count(*) from pg_stat_activity where datname = $1";
        let ended = async {
            while administration.query_one(sessions, &[&template.name]).await?.get::<_, i64>(0) > 0 {
                sleep(Duration::from_millis(10)).await;
            }
            anyhow::Ok(())
        };
        timeout(HANG_LIMIT, ended).await.context("the template's sessions do not end")??;
        Ok(template.name)
    }

    fn database_named(&self, name: String) -> TestDatabase {
        TestDatabase {
            name,
            port: self.port.number(),
            password: self.password.clone(),
            root_certificate: self.directory.join("root.pem"),
        }
    }

    /// A connection to the database that every server has.
    async fn administration(&self) -> anyhow::Result<Client> {
        self.database_named("postgres".to_owned()).connect().await
    }
}

impl TestDatabase {
    /// The host's name, as the certificate has it.
    pub fn host(&self) -> &'static str {
        HOST
    }

    /// The owner's role.
    pub fn user(&self) -> &'static str {
        OWNER
    }

    /// What `CONNECTION_URL` takes, with the owner's password.
    pub fn url(&self) -> String {
        let password = self.password.replace('@', "%40").replace('/', "%2F");
        format!("postgres://{OWNER}:{password}@{HOST}:{}/{}", self.port, self.name)
    }

    /// The secret that RDS would write for the owner.
    pub fn secret(&self) -> Value {
        json!({
            "engine": "postgres",
            "host": HOST,
            "port": self.port,
            "dbname": self.name,
            "username": OWNER,
            "password": self.password,
        })
    }

    /// Connects as the owner.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        self.connect_as(OWNER, &self.password).await
    }

    /// Connects as this role.
    pub async fn connect_as(&self, user: &str, password: &str) -> anyhow::Result<Client> {
        let root = Certificate::from_pem(&fs::read(&self.root_certificate)?)?;
        let connector =
            native_tls::TlsConnector::builder().disable_built_in_roots(true).add_root_certificate(root).build()?;
        let (client, connection) = tokio_postgres::Config::new()
            .host(HOST)
            .port(self.port)
            .dbname(&self.name)
            .user(user)
            .password(password)
            .ssl_mode(tokio_postgres::config::SslMode::Require)
            .connect(MakeTlsConnector::new(connector))
            .await
            .with_context(|| format!("cannot connect to the throw-away database {}", self.name))?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// A PostgreSQL for a developer, with TLS and without, that runs until it is stopped.
#[derive(Debug)]
pub struct LocalServer {
    directory: PathBuf,
}

impl LocalServer {
    /// The user, who may do everything, and the password: no secret, for the server listens on 127.0.0.1 alone.
    pub const LOGIN: (&str, &str) = ("postgres", "password");

    /// Makes and starts a server on this port, with its files in a new directory.
    pub fn start(port: u16) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("local-postgres-")?;
        let (user, password) = Self::LOGIN;
        let authority = Authority::new(AUTHORITY)?;
        let binaries = make_server(directory.path(), password, &authority, LOCAL_AUTHENTICATION, "")?;
        let data = directory.path().join("data");
        let role = format!("create role {user} superuser login password '{password}'");
        binaries.run_single_user(&data, &role)?;
        binaries.start_server(port, &data)?;
        Ok(Self { directory: directory.keep() })
    }

    /// The server whose files are there.
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A PEM file with the root that signed its certificate, which is for `localhost`.
    pub fn root_certificate(&self) -> PathBuf {
        self.directory.join("root.pem")
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.control("status").is_ok()
    }

    /// Starts it again on this port, with all that was in it.
    pub fn start_again(&self, port: u16) -> anyhow::Result<()> {
        Binaries::find(&self.directory)?.start_server(port, &self.directory.join("data"))
    }

    /// Stops it.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.control("stop")
    }

    /// Stops it, if it runs, and deletes everything.
    pub fn delete(self) -> anyhow::Result<()> {
        if self.is_running() {
            self.stop()?;
        }
        Ok(fs::remove_dir_all(&self.directory)?)
    }

    fn control(&self, action: &str) -> anyhow::Result<()> {
        let data = self.directory.join("data");
        let mut command = Binaries::find(&self.directory)?.command("pg_ctl");
        run(command.args([action, "--silent", "--mode", "fast", "--pgdata", path(&data)?])).map(drop)
    }
}

/// Makes a server's files in this directory.
fn make_server(
    directory: &Path,
    password: &str,
    authority: &Authority,
    authentication: &str,
    configuration: &str,
) -> anyhow::Result<Binaries> {
    fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    let binaries = Binaries::find(directory)?;
    let data = directory.join("data");
    binaries.make_cluster(&data)?;
    binaries.run_single_user(&data, &format!("alter role {OWNER} password '{password}'"))?;
    fs::write(directory.join("root.pem"), authority.root_certificate())?;
    write_identity(&data, authority.issue_for_all(&[HOST, DB_INSTANCES])?)?;
    fs::write(data.join("pg_hba.conf"), authentication)?;
    fs::write(data.join("postgresql.auto.conf"), configuration)?;
    binaries.give_to_server_user(&data)?;
    Ok(binaries)
}

fn write_identity(data: &Path, identity: Identity) -> anyhow::Result<()> {
    fs::write(data.join("server.crt"), identity.certificate)?;
    fs::write(data.join("server.key"), identity.key)?;
    Ok(fs::set_permissions(data.join("server.key"), Permissions::from_mode(0o600))?)
}

/// The server's programs, where the user that runs them can reach them.
#[derive(Debug)]
struct Binaries {
    bin: PathBuf,
    we_are_root: bool,
}

impl Binaries {
    fn find(scratch: &Path) -> anyhow::Result<Self> {
        let postgres = tool("postgresql/bin/postgres")?.canonicalize()?;
        let tree = postgres.ancestors().nth(2).context("postgres stands in no `bin` directory")?;
        // Who made the scratch directory, that is, this process.
        let we_are_root = fs::metadata(scratch)?.uid() == 0;
        let found = Self { bin: tree.join("bin"), we_are_root };
        if found.version().is_ok() {
            return Ok(found);
        }
        // A checkout in root's home, for instance: the server's user cannot look inside.
        let reachable = scratch.join("programs");
        if reachable.exists() {
            return Ok(Self { bin: reachable.join("bin"), we_are_root });
        }
        run(Command::new("cp").arg("-R").arg(tree).arg(&reachable))?;
        Ok(Self { bin: reachable.join("bin"), we_are_root })
    }

    fn version(&self) -> anyhow::Result<String> {
        run(self.command("postgres").arg("--version"))
    }

    /// A program of the server.
    fn command(&self, program: &str) -> Command {
        self.run_as_server_user(Command::new(self.bin.join(program)))
    }

    fn run_as_server_user(&self, mut command: Command) -> Command {
        command.current_dir("/").stdin(Stdio::null());
        if self.we_are_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Copies a cluster that `initdb` has made once for all: that is twice as fast.
    fn make_cluster(&self, data: &Path) -> anyhow::Result<()> {
        let version = self.version()?.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let template = tools::directory().join("clusters").join(version.trim_matches('-'));
        if !template.exists() {
            self.make_template(&template, data)?;
        }
        run(Command::new("cp").arg("-R").arg(&template).arg(data))?;
        fs::set_permissions(data, Permissions::from_mode(0o700))?;
        self.give_to_server_user(data)
    }

    fn make_template(&self, template: &Path, scratch: &Path) -> anyhow::Result<()> {
        fs::create_dir(scratch)?;
        self.give_to_server_user(scratch)?;
        run(self
            .command("initdb")
            .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--username", OWNER, "--pgdata"])
            .arg(scratch))?;
        let parent = template.parent().context("the template has a parent")?;
        fs::create_dir_all(parent)?;
        let copy = TempDir::new_in(parent)?;
        run(Command::new("cp").arg("-R").arg(scratch).arg(copy.path().join("data")))?;
        fs::remove_dir_all(scratch)?;
        let renamed = fs::rename(copy.path().join("data"), template);
        ensure!(renamed.is_ok() || template.exists(), "cannot write {}: {renamed:?}", template.display());
        Ok(())
    }

    /// Through the server's single-user mode, on standard input: a password has no place on a command line.
    fn run_single_user(&self, data: &Path, statement: &str) -> anyhow::Result<()> {
        let mut server = self
            .command("postgres")
            .args(["--single", "-D", path(data)?, "postgres"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = server.stdin.take().context("standard input is a pipe")?;
        writeln!(stdin, "{statement}")?;
        drop(stdin);
        let output = server.wait_with_output()?;
        ensure!(output.status.success(), "the server refuses a statement: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn start_server(&self, port: u16, data: &Path) -> anyhow::Result<()> {
        let log = data.join("server.log");
        let options = format!(
            "-p {port} -h 127.0.0.1 -c unix_socket_directories='' -c ssl=on \
             -c fsync=off -c full_page_writes=off"
        );
        let mut command = self.command("pg_ctl");
        command.args(["start", "--silent", "--wait", "--options", &options, "--pgdata", path(data)?, "--log"]);
        match run(command.arg(&log)) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.context(fs::read_to_string(&log).unwrap_or_default())),
        }
    }

    fn give_to_server_user(&self, path: &Path) -> anyhow::Result<()> {
        if !self.we_are_root {
            return Ok(());
        }
        lchown(path, Some(NOBODY), Some(NOBODY))?;
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                self.give_to_server_user(&entry?.path())?;
            }
        }
        Ok(())
    }
}

/// Runs a command to its end and returns what it printed.
fn run(command: &mut Command) -> anyhow::Result<String> {
    // Files, not pipes: the server that pg_ctl leaves behind would hold a pipe open for ever.
    let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let status = command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).status();
    let status = status.with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {}", text(stderr)?);
    text(stdout)
}

fn text(mut file: fs::File) -> anyhow::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
