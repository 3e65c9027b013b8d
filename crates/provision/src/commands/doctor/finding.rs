//! What a check has found.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::error;
use crate::terminal::harmless;

/// The result of a check.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    looked_at: &'static str,
    pub(super) status: Status,
    found: String,
    troubles: Vec<Trouble>,
}

/// How a check has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Sound,
    /// It works, and could be better.
    Advice,
    Wrong,
    /// The check could not be made.
    Unknown,
    /// The deployment has no such part.
    Off,
}

/// What a check saw.
#[derive(Debug)]
pub(super) struct Seen {
    found: String,
    is_off: bool,
    troubles: Vec<Trouble>,
}

/// A fault, or what could be better.
#[derive(Debug, Serialize)]
struct Trouble {
    severity: Status,
    problem: String,
    remedy: Option<String>,
}

impl Seen {
    /// What is there.
    pub(super) fn new(found: impl Into<String>) -> Self {
        Self { found: found.into(), is_off: false, troubles: Vec::new() }
    }

    /// That there is nothing to look at.
    pub(super) fn off(reason: impl Into<String>) -> Self {
        Self { is_off: true, ..Self::new(reason) }
    }

    /// The same with other words for what is there.
    pub(super) fn saying(self, found: impl Into<String>) -> Self {
        Self { found: found.into(), ..self }
    }

    /// A fault and the way out.
    pub(super) fn wrong(&mut self, problem: impl Into<String>, remedy: impl Into<String>) {
        self.add(Status::Wrong, problem, remedy);
    }

    /// What works and could be better.
    pub(super) fn advise(&mut self, problem: impl Into<String>, remedy: impl Into<String>) {
        self.add(Status::Advice, problem, remedy);
    }

    /// The fault that an error tells of.
    pub(super) fn wrong_as(&mut self, error: &anyhow::Error) {
        self.troubles.push(Trouble::of(Status::Wrong, error));
    }

    fn add(&mut self, severity: Status, problem: impl Into<String>, remedy: impl Into<String>) {
        self.troubles.push(Trouble { severity, problem: problem.into(), remedy: Some(remedy.into()) });
    }
}

impl Trouble {
    fn of(severity: Status, error: &anyhow::Error) -> Self {
        Self { severity, problem: format!("{error:#}"), remedy: error::remedy(error) }
    }
}

impl Finding {
    pub(super) fn new(check: &'static str, looked_at: &'static str, seen: anyhow::Result<Seen>) -> Self {
        match seen {
            Err(error) => {
                let trouble = Trouble::of(Status::Unknown, &error);
                let found = "this could not be looked at".to_owned();
                Self { check, looked_at, status: Status::Unknown, found, troubles: vec![trouble] }
            }
            Ok(Seen { found, is_off, troubles }) => {
                let has = |status| troubles.iter().any(|trouble| trouble.severity == status);
                let status = match (has(Status::Wrong), has(Status::Advice)) {
                    (true, _) => Status::Wrong,
                    (false, true) => Status::Advice,
                    (false, false) if is_off => Status::Off,
                    (false, false) => Status::Sound,
                };
                Self { check, looked_at, status, found, troubles }
            }
        }
    }
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Sound => "ok",
            Self::Advice => "note",
            Self::Wrong => "WRONG",
            Self::Unknown => "?",
            Self::Off => "-",
        }
    }
}

/// `WRONG  trigger       the pool has no Post confirmation trigger`, and the troubles below.
impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { check, looked_at, status, found, troubles } = self;
        write!(f, "{:<6} {check:<13} {}", status.word(), harmless(found))?;
        if !troubles.is_empty() {
            write!(f, " (looked at {looked_at})")?;
        }
        for Trouble { problem, remedy, .. } in troubles {
            write!(f, "\n         {}", harmless(problem))?;
            remedy.iter().try_for_each(|remedy| write!(f, "\n         hint: {}", harmless(remedy)))?;
        }
        Ok(())
    }
}
