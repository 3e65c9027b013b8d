//! Standard error: progress, and questions to the operator.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{bail, ensure};

use crate::error::Problem;
use crate::terminal::{harmless, harmless_lines};

/// Proof that the operator has confirmed. Functions that destroy take one, and only a question in this file, or the
/// option that answers it beforehand, makes one.
#[derive(Debug)]
#[must_use = "a confirmation is the permission for one destruction"]
pub(crate) struct Consent(());

/// Reports progress, in one line.
pub(crate) fn progress(message: &str) {
    say(&harmless(message));
}

/// Reports what is about to be done, in several lines. Each value in it that may hold a break is `harmless`.
pub(crate) fn announce(plan: &impl Display) {
    say(&harmless_lines(plan));
}

#[cfg(not(test))]
fn say(text: &str) {
    // The work goes on without a reader.
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
#[expect(clippy::print_stderr, reason = "of a test, only what the macro writes is captured")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// Asks the operator to type the `expected` word, unless `yes` has confirmed beforehand.
pub(crate) fn confirm(question: &str, expected: &str, yes: bool) -> anyhow::Result<Consent> {
    if yes { Ok(Consent(())) } else { ask(question, expected, "add --yes to confirm") }
}

/// The same for a step that is confirmed only where it `needs` to be: the option that asks for it is enough elsewhere.
pub(crate) fn confirm_if(needs: bool, question: &str, expected: &str, yes: bool) -> anyhow::Result<Consent> {
    if needs { confirm(question, expected, yes) } else { Ok(Consent(())) }
}

/// Asks the operator to type the `expected` name, unless --confirm has `named` it beforehand.
pub(crate) fn confirm_by_name(question: &str, expected: &str, named: Option<&str>) -> anyhow::Result<Consent> {
    match named {
        Some(named) if is(named, expected) => Ok(Consent(())),
        Some(_) => bail!(Problem::new(
            format!("--confirm has another name, so nothing was done: {}", question.trim_end_matches('.')),
            format!("correct it to --confirm {expected}"),
        )),
        None => ask(question, expected, &format!("add --confirm {expected} to confirm")),
    }
}

fn ask(question: &str, expected: &str, remedy: &str) -> anyhow::Result<Consent> {
    ensure!(
        io::stdin().is_terminal(),
        Problem::new(
            format!("cannot ask, because standard input is no terminal: {}", question.trim_end_matches('.')),
            remedy
        )
    );
    let (question, shown) = (harmless(question), harmless(expected));
    write!(io::stderr(), "{question} Type `{shown}` to confirm: ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if !answer.ends_with('\n') {
        // Ctrl-D leaves the cursor behind the question.
        let _ = writeln!(io::stderr());
    }
    let answer = answer.trim_end_matches(['\r', '\n']);
    // A name may end in a space.
    ensure!(is(answer, expected) || is(answer.trim(), expected), "not confirmed, so nothing was done");
    Ok(Consent(()))
}

/// Whether the operator means the `expected` name: as it is, or as it is shown.
fn is(named: &str, expected: &str) -> bool {
    named == expected || named == harmless(expected)
}
