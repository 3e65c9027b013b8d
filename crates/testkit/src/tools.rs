//! The programs in `.tools`, and ports to run them on.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// The path of a program below `.tools`.
pub fn tool(path: &str) -> anyhow::Result<PathBuf> {
    let tool = directory().join(path);
    ensure!(tool.exists(), "{} is missing; run `make tools`", tool.display());
    Ok(tool)
}

/// `.tools` at the top of the checkout.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools")
}

/// A port of 127.0.0.1 that nobody listens on at the moment.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}
