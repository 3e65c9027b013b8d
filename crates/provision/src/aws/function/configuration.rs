//! The function as it is deployed: its code, its limits, its network and its variables.

use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};
use std::time::Duration;

use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{EventSourceMappingConfiguration, FunctionResponseType};

use super::{FunctionName, describe, log_group};
use crate::aws::{Aws, Explain};
use crate::error::Problem;

/// What `GetFunctionConfiguration` says of a function.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html>
pub(crate) struct Configuration {
    pub(crate) arn: String,
    /// `Active`, or why it is not.
    pub(crate) state: String,
    pub(crate) state_reason: Option<String>,
    /// `Successful`, `Failed` or `InProgress`.
    pub(crate) last_update: String,
    pub(crate) last_update_reason: Option<String>,
    /// Such as `provided.al2023`; none for an image.
    pub(crate) runtime: Option<String>,
    /// `x86_64` or `arm64`.
    pub(crate) architecture: String,
    pub(crate) timeout: Duration,
    /// MB.
    pub(crate) memory: i32,
    /// `JSON` or `Text`.
    pub(crate) log_format: String,
    pub(crate) log_group: String,
    /// The ARN of its execution role.
    pub(crate) role: String,
    /// None outside a VPC.
    pub(crate) network: Option<FunctionNetwork>,
    /// Whether its network is that of a capacity provider, for Lambda Managed Instances.
    pub(crate) has_capacity_provider: bool,
    variables: HashMap<String, String>,
    /// Why AWS does not tell the variables.
    variables_error: Option<String>,
}

/// Where in a VPC the function is.
#[derive(Clone, Debug)]
pub(crate) struct FunctionNetwork {
    pub(crate) vpc: String,
    pub(crate) subnets: Vec<String>,
    pub(crate) security_groups: Vec<String>,
}

/// What Lambda takes from a queue for a function.
#[derive(Debug)]
pub(crate) struct EventSource {
    pub(crate) id: String,
    /// The ARN of the function.
    pub(crate) function: String,
    /// Such as `Enabled`.
    pub(crate) state: String,
    /// Whether only the messages that failed come again.
    pub(crate) reports_failures: bool,
    pub(crate) maximum_concurrency: Option<i32>,
    /// Whether Lambda deletes what does not match.
    pub(crate) has_filter: bool,
}

/// A variable may hold a password.
impl Debug for Configuration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration").field("arn", &self.arn).finish_non_exhaustive()
    }
}

impl Configuration {
    /// Fails if these credentials may not decrypt the variables, which may have a KMS key of their own.
    pub(crate) fn ensure_readable(&self) -> anyhow::Result<()> {
        let Some(error) = &self.variables_error else { return Ok(()) };
        let problem = format!("AWS does not tell the variables of the function: {error}");
        Err(Problem::new(problem, "allow kms:Decrypt with the key of the function's variables to these credentials")
            .into())
    }

    /// The value of a variable. An empty one counts as unset, as for the function.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

impl Configuration {
    fn new(output: GetFunctionConfigurationOutput, function: &FunctionName) -> Self {
        let log_group = log_group(&output, function);
        let environment = output.environment;
        let environment_error = environment.as_ref().and_then(|environment| environment.error());
        let environment_error = environment_error.map(|error| error.error_code().unwrap_or("unknown").to_owned());
        let log_format = output.logging_config.and_then(|logging| logging.log_format);
        let network = output.vpc_config.filter(|vpc| vpc.vpc_id().is_some_and(|id| !id.is_empty()));
        Self {
            arn: output.function_arn.unwrap_or_default(),
            state: output.state.map_or_else(|| "Active".to_owned(), |state| state.as_str().to_owned()),
            state_reason: output.state_reason,
            last_update: output
                .last_update_status
                .map_or_else(|| "Successful".to_owned(), |status| status.as_str().to_owned()),
            last_update_reason: output.last_update_status_reason,
            runtime: output.runtime.map(|runtime| runtime.as_str().to_owned()),
            architecture: output
                .architectures
                .and_then(|all| all.into_iter().next())
                .map_or_else(|| "x86_64".to_owned(), |architecture| architecture.as_str().to_owned()),
            timeout: Duration::from_secs(
                output.timeout.and_then(|seconds| seconds.try_into().ok()).unwrap_or_default(),
            ),
            memory: output.memory_size.unwrap_or_default(),
            log_format: log_format.map_or_else(|| "Text".to_owned(), |format| format.as_str().to_owned()),
            log_group,
            role: output.role.unwrap_or_default(),
            network: network.map(|network| FunctionNetwork {
                vpc: network.vpc_id.unwrap_or_default(),
                subnets: network.subnet_ids.unwrap_or_default(),
                security_groups: network.security_group_ids.unwrap_or_default(),
            }),
            has_capacity_provider: output.capacity_provider_config.is_some(),
            variables_error: environment_error,
            variables: environment.and_then(|environment| environment.variables).unwrap_or_default(),
        }
    }
}

/// The function, or a version or alias of it; none if there is none by this name.
pub(crate) async fn find_function(aws: &Aws, function: &FunctionName) -> anyhow::Result<Option<Configuration>> {
    Ok(describe(aws, function).await?.map(|output| Configuration::new(output, function)))
}

/// The concurrency that is reserved for the function, and its limit at the same time.
pub(crate) async fn reserved_concurrency(aws: &Aws, function: &FunctionName) -> anyhow::Result<Option<i32>> {
    let answer = aws.lambda.get_function_concurrency().function_name(&function.name).send().await;
    Ok(answer.explain("lambda:GetFunctionConcurrency")?.reserved_concurrent_executions)
}

/// What Lambda takes from this queue, and for which functions.
pub(crate) async fn list_event_sources(aws: &Aws, queue: &str) -> anyhow::Result<Vec<EventSource>> {
    let mut pages = aws.lambda.list_event_source_mappings().event_source_arn(queue).into_paginator().items().send();
    let mut sources = Vec::new();
    while let Some(source) = pages.next().await {
        sources.push(source.explain("lambda:ListEventSourceMappings")?.into());
    }
    Ok(sources)
}

impl From<EventSourceMappingConfiguration> for EventSource {
    fn from(mapping: EventSourceMappingConfiguration) -> Self {
        let reports = mapping.function_response_types().contains(&FunctionResponseType::ReportBatchItemFailures);
        Self {
            reports_failures: reports,
            has_filter: mapping.filter_criteria.as_ref().is_some_and(|criteria| !criteria.filters().is_empty()),
            id: mapping.uuid.unwrap_or_default(),
            function: mapping.function_arn.unwrap_or_default(),
            state: mapping.state.unwrap_or_default(),
            maximum_concurrency: mapping.scaling_config.and_then(|scaling| scaling.maximum_concurrency),
        }
    }
}
