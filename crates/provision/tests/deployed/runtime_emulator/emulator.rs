//! AWS's Runtime Interface Emulator, which serves a function's process as Lambda does. It lies in AWS SAM.
//! <https://github.com/aws/aws-lambda-runtime-interface-emulator>

use std::fs::{self, File, Permissions, read_dir, read_link};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::{Leash, Port, tool};

use crate::stack::{architecture, function_zip, succeed};

/// The longest wait for anything. It only ends a test that hangs.
const HANG_LIMIT: Duration = Duration::from_mins(2);

/// The emulator with one function. Both end when this is dropped or the process ends.
pub(crate) struct Emulator {
    _leash: Leash,
    // Deleted after both have ended.
    directory: TempDir,
    port: Port,
    _runtime_api: Port,
}

/// What the caller of a function gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// The HTTP status.
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Emulator {
    /// Serves the function as it is deployed, which may take `seconds` for an invocation, with these variables.
    pub(crate) fn start(seconds: u64, variables: &[(&str, String)]) -> Self {
        Self::start_with(&function(), seconds, variables)
    }

    /// The same with another program in the function's place.
    pub(crate) fn start_with(program: &[u8], seconds: u64, variables: &[(&str, String)]) -> Self {
        let directory = TempDir::with_prefix("emulator-").expect("a directory");
        let bootstrap = directory.path().join("bootstrap");
        fs::write(&bootstrap, program).expect("a file");
        fs::set_permissions(&bootstrap, Permissions::from_mode(0o755)).expect("a mode");
        let (port, runtime_api) = (Port::reserve().expect("a port"), Port::reserve().expect("a port"));
        let log = File::create(directory.path().join("log")).expect("a log");
        let mut command = Command::new(emulator());
        command
            .args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{}", port.number())])
            .args(["--runtime-api-address", &format!("127.0.0.1:{}", runtime_api.number())])
            .arg(bootstrap)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", seconds.to_string())
            .stdout(log.try_clone().expect("the same log"))
            .stderr(log);
        let leash = Leash::spawn(&mut command).expect("the emulator starts");
        let emulator = Self { _leash: leash, directory, port, _runtime_api: runtime_api };
        let end = Instant::now() + HANG_LIMIT;
        while TcpStream::connect(("127.0.0.1", emulator.port.number())).is_err() {
            assert!(Instant::now() < end, "the emulator does not listen; its log:\n{}", emulator.log());
            sleep(Duration::from_millis(20));
        }
        emulator
    }

    /// Sends the function this event, and waits for what its caller gets.
    pub(crate) async fn invoke(&self, event: &str) -> Response {
        // Another name than this the emulator does not know.
        let url = format!("http://127.0.0.1:{}/2015-03-31/functions/function/invocations", self.port.number());
        let event = event.to_owned();
        let request = move || {
            let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(HANG_LIMIT));
            let mut response = ureq::Agent::from(agent.build()).post(url).send(event)?;
            Ok(Response { status: response.status().as_u16(), body: response.body_mut().read_to_string()? })
        };
        let response: Result<_, ureq::Error> = tokio::task::spawn_blocking(request).await.expect("no panic");
        response.unwrap_or_else(|error| panic!("{error}; the log:\n{}", self.log()))
    }

    /// What emulator and function have written.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.path().join("log")).expect("the log")).into_owned()
    }

    /// Waits until this text stands in the log `count` times or more.
    pub(crate) async fn until_logged(&self, text: &str, count: usize) {
        self.until(|| self.log().matches(text).count() >= count).await;
    }

    /// Waits until the condition holds.
    pub(crate) async fn until(&self, condition: impl Fn() -> bool) {
        let end = Instant::now() + HANG_LIMIT;
        while !condition() {
            assert!(Instant::now() < end, "waited in vain; the log:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The id of the function's process, of which there is one after an invocation.
    pub(crate) fn process(&self) -> String {
        let program = self.directory.path().join("bootstrap");
        let processes = read_dir("/proc").expect("Linux").map(|entry| entry.expect("an entry").path());
        let mut processes = processes.filter(|process| read_link(process.join("exe")).is_ok_and(|exe| exe == program));
        let process =
            processes.next().unwrap_or_else(|| panic!("no process of the function; the log:\n{}", self.log()));
        assert_eq!(processes.next(), None, "a function has one process");
        process.file_name().expect("a number").to_string_lossy().into_owned()
    }

    /// Sends the function's process this signal, such as `KILL`.
    pub(crate) fn signal(&self, signal: &str) {
        succeed(Command::new("kill").args(["-s", signal, &self.process()]));
    }
}

/// The function's program, out of its zip.
pub(crate) fn function() -> Vec<u8> {
    let mut unzip = Command::new(tool("sam/bin/python").expect("Python"));
    unzip.args(["-c", "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read('bootstrap'))"]);
    let output = unzip.arg(function_zip()).stdin(Stdio::null()).output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The emulator for this machine.
fn emulator() -> PathBuf {
    let name = format!("samcli/local/rapid/aws-lambda-rie-{}", architecture());
    let packages = read_dir(tool("sam/lib").expect("AWS SAM")).expect("a directory");
    let packages = packages.map(|python| python.expect("an entry").path().join("site-packages"));
    let found = packages.map(|packages| packages.join(&name)).find(|emulator| Path::exists(emulator));
    found.unwrap_or_else(|| panic!("AWS SAM has no {name}; run `make tools`"))
}
