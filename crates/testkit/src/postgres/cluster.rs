//! A PostgreSQL server's files, and the programs that work on them.

use std::fs::{self, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use super::database::{HOST, OWNER};
use crate::{Authority, HANG_LIMIT, Identity, tools};

/// The names that moto and [`Rds`](crate::Rds) give to DB instances: the server can pass for one, where `PGHOSTADDR` leads
/// to it.
const DB_INSTANCES: [&str; 2] =
    ["*.aaaaaaaaaa.eu-central-1.rds.amazonaws.com", "*.c0ffee.eu-central-1.rds.amazonaws.com"];

/// `nobody` and its group on Linux. The server refuses to run as root, so root runs it as this user.
const NOBODY: u32 = 65534;

/// How the server keeps passwords; before version 14 it would otherwise do so as its clients may no longer log in.
/// <https://www.postgresql.org/docs/13/runtime-config-connection.html#GUC-PASSWORD-ENCRYPTION>
const PASSWORDS: &str = "password_encryption=scram-sha-256";

/// The files of one server, all in one directory.
#[derive(Debug)]
pub(super) struct Cluster {
    directory: PathBuf,
    /// The server's programs, where the user that runs them can reach them.
    bin: PathBuf,
    runs_as_root: bool,
    /// Whether it keeps its promise to write: tests need none, and are quicker without.
    is_durable: bool,
}

impl Cluster {
    /// Creates a server's files in this directory.
    pub(super) fn create(
        directory: &Path,
        password: &str,
        authority: &Authority,
        authentication: &str,
        configuration: &str,
    ) -> anyhow::Result<Self> {
        fs::set_permissions(directory, Permissions::from_mode(0o755))?;
        let cluster = Self::at(directory)?;
        let data = cluster.data();
        cluster.copy_template()?;
        cluster.run_single_user(&format!("alter role {OWNER} password '{password}'"))?;
        fs::write(root_certificate(directory), authority.root_certificate())?;
        cluster.write_identity(authority.issue_for_all(&[&[HOST][..], &DB_INSTANCES].concat())?)?;
        fs::write(data.join("pg_hba.conf"), authentication)?;
        fs::write(data.join("postgresql.auto.conf"), configuration)?;
        cluster.give_to_server_user(&data)?;
        Ok(cluster)
    }

    /// The files that are, or will be, in this directory.
    pub(super) fn at(directory: &Path) -> anyhow::Result<Self> {
        let postgres = tools::postgres()?.canonicalize()?;
        let tree = postgres.ancestors().nth(2).context("postgres stands in no `bin` directory")?;
        // This process, or one like it, has made the directory.
        let runs_as_root = fs::metadata(directory)?.uid() == 0;
        let mut cluster =
            Self { directory: directory.to_owned(), bin: tree.join("bin"), runs_as_root, is_durable: false };
        if cluster.version().is_err() {
            // A checkout in root's home, for instance: the server's user cannot look inside.
            let reachable = directory.join("programs");
            if !reachable.exists() {
                run(Command::new("cp").arg("-R").arg(tree).arg(&reachable))?;
            }
            cluster.bin = reachable.join("bin");
        }
        Ok(cluster)
    }

    /// The same, but a commit of its server is on the disk, as it is in production.
    pub(super) fn durable(self) -> Self {
        Self { is_durable: true, ..self }
    }

    /// The directory that holds everything of the server, and that its user may read.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The server's data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Starts the server and waits until it accepts connections.
    pub(super) fn start(&self, port: u16) -> anyhow::Result<()> {
        let durability = if self.is_durable { "on" } else { "off" };
        let options = format!(
            "-p {port} -h 127.0.0.1 -c unix_socket_directories='' -c ssl=on -c {PASSWORDS} \
             -c fsync={durability} -c full_page_writes={durability}"
        );
        let log = self.log_file();
        let started = self.control("start", &["--options", &options, "--log", path(&log)?]);
        started.map_err(|error| error.context(self.log().unwrap_or_default()))
    }

    /// Stops the server: `immediate` as a crash would, `fast` as an operator does.
    pub(super) fn stop(&self, mode: &str) -> anyhow::Result<()> {
        self.control("stop", &["--mode", mode])
    }

    /// Whether the server runs.
    pub(super) fn is_running(&self) -> bool {
        self.control("status", &[]).is_ok()
    }

    /// Everything the server has logged.
    pub(super) fn log(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.log_file())?)
    }

    /// Gives the server this certificate, from its next start on.
    pub(super) fn write_identity(&self, identity: Identity) -> anyhow::Result<()> {
        let (certificate, key) = (self.data().join("server.crt"), self.data().join("server.key"));
        fs::write(&certificate, identity.certificate)?;
        fs::write(&key, identity.key)?;
        fs::set_permissions(&key, Permissions::from_mode(0o600))?;
        self.give_to_server_user(&certificate)?;
        self.give_to_server_user(&key)
    }

    /// Runs a statement while the server is stopped. It goes through standard input: a password has no place on a
    /// command line.
    pub(super) fn run_single_user(&self, statement: &str) -> anyhow::Result<()> {
        let mut server = self
            .command("postgres")
            .args(["--single", "-c", PASSWORDS, "-D", path(&self.data())?, "postgres"])
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

    /// A command that runs as the server's user: PgBouncer refuses root as well.
    pub(super) fn run_as_server_user(&self, mut command: Command) -> Command {
        command.current_dir("/").stdin(Stdio::null());
        if self.runs_as_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Makes the server's user the owner of `path` and of everything in it.
    pub(super) fn give_to_server_user(&self, path: &Path) -> anyhow::Result<()> {
        if !self.runs_as_root {
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

    fn log_file(&self) -> PathBuf {
        self.data().join("server.log")
    }

    fn control(&self, action: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command("pg_ctl");
        let limit = HANG_LIMIT.as_secs().to_string();
        command.args([action, "--silent", "--timeout", &limit, "--pgdata", path(&self.data())?]);
        // The language of a server with another locale than C in lc_messages, as far as its catalogs are installed.
        command.env("LANGUAGE", "de");
        run(command.args(arguments)).map(drop)
    }

    /// A program that came with the server, if it did.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        Some(self.bin.join(name)).filter(|program| program.exists())
    }

    fn version(&self) -> anyhow::Result<String> {
        run(self.command("postgres").arg("--version"))
    }

    /// A program of the server.
    fn command(&self, program: &str) -> Command {
        self.run_as_server_user(Command::new(self.bin.join(program)))
    }

    /// Copies the data directory that `initdb` has made once for all servers: that is twice as fast.
    fn copy_template(&self) -> anyhow::Result<()> {
        let version = self.version()?.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let template = tools::directory().join("clusters").join(version.trim_matches('-'));
        if !template.exists() {
            self.make_template(&template)?;
        }
        let data = self.data();
        run(Command::new("cp").arg("-R").arg(&template).arg(&data))?;
        fs::set_permissions(&data, Permissions::from_mode(0o700))?;
        self.give_to_server_user(&data)
    }

    fn make_template(&self, template: &Path) -> anyhow::Result<()> {
        let data = self.data();
        fs::create_dir(&data)?;
        self.give_to_server_user(&data)?;
        run(self
            .command("initdb")
            .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--username", OWNER, "--pgdata"])
            .arg(&data))?;
        let parent = template.parent().context("the template has a parent")?;
        fs::create_dir_all(parent)?;
        let copy = TempDir::new_in(parent)?;
        run(Command::new("cp").arg("-R").arg(&data).arg(copy.path().join("data")))?;
        fs::remove_dir_all(&data)?;
        let renamed = fs::rename(copy.path().join("data"), template);
        ensure!(renamed.is_ok() || template.exists(), "cannot write {}: {renamed:?}", template.display());
        Ok(())
    }
}

/// A PEM file with the root that signed the certificate of the server in this directory.
pub(super) fn root_certificate(directory: &Path) -> PathBuf {
    directory.join("root.pem")
}

/// Runs a command to its end and returns its standard output.
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

/// The path as text, for a command line.
pub(super) fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
