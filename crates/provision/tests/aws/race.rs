//! What somebody else does while `provision instance` waits for an answer.

use testkit::rds::{Instance, Request};

use crate::account::Account;
use crate::terminal::Terminal;

const CLASS: &str = "db.m6g.large";

/// An instance as declared, and so many changing requests.
fn made(identifier: &'static str) -> (Account, usize) {
    let account = Account::on_rds(identifier, "");
    account.apply();
    let count = account.rds().changing_requests().len();
    (account, count)
}

fn change(account: &Account, change: impl FnOnce(&mut Instance)) {
    account.rds().change(|aws| change(aws.instance_mut(account.identifier())));
}

fn queue_a_class(account: &Account) {
    change(account, |instance| drop(instance.pending.insert("DBInstanceClass".to_owned(), CLASS.to_owned())));
}

fn requests_since(account: &Account, count: usize) -> Vec<Request> {
    account.rds().changing_requests().split_off(count)
}

#[test]
fn what_is_queued_during_the_question_of_an_apply_is_asked_about_again() {
    let (account, before) = made("raced");
    account.declare("[storage]\nsize = 40\n");
    let mut terminal = Terminal::start(&account.command(&["instance", "apply", "--no-wait"]));
    terminal.question();
    queue_a_class(&account);
    terminal.type_line("yes");
    let again = terminal.question();
    assert!(again.contains("the DB instance has changed meanwhile") && again.contains(CLASS), "{again}");
    assert!(terminal.answer("no").contains("not confirmed, so nothing was done"));
    assert_eq!(requests_since(&account, before), []);
}

#[test]
fn what_is_queued_during_the_question_of_a_rotation_is_asked_about_again() {
    let (account, before) = made("raced-rotation");
    let mut terminal = Terminal::start(&account.command(&["instance", "rotate-password", "--no-wait"]));
    terminal.question();
    queue_a_class(&account);
    terminal.type_line("yes");
    let again = terminal.question();
    assert!(again.contains(&format!("RDS makes what is queued at the same time: class → {CLASS}")), "{again}");
    terminal.answer("no");
    assert_eq!(requests_since(&account, before), []);
}

#[test]
fn a_restore_is_not_claimed_where_somebody_else_was_quicker() {
    let (account, _) = made("raced-restore");
    account.json(&["instance", "snapshot", "--name", "kept"], 0);
    let empty = account.rds().instance("raced-restore");
    account.json(&["instance", "delete", "--unprotect", "--yes", "--skip-snapshot"], 0);
    let mut terminal = Terminal::start(&account.command(&["instance", "restore", "--snapshot", "kept"]));
    terminal.question();
    account.rds().change(|aws| drop(aws.instances.insert("raced-restore".to_owned(), empty)));
    let end = terminal.answer("yes");
    assert!(end.contains("was created meanwhile, and not by a restore from the snapshot kept"), "{end}");
    assert!(!end.contains("is being created from"), "{end}");
}
