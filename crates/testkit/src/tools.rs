//! The programs in `.tools`.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::ensure;

/// The variable that names another PostgreSQL for the tests, by the directory of its programs.
const POSTGRESQL: &str = "POSTGRESQL_BIN";

/// The path of a program below `.tools`.
pub fn tool(path: &str) -> anyhow::Result<PathBuf> {
    let tool = directory().join(path);
    ensure!(tool.exists(), "{} is missing; run `make tools`", tool.display());
    Ok(tool)
}

/// The path of PostgreSQL's server: the one in `POSTGRESQL_BIN`, or the one in `.tools`.
pub(crate) fn postgres() -> anyhow::Result<PathBuf> {
    let Some(bin) = env::var_os(POSTGRESQL) else { return tool("postgresql/bin/postgres") };
    let postgres = Path::new(&bin).join("postgres");
    ensure!(postgres.exists(), "{} is missing; correct {POSTGRESQL}", postgres.display());
    Ok(postgres)
}

/// `.tools` at the top of the checkout.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools")
}
