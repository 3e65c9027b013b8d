//! The design in every state, and without each of its rules.

use std::fmt::Debug;
use std::path::Path;

use model::{
    Bounds, Design, Limits, NEVER_DOUBLED, NEVER_LOST, NEVER_RAISED, NEWEST_WINS, REPAIRED, Rule, Rules, VERIFIED_STAYS,
};
use stateright::{Checker, HasDiscoveries, Model};

/// Each of them once, and a confirmation each.
const TWO_USERS: Bounds = Bounds {
    users: 2,
    tries: 1,
    receives: 2,
    addresses_return: false,
    limits: Limits { confirmations: 2, renames: 1, sign_ins: 1, forgets: 1, looks: 1 },
};

/// With all of Cognito's tries.
const ONE_USER: Bounds =
    Bounds { users: 1, tries: 3, limits: Limits { confirmations: 1, ..TWO_USERS.limits }, ..TWO_USERS };

/// With a second change of the address, which leads back to the first one.
const ADDRESS_RETURNS: Bounds = Bounds {
    users: 1,
    tries: 1,
    addresses_return: true,
    limits: Limits { renames: 2, forgets: 0, looks: 0, ..TWO_USERS.limits },
    ..TWO_USERS
};

/// The property that breaks without the rule.
fn broken_without(rule: Rule) -> &'static str {
    match rule {
        Rule::OneRowPerUser | Rule::ReplaysNeverSpill => NEVER_DOUBLED,
        Rule::OlderEventsChangeNothing | Rule::RepairsAreAsOfTheRequest | Rule::FindingsAreAskedFor => NEWEST_WINS,
        Rule::VerifiedAddressesStay => VERIFIED_STAYS,
        Rule::ForgettingLeavesATombstone
        | Rule::PoolBeforeTable
        | Rule::CallsEndBeforeForgetting
        | Rule::ReplaysAreAsOfTheEvent => NEVER_RAISED,
        Rule::TombstonesAreComparedByTime => REPAIRED,
        Rule::QueueBeforeAnswer
        | Rule::SignInsHeal
        | Rule::FailedMessagesStay
        | Rule::DeadLettersAreKept
        | Rule::OrphansAreAskedFor => NEVER_LOST,
    }
}

/// The steps that lead to a state without the property, if there is one.
fn counterexample(rules: Rules, bounds: Bounds, property: &'static str) -> Option<String> {
    let finish = HasDiscoveries::AllOf([property].into());
    let checker = Design { rules, bounds }.checker().finish_when(finish).spawn_bfs().join();
    checker.discovery(property).map(|path| steps(&path.into_actions()))
}

fn steps(actions: &[impl Debug]) -> String {
    let lines: Vec<String> = (1..).zip(actions).map(|(number, action)| format!("{number:>4}. {action:?}")).collect();
    lines.join("\n")
}

/// Visits every state.
fn assert_holds(bounds: Bounds) {
    let checker = Design { rules: Rules::all(), bounds }.checker().spawn_bfs().join();
    for property in checker.model().properties() {
        let (name, is_failure) = (property.name, property.expectation.discovery_is_failure());
        match checker.discovery(name).map(|path| steps(&path.into_actions())) {
            Some(steps) if is_failure => panic!("expected in every state: {name}; these steps break it:\n{steps}"),
            None if !is_failure => panic!("expected in some state: {name}"),
            _ => {}
        }
    }
}

#[test]
fn every_property_holds_in_every_state_of_two_users() {
    assert_holds(TWO_USERS);
}

#[test]
fn every_property_holds_in_every_state_of_a_user_with_three_tries() {
    assert_holds(ONE_USER);
}

#[test]
fn without_any_of_its_rules_the_design_breaks() {
    for rule in Rule::ALL {
        let property = broken_without(rule);
        let found = counterexample(Rules::without(rule), TWO_USERS, property);
        assert!(found.is_some(), "expected that without {rule:?} a state breaks: {property}");
    }
}

/// The only gap, in docs/guarantee.md: a row that is right is not written, so it keeps its time.
#[test]
fn an_older_event_wins_where_the_address_has_gone_back_until_a_reconciliation() {
    let broken = |property| counterexample(Rules::all(), ADDRESS_RETURNS, property);
    assert!(broken(NEWEST_WINS).is_some(), "expected the documented gap");
    for property in [NEVER_LOST, REPAIRED, NEVER_DOUBLED, NEVER_RAISED, VERIFIED_STAYS] {
        assert_eq!(broken(property), None, "expected in every state: {property}");
    }
}

#[test]
fn each_rule_is_documented_with_the_property_that_needs_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guarantee.md");
    let document = std::fs::read_to_string(path).expect("docs/guarantee.md");
    let (_, section) = document.split_once("\n## The model\n").expect("a section about the model");
    let rows = section.lines().take_while(|line| !line.starts_with("## "));
    let documented: Vec<&str> = rows.filter(|line| line.starts_with("| `")).collect();
    let expected = Rule::ALL.map(|rule| (format!("| `{rule:?}` | "), format!(" | {} |", broken_without(rule))));
    for (rule, property) in &expected {
        let is_there =
            documented.iter().any(|line| line.starts_with(rule.as_str()) && line.ends_with(property.as_str()));
        assert!(is_there, "expected in docs/guarantee.md a row {rule}…{property}");
    }
    assert_eq!(documented.len(), expected.len(), "expected no other rule in docs/guarantee.md");
}
