//! A PostgreSQL on this machine for `provision`, without Docker: `local-database up [PORT]` and `local-database down`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use testkit::LocalServer;

const DEFAULT_PORT: u16 = 5432;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["up"] => up(DEFAULT_PORT),
        ["up", port] => up(port.parse().context("the port is no number from 1 to 65535")?),
        ["down"] => down(),
        _ => bail!("usage: local-database up [PORT] | down"),
    }
}

/// Leads to the server's files while there is a server.
fn link() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/local-database")
}

fn up(port: u16) -> anyhow::Result<()> {
    if let Ok(directory) = fs::read_link(link()) {
        let server = LocalServer::at(directory);
        if server.is_running() {
            return say("the local database runs already; `make db-down` stops and deletes it");
        }
        // What a restart of the machine has left.
        fs::remove_file(link())?;
        let _ = server.delete();
    }
    let server = LocalServer::start(port)
        .with_context(|| format!("no server starts on port {port}; choose another one with DB_PORT=…"))?;
    std::os::unix::fs::symlink(server.directory(), link())?;
    let (user, password) = LocalServer::LOGIN;
    let root = server.root_certificate();
    say(&format!("PostgreSQL listens on 127.0.0.1:{port}, until `make db-down` stops and deletes it"))?;
    if port != DEFAULT_PORT {
        say(&format!("CONNECTION_URL='postgres://{user}:{password}@127.0.0.1:{port}/app?sslmode=disable'"))?;
    }
    say("for the function, with verified TLS:")?;
    say(&format!("CONNECTION_URL='postgres://{user}:{password}@localhost:{port}/app?sslrootcert={}'", root.display()))
}

fn down() -> anyhow::Result<()> {
    let Ok(directory) = fs::read_link(link()) else { return say("there is no local database") };
    LocalServer::at(directory).delete()?;
    fs::remove_file(link())?;
    say("the local database is stopped and deleted")
}

fn say(message: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{message}")?)
}
