//! The machine of a run, as far as a reader needs it to compare.

use std::fs;
use std::time::SystemTime;

use testkit::Postgres;

use crate::results::Machine;

/// Describes this machine and the server.
pub(crate) fn describe(server: &Postgres, load_at_start: f64) -> Machine {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // Of a release such as 6.1.0-42-cloud-amd64, the version alone.
    let kernel = kernel.split(|letter: char| letter != '.' && !letter.is_ascii_digit()).next().unwrap_or_default();
    let version = server.program("postgres").and_then(|program| {
        let output = std::process::Command::new(program).arg("--version").output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).split_whitespace().nth(2)?.to_owned())
    });
    Machine {
        processor: processor.trim_start_matches([' ', '\t', ':']).trim().to_owned(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        kernel: format!("Linux {kernel}"),
        postgresql: version.unwrap_or_default(),
        load: [load_at_start, load()],
    }
}

/// Processes that ran or waited, on average of the last minute.
pub(crate) fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

/// The day, UTC.
pub(crate) fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}
