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

/// Which of these the role may not do. Service control policies of the organisation count, policies of the resources do not.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
pub(crate) async fn denied<'a>(aws: &Aws, role: &str, wanted: &'a [Access]) -> anyhow::Result<Vec<&'a Access>> {
    let mut denied = Vec::new();
    for access in wanted {
        if !is_allowed(aws, role, access).await? {
            denied.push(access);
        }
    }
    Ok(denied)
}

async fn is_allowed(aws: &Aws, role: &str, access: &Access) -> anyhow::Result<bool> {
    let entry = |(key, value): &(&str, String)| {
        let entry = ContextEntry::builder().context_key_name(*key).context_key_values(value);
        entry.context_key_type(ContextKeyTypeEnum::String).build()
    };
    let request = aws.iam.simulate_principal_policy().policy_source_arn(role).action_names(access.action);
    let request = request.resource_arns(&access.resource);
    let entries: Vec<_> = access.context.iter().map(entry).collect();
    let request = request.set_context_entries(Some(entries).filter(|entries| !entries.is_empty()));
    let answer = request.send().await.explain("iam:SimulatePrincipalPolicy")?;
    let results = answer.evaluation_results();
    Ok(!results.is_empty()
        && results.iter().all(|result| result.eval_decision == PolicyEvaluationDecisionType::Allowed))
}
