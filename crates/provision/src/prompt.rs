//! Standard error: progress, and questions to the operator.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{anyhow, bail};

use crate::error::Problem;
use crate::terminal::{harmless, harmless_lines};

/// Proof that the operator has confirmed. Functions that destroy take one, and only a question in this file, or the
/// option that answers it beforehand, makes one.
#[derive(Debug)]
#[must_use = "a confirmation is the permission for one destruction"]
pub(crate) struct Consent(());

/// Begins a line by which a process says something to the function that it runs in, as JSON. No other output has it: it
/// is a control character, and written as an escape. <https://www.rfc-editor.org/rfc/rfc7464>
pub(crate) const SIGNAL: char = '\u{1e}';

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

/// Says this to the function that the process runs in.
pub(crate) fn signal(json: &str) {
    say(&format!("{SIGNAL}{json}"));
}

/// Shows what a command in the operator's function has written to standard error, with the breaks of its lines.
pub(crate) fn pass_on(text: &str) {
    let _ = write!(io::stderr(), "{}", harmless_lines(text));
}

/// Whether there is a terminal to ask at.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// The confirmation that the operator has given to the caller of the operator's function, if it was given.
pub(crate) fn confirm_elsewhere(is_confirmed: bool) -> Option<Consent> {
    is_confirmed.then_some(Consent(()))
}

/// The end of a command that the operator has not confirmed.
pub(crate) fn refusal() -> anyhow::Error {
    anyhow!("not confirmed, so nothing was done")
}

/// The end of a command that has nobody to ask.
pub(crate) fn cannot_ask(question: &str, remedy: &str) -> anyhow::Error {
    let question = question.trim_end_matches('.');
    Problem::new(format!("cannot ask, because standard input is no terminal: {question}"), remedy).into()
}

/// Asks the operator to type the `expected` word, unless `yes` has confirmed beforehand.
pub(crate) fn confirm(question: &str, expected: &str, yes: bool) -> anyhow::Result<Consent> {
    if yes { Ok(Consent(())) } else { ask(question, expected, "add --yes to confirm") }
}

/// The confirmation of a step that needs none here: the option that asks for it is enough.
pub(crate) fn not_needed() -> Consent {
    Consent(())
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
    if !can_ask() {
        return Err(cannot_ask(question, remedy));
    }
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
    if is(answer, expected) || is(answer.trim(), expected) { Ok(Consent(())) } else { Err(refusal()) }
}

/// Whether the operator means the `expected` name: as it is, or as it is shown.
fn is(named: &str, expected: &str) -> bool {
    named == expected || named == harmless(expected)
}
