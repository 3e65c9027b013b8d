//! Standard error: progress, and questions to the operator.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{bail, ensure};

use crate::error::Problem;

/// Proof that the operator has confirmed. Functions that destroy take one, and only a question in this file, or the
/// option that answers it beforehand, makes one.
#[derive(Debug)]
#[must_use = "a confirmation is the permission for one destruction"]
pub(crate) struct Consent(());

/// Reports progress.
pub(crate) fn progress(message: &str) {
    // The work goes on without a reader.
    let _ = writeln!(io::stderr(), "{message}");
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
        Some(named) if named == expected => Ok(Consent(())),
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
    write!(io::stderr(), "{question} Type `{expected}` to confirm: ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    // At the end of the input (Ctrl-D), the cursor is still on the question's line.
    let Some(answer) = answer.strip_suffix('\n') else {
        writeln!(io::stderr())?;
        bail!("not confirmed, so nothing was done");
    };
    ensure!(answer == expected, "not confirmed, so nothing was done");
    Ok(Consent(()))
}
