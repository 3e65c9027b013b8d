//! Standard output, for people or for programs.

use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde::Serialize;

/// How to write a command's result.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON document and nothing else
    Json,
}

/// How a command that did not fail has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// A check found differences.
    Differences,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Differences => Self::from(3),
        }
    }
}

impl Format {
    /// Writes the same result either way.
    pub(crate) fn write(self, result: &(impl Display + Serialize)) -> anyhow::Result<()> {
        let text = match self {
            Self::Text => result.to_string(),
            Self::Json => serde_json::to_string_pretty(result)?,
        };
        match writeln!(io::stdout(), "{text}") {
            // The reader has seen enough, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }
}

/// Writes a table for people. Control characters in the cells are replaced: users choose their own names.
pub(crate) fn table<const N: usize>(
    f: &mut Formatter<'_>,
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> fmt::Result {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row.map(|text| harmless(&text)));
    }
    write!(f, "{}", table.trim_fmt())
}

/// A count with its noun, such as `1 session` or `2 sessions`.
pub(crate) fn counted<N: Copy + From<u8> + PartialEq + Display>(count: N, one: &str, many: &str) -> String {
    format!("{count} {}", if count == N::from(1) { one } else { many })
}

/// The text without control characters, which could move the cursor or change the terminal.
pub(crate) fn harmless(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
