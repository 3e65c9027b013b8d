//! The rows of a document's tables, and the commands that a text names.

use std::collections::BTreeSet;

/// A row of three cells: in the runbook what the operator sees, what to run, and what to do then.
pub(crate) struct Row {
    /// What stands between backticks in the first cell.
    pub(crate) names: Vec<String>,
    /// The commands in the other two, such as `db grant`.
    pub(crate) commands: BTreeSet<String>,
}

impl Row {
    fn of(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [first, run, then] = cells[..] else { return None };
        let names: Vec<String> = first.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let commands = named_commands(&format!("{run} {then}"));
        (!names.is_empty()).then_some(Self { names, commands })
    }
}

/// The rows of a section that begin with a name.
pub(crate) fn rows(document: &str, title: &str) -> Vec<Row> {
    let (_, section) = document.split_once(&format!("\n## {title}\n")).expect(title);
    section.lines().take_while(|line| !line.starts_with("## ")).filter_map(Row::of).collect()
}

/// The commands of `provision` that a text names, without their options.
pub(crate) fn named_commands(text: &str) -> BTreeSet<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let root = provision::command();
    let path = |rest: &str| {
        let (mut command, mut path) = (&root, Vec::new());
        for word in rest.split(|letter: char| !letter.is_ascii_lowercase() && letter != '-') {
            match command.find_subcommand(word) {
                Some(found) => {
                    command = found;
                    path.push(word.to_owned());
                }
                None if path.is_empty() && word.starts_with('-') => {}
                None => break,
            }
        }
        path.join(" ")
    };
    text.split("provision ").skip(1).map(path).filter(|path| !path.is_empty()).collect()
}

/// Fails unless the row of this name, in this section of the runbook, has each command that the remedy has.
#[track_caller]
pub(crate) fn assert_leads_out(title: &str, name: &str, remedy: &str) {
    let rows = rows(include_str!("../../../../../docs/runbook.md"), title);
    let row = rows.iter().find(|row| row.names.iter().any(|found| found == name));
    let row = row.unwrap_or_else(|| panic!("docs/runbook.md has no row of {name} below {title:?}"));
    let missing: Vec<String> = named_commands(remedy).difference(&row.commands).cloned().collect();
    assert!(
        missing.is_empty(),
        "docs/runbook.md, {name}: expected {missing:?} of {remedy:?}, beside {:?}",
        row.commands
    );
}
