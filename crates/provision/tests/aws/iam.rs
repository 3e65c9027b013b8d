//! The policies in `infra/iam` allow what the commands do, and nothing more.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What AWS asks for beside the calls that this program makes.
const ON_THE_WAY: &str = "WhatRdsAndEc2AskForOnTheWay";

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The actions of the policy's statements.
fn allowed(policy: &str) -> BTreeSet<String> {
    let policy = fs::read_to_string(top().join("infra/iam").join(policy)).expect("the policy is there");
    let policy: Value = serde_json::from_str(&policy).expect("the policy is JSON");
    let statements = policy["Statement"].as_array().expect("statements").iter();
    let own = statements.filter(|statement| statement["Sid"] != ON_THE_WAY);
    own.flat_map(|statement| statement["Action"].as_array().expect("actions"))
        .map(|action| action.as_str().expect("an action").to_owned())
        .collect()
}

/// The actions that the commands in this directory name when they are refused.
fn needed(commands: &str) -> BTreeSet<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(commands);
    let mut actions = BTreeSet::new();
    for file in fs::read_dir(directory).expect("the commands' sources").flatten() {
        let source = fs::read_to_string(file.path()).expect("source is text");
        actions
            .extend(source.split(".explain(\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    actions
}

#[test]
fn the_policy_for_instances_allows_what_the_commands_do() {
    let mut needed = needed("instance");
    // Asked for in passing, and done without where it is refused.
    needed.insert("rds:DescribeEvents".to_owned());
    assert_eq!(allowed("instance.json"), needed);
}

#[test]
fn the_policy_for_access_allows_what_the_commands_do() {
    let mut needed = needed("access");
    // To find the security group by its name.
    needed.extend(["ec2:DescribeSecurityGroups", "ec2:DescribeVpcs"].map(str::to_owned));
    assert_eq!(allowed("access.json"), needed);
}

#[test]
fn the_policy_for_databases_allows_what_the_commands_do() {
    let mut needed = needed("database");
    // To find production, and to make a snapshot before it is dropped.
    needed.extend(["rds:CreateDBSnapshot", "rds:DescribeDBInstances", "rds:DescribeDBSnapshots"].map(str::to_owned));
    assert_eq!(allowed("database.json"), needed);
}
