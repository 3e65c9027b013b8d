//! Policies, read as AWS does: their patterns, and what the one of a VPC endpoint lets through.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>

#[cfg(feature = "instance")]
use serde_json::Value;

/// Whether the policy lets this action on this resource through, for any caller. A statement with a condition or for certain
/// principals counts as one that fits: what it asks of the caller is not known here.
#[cfg(feature = "instance")]
pub(crate) fn allows(policy: &Value, action: &str, resource: &str) -> bool {
    let statements = list(&policy["Statement"]);
    let fitting = |effect: &str| {
        let mut statements = statements.iter();
        statements.any(|statement| statement["Effect"] == effect && fits(statement, action, resource))
    };
    let denies = statements.iter().any(|statement| {
        let is_for_all = statement["Principal"] == "*" || statement["Principal"]["AWS"] == "*";
        statement["Effect"] == "Deny"
            && is_for_all
            && statement["Condition"].is_null()
            && fits(statement, action, resource)
    });
    fitting("Allow") && !denies
}

#[cfg(feature = "instance")]
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
#[cfg(feature = "instance")]
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

#[cfg(feature = "instance")]
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    list(value).into_iter().filter_map(Value::as_str)
}

/// Whether the text matches the pattern, in which `*` stands for any characters and `?` for one.
pub(crate) fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut read, mut matched) = (0, 0);
    // Where the last star stands, and how much of the text it has taken.
    let mut star = None;
    while read < text.len() {
        match pattern.get(matched) {
            Some('*') => {
                star = Some((matched, read));
                matched += 1;
            }
            Some(expected) if *expected == '?' || *expected == text[read] => {
                read += 1;
                matched += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (matched, read) = (place + 1, taken + 1);
            }
        }
    }
    pattern[matched..].iter().all(|rest| *rest == '*')
}

#[cfg(all(test, feature = "instance"))]
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
        assert!(!passes(
            &json!([all, {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*"}])
        ));
        let deny = json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:PrincipalAccount": "1"}}});
        assert!(passes(&json!([all, deny])), "whom a condition fits is not known");
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (text, pattern, expected) in [
            ("abc", "a*", true),
            ("abc", "*c", true),
            ("abc", "a*b*c", true),
            ("abc", "a*d", false),
            ("ab", "ab*b", false),
            ("abc", "a?c", true),
            ("ac", "a?c", false),
            ("aaab", "a*a*b", true),
            ("", "*", true),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
        }
    }
}
