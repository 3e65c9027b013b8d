//! The policy of a VPC endpoint, read as AWS does, as far as it can shut a function out.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>

use serde_json::Value;

/// Whether the policy lets this action on this resource through, for any caller. A statement with a condition or for certain
/// principals counts as one that fits: what it asks of the caller is not known here.
pub(crate) fn allows(policy: &Value, action: &str, resource: &str) -> bool {
    let statements = list(&policy["Statement"]);
    let fitting = |effect: &str| {
        let mut statements = statements.iter();
        statements.any(|statement| statement["Effect"] == effect && fits(statement, action, resource))
    };
    let denies = statements.iter().any(|statement| {
        statement["Effect"] == "Deny" && statement["Condition"].is_null() && fits(statement, action, resource)
    });
    fitting("Allow") && !denies
}

fn fits(statement: &Value, action: &str, resource: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let any_of = |key: &str, lower: bool, text: &str| {
        texts(&statement[key])
            .any(|pattern| if lower { is_like(text, &pattern.to_ascii_lowercase()) } else { is_like(text, pattern) })
    };
    let of_action = match &statement["NotAction"] {
        Value::Null => any_of("Action", true, &action),
        _ => !any_of("NotAction", true, &action),
    };
    let of_resource = match &statement["NotResource"] {
        Value::Null => any_of("Resource", false, resource),
        _ => !any_of("NotResource", false, resource),
    };
    of_action && of_resource
}

/// A value that may stand alone or in a list.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    list(value).into_iter().filter_map(Value::as_str)
}

/// Whether the text matches the pattern, in which `*` stands for any characters and `?` for one.
pub(crate) fn is_like(text: &str, pattern: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    match (first, text.chars().next()) {
        ('*', Some(next)) => is_like(text, rest) || is_like(&text[next.len_utf8()..], pattern),
        ('*', None) => is_like(text, rest),
        (_, Some(next)) if first == '?' || first == next => is_like(&text[next.len_utf8()..], rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:db/fn-AbC123";

    fn passes(statements: &Value) -> bool {
        allows(&json!({ "Statement": statements }), "secretsmanager:GetSecretValue", SECRET)
    }

    #[test]
    fn every_way_to_let_a_request_through_counts() {
        let allow = |action: Value, resource: Value| json!({"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource});
        assert!(passes(&allow(json!("*"), json!("*"))), "the policy that AWS gives each endpoint");
        assert!(passes(&json!([allow(json!("secretsmanager:*"), json!("*"))])));
        assert!(passes(&json!([allow(json!(["s3:Get*", "SecretsManager:Get*"]), json!([SECRET]))])));
        assert!(passes(&json!([allow(
            json!("*"),
            json!("arn:aws:secretsmanager:*:123456789012:secret:db/fn-??????")
        )])));
        assert!(passes(&json!([{"Effect": "Allow", "NotAction": "s3:*", "NotResource": "arn:aws:s3:::*"}])));
    }

    #[test]
    fn what_is_for_another_action_or_resource_or_denies_does_not_count() {
        let all = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        assert!(!passes(&json!([])));
        assert!(!passes(&json!([{"Effect": "Allow", "Action": "secretsmanager:ListSecrets", "Resource": "*"}])));
        assert!(!passes(
            &json!([{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:secretsmanager:*:*:secret:other-*"}])
        ));
        assert!(!passes(&json!([all, {"Effect": "Deny", "Action": "secretsmanager:*", "Resource": "*"}])));
        let deny = json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:PrincipalAccount": "1"}}});
        assert!(passes(&json!([all, deny])), "whom a condition fits is not known");
    }
}
