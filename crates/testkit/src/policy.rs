//! The policies in `infra/iam`, compared with the requests that programs really make.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

/// Says how the policy `infra/iam/NAME` differs from the requested actions; nothing if it allows exactly those.
///
/// Statements with the Sids in `beside` are left out: AWS checks their actions without a request of ours.
pub fn policy_differences(name: &str, beside: &[&str], requested: &BTreeSet<String>) -> anyhow::Result<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/iam").join(name);
    let policy = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let allowed = allowed(&serde_json::from_str(&policy)?, beside).with_context(|| format!("infra/iam/{name}"))?;
    let missing = requested.difference(&allowed).map(|action| format!("infra/iam/{name} lacks {action}"));
    let unused = allowed.difference(requested);
    let unused = unused.map(|action| format!("infra/iam/{name} allows {action}, which no command requested"));
    Ok(missing.chain(unused).collect())
}

fn allowed(policy: &Value, beside: &[&str]) -> anyhow::Result<BTreeSet<String>> {
    let statements = policy["Statement"].as_array().context("no list of statements")?;
    if let Some(sid) = beside.iter().find(|sid| !statements.iter().any(|statement| statement["Sid"] == **sid)) {
        bail!("no statement {sid}");
    }
    let requested = statements.iter().filter(|statement| !beside.iter().any(|sid| statement["Sid"] == *sid));
    let mut actions = BTreeSet::new();
    for action in requested.map(|statement| &statement["Action"]) {
        let listed = action.as_array().map_or_else(|| std::slice::from_ref(action), Vec::as_slice);
        for action in listed {
            actions.insert(action.as_str().context("an action that is no text")?.to_owned());
        }
    }
    Ok(actions)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_action_is_one_text_or_a_list_and_some_statements_stand_beside() {
        let policy = json!({"Statement": [
            {"Sid": "One", "Action": "rds:StopDBInstance"},
            {"Sid": "Two", "Action": ["rds:StartDBInstance", "rds:StopDBInstance"]},
            {"Sid": "Beside", "Action": "kms:CreateGrant"},
        ]});
        let found = allowed(&policy, &["Beside"]).expect("a policy");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["rds:StartDBInstance", "rds:StopDBInstance"]);
        assert!(allowed(&policy, &["Missing"]).is_err());
    }

    #[test]
    fn a_difference_names_the_policy_and_the_action() {
        let requested = BTreeSet::from(["s3:GetObject".to_owned()]);
        let differences = policy_differences("function.json", &["OrLogInWithIam"], &requested).expect("a policy");
        assert_eq!(
            differences,
            [
                "infra/iam/function.json lacks s3:GetObject",
                "infra/iam/function.json allows secretsmanager:GetSecretValue, which no command requested",
            ]
        );
    }
}
