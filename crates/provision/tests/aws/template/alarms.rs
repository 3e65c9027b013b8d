//! The alarms and the dashboard of the template, beside the document that says what they mean.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Stack;

const OPERATIONS: &str = include_str!("../../../../../docs/operations.md");

/// The documented alarms that the template does not have.
const NOT_MADE: [(&str, &str); 1] =
    [("healed", "expected where an administrator creates users; the dashboard shows it")];

/// The first cells of the table of alarms in `docs/operations.md`.
fn documented() -> Vec<&'static str> {
    let (_, section) = OPERATIONS.split_once("\n## Alarms\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.filter_map(|row| row[2..].split_once(" | ").map(|(cell, _)| cell)).collect()
}

/// The metric of an alarm, and its outcome if it has one, as the document has them.
fn names(alarm: &Value) -> Vec<String> {
    let dimensions = alarm["Dimensions"].as_array().expect("dimensions").iter();
    let outcome = dimensions.filter(|dimension| dimension["Name"] == "Outcome").map(|dimension| &dimension["Value"]);
    [&alarm["MetricName"]]
        .into_iter()
        .chain(outcome)
        .map(|name| format!("`{}`", name.as_str().expect("a name")))
        .collect()
}

#[test]
fn the_alarms_are_the_documented_ones() {
    let stack = Stack::usual();
    let alarms = stack.of_type("AWS::CloudWatch::Alarm");
    let is_of = |alarm: &Value, row: &str| names(alarm).iter().all(|name| row.contains(name.as_str()));
    let documented = documented();
    for (key, alarm) in &alarms {
        assert!(documented.iter().any(|row| is_of(alarm, row)), "docs/operations.md does not have {key}");
    }
    for row in documented {
        let is_left_out = NOT_MADE.iter().any(|(outcome, _)| row.contains(&format!("`{outcome}`")));
        let is_made = alarms.iter().any(|(_, alarm)| is_of(alarm, row));
        assert_ne!(is_made, is_left_out, "{row}");
    }
}

#[test]
fn errors_and_throttles_of_both_functions_raise_an_alarm() {
    let stack = Stack::usual();
    for metric in ["Errors", "Throttles"] {
        let alarms = stack.of_type("AWS::CloudWatch::Alarm");
        let of_metric =
            alarms.iter().filter(|(_, alarm)| alarm["Namespace"] == "AWS/Lambda" && alarm["MetricName"] == metric);
        let functions: BTreeSet<_> =
            of_metric.filter_map(|(_, alarm)| alarm["Dimensions"][0]["Value"]["Ref"].as_str()).collect();
        assert_eq!(functions, BTreeSet::from(["ReplayFunction", "SignUpFunction"]), "{metric}");
    }
}

#[test]
fn an_alarm_notifies_the_topic_where_there_is_one() {
    for (_, alarm) in Stack::chosen().of_type("AWS::CloudWatch::Alarm") {
        let topic = serde_json::json!([{"Ref": "AlarmTopicArn"}]);
        assert_eq!([&alarm["AlarmActions"], &alarm["OKActions"]], [&topic, &topic], "{}", alarm["AlarmName"]);
    }
    for (_, alarm) in Stack::usual().of_type("AWS::CloudWatch::Alarm") {
        let none = serde_json::json!({"Ref": "AWS::NoValue"});
        assert_eq!([&alarm["AlarmActions"], &alarm["OKActions"]], [&none, &none], "{}", alarm["AlarmName"]);
    }
}

#[test]
fn a_reconcile_that_does_not_finish_for_a_day_and_a_half_raises_an_alarm() {
    let alarm = Stack::usual().properties("ReconcileAlarm");
    let seconds = alarm["Period"].as_u64().expect("seconds") * alarm["EvaluationPeriods"].as_u64().expect("a number");
    assert_eq!(seconds, 36 * 60 * 60);
    assert_eq!(alarm["TreatMissingData"], "breaching", "a run that never starts tells nothing");
    for reconcile in ["ReconcileAlarm", "UsersWithoutRowAlarm"] {
        assert!(Stack::chosen().properties(reconcile).is_null(), "{reconcile} without a nightly reconcile");
    }
}

#[test]
fn the_dashboard_shows_what_the_alarms_watch() {
    let stack = Stack::usual();
    let dashboard = stack.0["dashboard"]["widgets"].to_string();
    for (key, alarm) in stack.of_type("AWS::CloudWatch::Alarm") {
        // It is about something that has not happened.
        if key != "ReconcileAlarm" {
            let metric = alarm["MetricName"].as_str().expect("a name");
            assert!(dashboard.contains(metric), "the dashboard does not show {metric} of {key}");
        }
    }
    assert!(dashboard.contains("UsersWithoutRow") && dashboard.contains("usual-dead-letters"), "{dashboard}");
}
