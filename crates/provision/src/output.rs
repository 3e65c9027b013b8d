//! Standard output, for people or for programs.

use std::fmt::{self, Display, Formatter};
#[cfg(not(test))]
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

#[cfg(not(test))]
use crate::error::Problem;
use crate::terminal::{harmless, harmless_json, harmless_lines};

/// The widest cell of a table, in columns of a terminal: one long text would move those of all other rows out of sight.
const CELL_WIDTH: usize = 60;

/// The most characters in a cell: marks that are drawn over their letter have no width.
const CELL_CHARACTERS: usize = 4 * CELL_WIDTH;

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
    /// As another program has ended that this one was for, or this one elsewhere.
    Status(u8),
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Differences => Self::from(3),
            Outcome::Status(status) => Self::from(status),
        }
    }
}

impl Format {
    /// Writes a result whose text is one line.
    pub(crate) fn write(self, result: &(impl Display + Serialize)) -> anyhow::Result<()> {
        match self {
            Self::Text => print(&harmless(result)),
            Self::Json => print_json(result),
        }
    }

    /// Writes a result whose text has several lines. Its `Display` passes each value that may hold a break through
    /// [`harmless`].
    pub(crate) fn write_lines(self, result: &(impl Display + Serialize)) -> anyhow::Result<()> {
        match self {
            Self::Text => print(&harmless_lines(result)),
            Self::Json => print_json(result),
        }
    }
}

/// Writes a script of this program's own for another one: nothing in it comes from elsewhere, so nothing is escaped.
pub(crate) fn write_script(script: &str) -> anyhow::Result<()> {
    print(script.trim_end())
}

fn print_json(result: &impl Serialize) -> anyhow::Result<()> {
    print(&harmless_json(&serde_json::to_string_pretty(result)?))
}

/// Writes what a command in the operator's function has written, with the breaks of its lines.
pub(crate) fn pass_on(text: &str) -> anyhow::Result<()> {
    write_text(&harmless_lines(text))
}

/// Writes a line of the operator's function to its log.
pub(crate) fn log(line: &impl Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string(line)?)
}

fn print(text: &str) -> anyhow::Result<()> {
    write_text(&format!("{text}\n"))
}

#[cfg(test)]
#[expect(clippy::print_stdout, clippy::unnecessary_wraps, reason = "of a test, only what the macro writes is captured")]
fn write_text(text: &str) -> anyhow::Result<()> {
    print!("{text}");
    Ok(())
}

#[cfg(not(test))]
fn write_text(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written.map_err(|error| {
            let problem = "the command is done, but its result cannot be written to standard output";
            Problem::new(problem, "let standard output go to a terminal, or to a file with space").because(error)
        })?),
    }
}

/// Writes a table for people. Users choose their own names, so a cell is one line of limited width.
pub(crate) fn table<const N: usize>(
    f: &mut Formatter<'_>,
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> fmt::Result {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row.map(|text| shortened(harmless(text))));
    }
    write!(f, "{}", table.trim_fmt())
}

/// The text, or its beginning with `…`, in at most [`CELL_WIDTH`] columns.
fn shortened(text: String) -> String {
    let fits = |text: &str| text.width() <= CELL_WIDTH && text.chars().count() <= CELL_CHARACTERS;
    if fits(&text) {
        return text;
    }
    let mut short = String::new();
    for character in text.graphemes(true) {
        short.push_str(character);
        if !fits(&format!("{short}…")) {
            short.truncate(short.len() - character.len());
            break;
        }
    }
    short + "…"
}

/// A count with its noun, such as `1 session` or `2 sessions`.
pub(crate) fn counted<N: Copy + From<u8> + PartialEq + Display>(count: N, one: &str, many: &str) -> String {
    format!("{count} {}", if count == N::from(1) { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of the cell and `x`.
    struct Row(String);

    impl Display for Row {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            table(f, ["a", "b"], [[self.0.clone(), "x".to_owned()]])
        }
    }

    /// The cell's text as the table shows it.
    fn cell(text: &str) -> String {
        let table = Row(text.to_owned()).to_string();
        let row = table.lines().nth(1).expect("a row").trim_start();
        row.strip_suffix('x').expect("the other cell").trim_end().to_owned()
    }

    #[test]
    fn a_long_cell_is_shortened() {
        assert_eq!(cell(&"a".repeat(60)), "a".repeat(60));
        assert_eq!(cell(&"a".repeat(500)), "a".repeat(59) + "…");
        assert_eq!(cell(&"李".repeat(31)), "李".repeat(29) + "…", "a wide character has two columns");
        assert_eq!(cell(&"e\u{301}".repeat(61)), "e\u{301}".repeat(59) + "…", "a letter keeps its marks");
        assert_eq!(cell(&format!("a{}", "\u{301}".repeat(9000))), "…", "marks have no width");
        assert_eq!(
            cell(&format!("b{}", "a\u{301}\u{302}\u{303}".repeat(60))),
            format!("b{}…", "a\u{301}\u{302}\u{303}".repeat(58))
        );
    }

    #[test]
    fn a_cell_is_one_line() {
        assert_eq!(cell("a\nb\r\tc"), r"a\nb\r\tc");
    }
}
