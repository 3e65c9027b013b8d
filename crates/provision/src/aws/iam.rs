//! AWS IAM: what a role may do, as AWS itself decides it.

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};

use super::{Aws, Explain};

/// An action on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// Such as `secretsmanager:GetSecretValue`.
    pub(crate) action: &'static str,
    /// An ARN, or `*` where the action knows no resources.
    pub(crate) resource: String,
    /// Condition keys and their values, as the service sets them in the request.
    pub(crate) context: Vec<(&'static str, String)>,
}

impl Access {
    pub(crate) fn new(action: &'static str, resource: impl Into<String>) -> Self {
        Self { action, resource: resource.into(), context: Vec::new() }
    }

    pub(crate) fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.context.push((key, value.into()));
        self
    }
}

/// What IAM says of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    /// No policy allows it, or one denies it.
    Denied,
    /// It depends on what only the service knows, such as the tags of the resource.
    Conditional,
}

/// What IAM says of each of these accesses. Policies of the resources do not count: they may allow what the role's do not.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
pub(crate) async fn decide<'a>(
    aws: &Aws,
    role: &str,
    wanted: &'a [Access],
) -> anyhow::Result<Vec<(&'a Access, Decision)>> {
    let mut decisions = Vec::new();
    for access in wanted {
        decisions.push((access, decide_one(aws, role, access).await?));
    }
    Ok(decisions)
}

async fn decide_one(aws: &Aws, role: &str, access: &Access) -> anyhow::Result<Decision> {
    let entry = |(key, value): &(&str, String)| {
        let entry = ContextEntry::builder().context_key_name(*key).context_key_values(value);
        entry.context_key_type(ContextKeyTypeEnum::String).build()
    };
    let request = aws.iam.simulate_principal_policy().policy_source_arn(role).action_names(access.action);
    let request = request.resource_arns(&access.resource);
    let entries: Vec<_> = access.context.iter().map(entry).collect();
    let request = request.set_context_entries(Some(entries).filter(|entries| !entries.is_empty()));
    let answer = request.send().await.explain("iam:SimulatePrincipalPolicy")?;
    let Some(result) = answer.evaluation_results().first() else { return Ok(Decision::Denied) };
    let of_resources = result.resource_specific_results().iter();
    let misses_keys = !result.missing_context_values().is_empty()
        || of_resources.clone().any(|result| !result.missing_context_values().is_empty());
    Ok(match result.eval_decision {
        PolicyEvaluationDecisionType::Allowed => Decision::Allowed,
        PolicyEvaluationDecisionType::ImplicitDeny if misses_keys => Decision::Conditional,
        _ => Decision::Denied,
    })
}
