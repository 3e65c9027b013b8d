//! The functions that are measured: this project's, and what others would write.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The name of this project's function, to which the ratios are.
pub(crate) const OURS: &str = "ours";

/// Variants of this project's function, and functions that only execute a statement. The chart, which compares ways to write
/// the function, leaves them out.
pub(crate) const EXPLANATIONS: [&str; 4] = ["queue", "iam", "only-ensure", "only-insert"];

/// A function, and how it is started.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    /// What a reader is told of it.
    pub(crate) label: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// The zip that is uploaded.
    pub(crate) package: Option<PathBuf>,
    pub(crate) database: Use,
    pub(crate) settings: Settings,
}

/// The settings with which a function finds its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settings {
    /// The secret.
    Secret,
    /// The secret, and the server that it probably names.
    Server,
    /// These, and the spill queue.
    ServerAndQueue,
    /// The gateway that checks IAM's tokens, for which there is no secret. The relay is not before it.
    Gateway,
    /// The whole login, for which there is no secret either.
    Login,
}

/// What a function does with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It keeps its connection, and makes another one when that is broken.
    Kept,
    /// It keeps its connection, and never makes another one.
    KeptOnce,
    /// It connects for each event.
    EachTime,
    /// Nothing.
    None,
}

/// A candidate that is not measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    /// Its label.
    pub(crate) label: String,
    /// Why.
    pub(crate) reason: String,
}

/// The candidates that are here and those that are not, in the order of the table.
pub(crate) fn find(function: &Path, plain: Option<&Path>, peers: &Path) -> (Vec<Candidate>, Vec<LeftOut>) {
    let python = |name: &'static str, label: &'static str, database: Use| {
        let package = peers.join(name).join("package");
        let environment =
            ["PYTHONPATH", "LAMBDA_TASK_ROOT"].map(|variable| (variable, package.to_string_lossy().into_owned()));
        Candidate {
            name,
            label,
            program: peers.join("python/bin/python"),
            arguments: ["-m", "awslambdaric", "function.handler"].map(str::to_owned).to_vec(),
            environment: environment.to_vec(),
            package: Some(peers.join(name).join("package.zip")),
            database,
            settings: Settings::Secret,
        }
    };
    let node = Candidate {
        arguments: vec![peers.join("node/package/runtime.js").to_string_lossy().into_owned()],
        package: Some(peers.join("node/package.zip")),
        ..bare("node", "Node.js, pg 8, connection kept, own loop", &on_path("node"))
    };
    let go = Candidate {
        package: Some(peers.join("go/package.zip")),
        ..bare("go", "Go 1.19 and pgx 4 of 2022, connection kept", &peers.join("go/package/bootstrap"))
    };
    let variant = |name, label, settings| Candidate { name, label, settings, ..ours(function) };
    let mut all = vec![
        ours(function),
        variant("queue", "This project, with its spill queue", Settings::ServerAndQueue),
        variant("iam", "This project, with IAM in place of the secret", Settings::Gateway),
        go,
        node,
        python("psycopg3", "Python, psycopg 3, connection kept", Use::Kept),
        python("psycopg2", "Python, psycopg2, connects each time", Use::EachTime),
    ];
    if let Some(plain) = plain {
        let program = |name: &str| plain.join(name).join("bootstrap");
        let statement = |name, label, argument: &str| Candidate {
            arguments: vec![argument.to_owned()],
            database: Use::KeptOnce,
            settings: Settings::Login,
            ..bare(name, label, &program("statement"))
        };
        all.extend([
            statement("only-ensure", "Rust, only the statement of this project", "ensure"),
            statement("only-insert", "Rust, only an INSERT", "insert"),
            Candidate { database: Use::None, ..bare("no-op", "Rust, does nothing", &program("no-op")) },
        ]);
    }
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for candidate in all {
        match candidate.problem(peers) {
            None => found.push(candidate),
            Some(reason) => left_out.push(LeftOut { label: candidate.label.to_owned(), reason }),
        }
    }
    (found, left_out)
}

/// This project's function.
pub(crate) fn ours(function: &Path) -> Candidate {
    Candidate {
        package: Some(function.with_extension("zip")),
        settings: Settings::Server,
        ..bare(OURS, "This project", function)
    }
}

/// A program that needs nothing but its settings.
fn bare(name: &'static str, label: &'static str, program: &Path) -> Candidate {
    Candidate {
        name,
        label,
        program: program.to_owned(),
        arguments: Vec::new(),
        environment: Vec::new(),
        package: None,
        database: Use::Kept,
        settings: Settings::Secret,
    }
}

impl Candidate {
    /// Why it cannot be measured, if it cannot.
    fn problem(&self, peers: &Path) -> Option<String> {
        let reason = fs::read_to_string(peers.join(self.name).join("missing")).ok();
        let missing = || {
            let absent = Some(&self.program).filter(|program| !program.exists())?;
            Some(format!("{} is missing", absent.file_name()?.to_string_lossy()))
        };
        reason.map(|reason| reason.trim().to_owned()).or_else(missing)
    }

    /// The size of what is uploaded, in bytes.
    pub(crate) fn package_bytes(&self) -> Option<u64> {
        Some(fs::metadata(self.package.as_ref()?).ok()?.len())
    }
}

/// Where the shell would find a program; just its name if it would not.
fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.exists());
    found.unwrap_or_else(|| name.into())
}
