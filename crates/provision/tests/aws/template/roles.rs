//! The roles of the template allow what the policies in `infra/iam` allow, which other tests compare with real requests.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{SECRET, Stack, translated};

/// The policies of each role.
const ROLES: [(&str, &[&str]); 4] = [
    ("SignUpRole", &["function", "spill"]),
    ("ReplayRole", &["function", "replay"]),
    ("OperatorRole", &["database", "reconcile", "doctor"]),
    // It reads the function's secret as the function does.
    ("ProxyRole", &["function"]),
];

/// The statements of these policies that no role has.
const LEFT_OUT: [(&str, &str, &str); 6] = [
    ("database", "FindProduction", "the operator's function has the host; its doctor may look"),
    ("database", "SnapshotItBeforeDrop", "it drops no production database"),
    ("database", "WaitForThatSnapshot", "it drops no production database"),
    ("database", "OrLogInWithIam", "the template's functions log in with a secret"),
    ("function", "OrLogInWithIam", "the template's functions log in with a secret"),
    ("doctor", "OrLogInWithIam", "the template's functions log in with a secret"),
];

/// What AWS's `AWSLambdaVPCAccessExecutionRole` allows Lambda itself, but to create the log group, which the template makes.
const OF_LAMBDA: [&str; 8] = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
];

fn policy(name: &str) -> &'static str {
    match name {
        "function" => include_str!("../../../../../infra/iam/function.json"),
        "spill" => include_str!("../../../../../infra/iam/spill.json"),
        "replay" => include_str!("../../../../../infra/iam/replay.json"),
        "database" => include_str!("../../../../../infra/iam/database.json"),
        "reconcile" => include_str!("../../../../../infra/iam/reconcile.json"),
        _ => include_str!("../../../../../infra/iam/doctor.json"),
    }
}

/// A statement whose lists are in order, and whose single values are lists as well: it compares by its meaning.
fn ordered(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), ordered(value))).collect(),
        Value::Array(values) => json!(values.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>()),
        // moto leaves this out of a log group's ARN.
        Value::String(text) => {
            json!([text.strip_suffix(":*").filter(|_| text.contains(":log-group:")).unwrap_or(text)])
        }
        value => value.clone(),
    }
}

/// What stands for the words in capital letters of a policy.
fn filled(text: &str, policy: &str, stack: &Stack) -> String {
    let name = stack.value("FunctionName");
    let key = if ["spill", "replay"].contains(&policy) { "of-the-queues" } else { "of-the-secret" };
    [
        ("REGION", "eu-central-1"),
        ("ACCOUNT", "123456789012"),
        ("INSTANCE", "users-db"),
        ("SECRET-NAME", "users-db/post_confirmation_app"),
        ("KEY-ID", key),
        ("USER-POOL-ID", stack.value("UserPoolId")),
        ("DEAD-LETTERS", &format!("{name}-dead-letters")),
        ("QUEUE", &format!("{name}-spill")),
        ("REPLAY-NAME", &format!("{name}-replay")),
        ("LOG-GROUP", &format!("/aws/lambda/{name}")),
        ("EXECUTION-ROLE", stack.id("SignUpRole")),
        ("REPLAY-ROLE", stack.id("ReplayRole")),
        ("FUNCTION", name),
    ]
    .iter()
    .fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
}

/// The statements of a policy that a role should have.
fn expected(policy_name: &str, stack: &Stack) -> Vec<Value> {
    let document: Value = serde_json::from_str(policy(policy_name)).expect("a policy");
    let statements = document["Statement"].as_array().expect("a list").iter();
    let has_key = !stack.value("SecretKeyArn").is_empty();
    let statements = statements.filter(|statement| {
        let is_left_out = LEFT_OUT.iter().any(|(policy, sid, _)| *policy == policy_name && statement["Sid"] == *sid);
        !is_left_out && (has_key || !statement.to_string().contains("KEY-ID"))
    });
    let as_in_the_template = |statement: &Value| {
        let text = filled(&statement.to_string(), policy_name, stack);
        let mut statement = ordered(&serde_json::from_str(&text).expect("a statement"));
        if statement["Sid"] == json!(["ReadTheMasterSecret"]) {
            // The template knows its ARN, and needs no tag to find it.
            statement["Resource"] = json!([stack.value("MasterSecretArn")]);
            statement.as_object_mut().expect("a statement").remove("Condition");
        }
        if stack.value("DatabaseSecretArn") == SECRET {
            name_secret(&mut statement, policy_name == "function");
        }
        ordered(&statement)
    };
    statements.map(as_in_the_template).collect()
}

/// Adds the secret that the parameter names wherever the usual one stands, or puts it in its place.
fn name_secret(value: &mut Value, alone: bool) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|value| name_secret(value, alone)),
        Value::Array(values)
            if values.iter().any(|value| value.as_str().is_some_and(|arn| arn.ends_with("_app-??????"))) =>
        {
            if alone {
                values.clear();
            }
            values.push(json!(SECRET));
        }
        _ => {}
    }
}

fn statements(role: &str, stack: &Stack) -> Vec<Value> {
    stack.0["roles"][role].as_array().expect("the role's statements").iter().map(ordered).collect()
}

#[test]
fn each_role_has_the_statements_of_its_policies_and_no_other() {
    for stack in [Stack::usual(), Stack::chosen()] {
        for (role, policies) in ROLES {
            if stack.id(role).is_empty() {
                continue;
            }
            let show = |statements: Vec<Value>| statements.iter().map(Value::to_string).collect::<BTreeSet<_>>();
            let found = statements(role, stack).into_iter().filter(|statement| !statement["Sid"].is_null());
            let expected = policies.iter().flat_map(|policy| expected(policy, stack));
            let (found, expected) = (show(found.collect()), show(expected.collect()));
            let missing: Vec<_> = expected.difference(&found).collect();
            let needless: Vec<_> = found.difference(&expected).collect();
            assert!(missing.is_empty() && needless.is_empty(), "{role} lacks {missing:#?}\nand has {needless:#?}");
        }
    }
}

/// What the name of the role's function has beside that of the deployment.
fn suffix(role: &str) -> &'static str {
    match role {
        "ReplayRole" => "-replay",
        "OperatorRole" => "-operator",
        _ => "",
    }
}

#[test]
fn what_else_a_role_has_is_for_lambda_itself_and_its_own_log() {
    for stack in [Stack::usual(), Stack::chosen()] {
        for (role, _) in ROLES {
            if stack.id(role).is_empty() {
                continue;
            }
            let others: Vec<Value> =
                statements(role, stack).into_iter().filter(|statement| statement["Sid"].is_null()).collect();
            let actions: BTreeSet<&str> = others
                .iter()
                .flat_map(|other| other["Action"].as_array().expect("a list"))
                .filter_map(Value::as_str)
                .collect();
            if role == "ProxyRole" {
                assert!(others.is_empty(), "RDS Proxy reads the function's secret, and nothing else: {others:?}");
                continue;
            }
            assert_eq!(actions, BTreeSet::from(OF_LAMBDA), "{role}");
            let log = others.iter().find(|other| other["Action"].to_string().contains("logs:")).expect("the log");
            let group = format!("/aws/lambda/{}{}", stack.value("FunctionName"), suffix(role));
            assert_eq!(
                log["Resource"],
                json!([format!("arn:aws:logs:eu-central-1:123456789012:log-group:{group}")]),
                "{role}"
            );
        }
    }
}

#[test]
fn every_role_of_the_template_is_compared() {
    let resources = translated()["Resources"].as_object().expect("resources");
    let roles: BTreeSet<&str> = resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::IAM::Role")
        .map(|(key, _)| key.as_str())
        .collect();
    assert_eq!(roles, ROLES.iter().map(|(role, _)| *role).collect());
    for (policy_name, sid, _) in LEFT_OUT {
        assert!(policy(policy_name).contains(&format!("\"{sid}\"")), "infra/iam/{policy_name}.json has no {sid}");
    }
}
