//! The programs in `.tools`.

use std::path::{Path, PathBuf};

use anyhow::ensure;

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
