//! AWS Lambda on this machine, with queues and templates: ministack, as a server process. It runs a function's zip as
//! Lambda does, without containers: warm processes, a time limit, event source mappings.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::server::{self, environment};
use crate::{Leash, Port, tool};

/// A running ministack server; it ends, and its functions' processes with it, when this is dropped or the process ends.
#[derive(Debug)]
pub struct Ministack {
    _leash: Leash,
    // Deleted after the server has ended.
    _directory: TempDir,
    port: Port,
}

impl Ministack {
    /// Starts a server on this port of 127.0.0.1, whose functions have these variables beside those that they are
    /// configured with.
    pub fn start(port: Port, of_functions: &[(&str, String)]) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("ministack-")?;
        let mut command = Command::new(tool("ministack/bin/python")?);
        command
            .args(["-c", include_str!("ministack.py")])
            .env_clear()
            // The functions inherit all of these: what the server itself has no use for is for them.
            .envs(environment(port.number()))
            .envs(of_functions.iter().map(|(name, value)| (name, value)))
            .env("PATH", "/usr/bin:/bin")
            .env("GATEWAY_PORT", port.number().to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_REGION", "eu-central-1")
            .env("MINISTACK_ACCOUNT_ID", "123456789012")
            .env("S3_DATA_DIR", directory.path())
            .env("STATE_DIR", directory.path())
            .env("TMPDIR", directory.path())
            // These would listen on fixed ports.
            .env("SFTP_ENABLED", "0")
            .env("IOT_MTLS_ENABLED", "0")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let leash = Leash::spawn(&mut command)?;
        let server = Self { _leash: leash, _directory: directory, port };
        server::wait_until_it_listens(server.port.number(), "ministack")?;
        Ok(server)
    }

    /// The variables that lead an AWS SDK here.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        environment(self.port.number())
    }
}
