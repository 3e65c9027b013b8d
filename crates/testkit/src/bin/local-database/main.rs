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
        ["up", port] => up(port.parse().context("the port is not a number from 1 to 65535")?),
        ["down"] => down(),
        _ => bail!("usage: local-database up [PORT] | down"),
    }
}

/// The symbolic link to the server's files.
fn link() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/local-database")
}

/// The server that was started before, unless the system has deleted its temporary files.
fn existing() -> anyhow::Result<Option<LocalServer>> {
    let Ok(directory) = fs::read_link(link()) else { return Ok(None) };
    if directory.exists() {
        return Ok(Some(LocalServer::at(directory)));
    }
    fs::remove_file(link())?;
    Ok(None)
}

fn up(port: u16) -> anyhow::Result<()> {
    let no_start = || format!("cannot start a server on port {port}; choose another one with DB_PORT=…");
    let server = match existing()? {
        Some(server) if server.is_running() => {
            return say("the local database is running already; `make db-down` stops and deletes it");
        }
        // The machine was restarted.
        Some(server) => {
            server.start_again(port).with_context(no_start)?;
            server
        }
        None => {
            let server = LocalServer::start(port).with_context(no_start)?;
            std::os::unix::fs::symlink(server.directory(), link())?;
            server
        }
    };
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
    let Some(server) = existing()? else { return say("there is no local database") };
    server.delete()?;
    fs::remove_file(link())?;
    say("the local database is stopped and deleted")
}

fn say(message: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{message}")?)
}
