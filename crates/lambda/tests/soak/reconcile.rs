//! `provision users reconcile` on the soak's user pool and the database in use.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::{TestDatabase, UserPool};

/// Runs it to its end. Returns its report.
pub(crate) async fn reconcile(user_pool: &UserPool, database: &TestDatabase) -> Value {
    let program = Path::new(env!("CARGO_BIN_EXE_post-confirmation")).with_file_name("provision");
    assert!(program.exists(), "no {}: run `cargo build --workspace --bin provision`", program.display());
    // As fast as a stand-in permits: AWS permits 30 requests a second.
    user_pool.change_rules(|rules| rules.speed = 100.0);
    let mut command = Command::new(program);
    command.args(["users", "reconcile", "--settle", "0s", "--rps", "1000", "--output", "json"]);
    command.env_clear().envs(user_pool.serve().expect("a server")).env("USER_POOL_ID", user_pool.id());
    command.env("CONNECTION_URL", database.url()).env("PGSSLROOTCERT", &database.root_certificate);
    command.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    let output = output.expect("provision starts");
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON and nothing else")
}
