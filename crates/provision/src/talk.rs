//! Standard error: progress, and questions to the operator.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::ensure;

/// Tells the operator how it goes.
pub(crate) fn say(message: &str) {
    // The work goes on when nobody listens any more.
    let _ = writeln!(io::stderr(), "{message}");
}

/// Goes on only if the operator types `expected` in answer to the question, or has agreed beforehand.
pub(crate) fn confirm(question: &str, expected: &str, agreed: bool) -> anyhow::Result<()> {
    if agreed {
        return Ok(());
    }
    ensure!(io::stdin().is_terminal(), "{question} There is no terminal to ask at; add --yes to agree");
    write!(io::stderr(), "{question} Type `{expected}` to go on: ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    ensure!(answer.trim() == expected, "nothing was done");
    Ok(())
}
