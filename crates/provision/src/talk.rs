//! Standard error: progress, and questions to the operator.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::ensure;

/// Tells the operator how it goes.
pub(crate) fn say(message: &str) {
    // The work goes on when nobody listens any more.
    let _ = writeln!(io::stderr(), "{message}");
}

/// Goes on only if the operator types the `expected` name in answer to the question, or has `named` it beforehand.
pub(crate) fn confirm_by_name(question: &str, expected: &str, named: Option<&str>) -> anyhow::Result<()> {
    match named {
        Some(named) => {
            ensure!(named == expected, "{question} --confirm does not say {expected}, so nothing was done");
            Ok(())
        }
        None => ask(question, expected, &format!("add --confirm {expected} to agree")),
    }
}

/// Goes on only if the operator types `expected` in answer to the question, or has agreed beforehand.
pub(crate) fn confirm(question: &str, expected: &str, agreed: bool) -> anyhow::Result<()> {
    if agreed { Ok(()) } else { ask(question, expected, "add --yes to agree") }
}

fn ask(question: &str, expected: &str, elsewhere: &str) -> anyhow::Result<()> {
    ensure!(io::stdin().is_terminal(), "{question} There is no terminal to ask at; {elsewhere}");
    write!(io::stderr(), "{question} Type `{expected}` to go on: ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    ensure!(answer.trim() == expected, "nothing was done");
    Ok(())
}
