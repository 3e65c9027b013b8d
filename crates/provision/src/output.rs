//! Standard output, for people or for programs.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind, Write};

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

impl Format {
    /// Writes one and the same result either way.
    pub(crate) fn show(self, result: &(impl Display + Serialize)) -> anyhow::Result<()> {
        let text = match self {
            Self::Text => result.to_string(),
            Self::Json => serde_json::to_string_pretty(result)?,
        };
        match writeln!(io::stdout(), "{text}") {
            // Whoever reads has seen enough, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }
}

/// What the function needs in its environment.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Environment(pub(crate) BTreeMap<&'static str, String>);

impl Display for Environment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("For the function's environment:")?;
        self.0.iter().try_for_each(|(name, value)| write!(f, "\n  {name}={value}"))
    }
}

/// Writes a table for people. They name themselves: what would move the cursor, or worse, is replaced.
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

/// So many of something, for people.
pub(crate) fn counted<N: Copy + From<u8> + PartialEq + Display>(count: N, one: &str, many: &str) -> String {
    format!("{count} {}", if count == N::from(1) { one } else { many })
}

/// The text without what would move the cursor, or worse.
pub(crate) fn harmless(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
