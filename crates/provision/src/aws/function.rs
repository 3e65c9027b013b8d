//! AWS Lambda: the function, and who may invoke it.

#[cfg(feature = "instance")]
mod configuration;
mod invocation;
mod name;
mod statement;

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use db::AwsError;
use serde_json::Value;
use tokio::time::{Instant, sleep};

#[cfg(feature = "instance")]
pub(crate) use self::configuration::{
    Configuration, FunctionNetwork, find_function, list_event_sources, reserved_concurrency,
};
pub(crate) use self::invocation::{Broken, Invocation, invoke};
pub(crate) use self::name::FunctionName;
pub(crate) use self::statement::Statement;
use super::user_pool::{LATER, PAUSE, UserPool};
use super::{Aws, Explain};
use crate::error::Problem;
use crate::prompt::{Consent, progress};

/// The service that invokes triggers.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html>
const COGNITO: &str = "cognito-idp.amazonaws.com";

/// The id of the statement that allows this pool to invoke a function. One for each pool, so that none is added twice and
/// none is removed that another program has added.
pub(crate) fn statement_id(pool: &UserPool) -> String {
    format!("provision-trigger-{}", pool.id)
}

/// What AWS says of the function, or of a version or alias of it; none if there is none by this name.
async fn describe(aws: &Aws, function: &FunctionName) -> Result<Option<GetFunctionConfigurationOutput>, AwsError> {
    let request = aws.lambda.get_function_configuration().function_name(&function.name);
    let answer = request.set_qualifier(function.qualifier.clone()).send().await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("ResourceNotFoundException")) {
        return Ok(None);
    }
    answer.explain("lambda:GetFunctionConfiguration").map(Some)
}

/// Whether there is a function, or a version or alias of it, by this name.
pub(crate) async fn function_exists(aws: &Aws, function: &FunctionName) -> anyhow::Result<bool> {
    Ok(describe(aws, function).await?.is_some())
}

/// The log group that the function writes to; none if there is no such function.
pub(crate) async fn find_log_group(aws: &Aws, function: &FunctionName) -> Result<Option<String>, AwsError> {
    Ok(describe(aws, function).await?.map(|configuration| log_group(&configuration, function)))
}

fn log_group(configuration: &GetFunctionConfigurationOutput, function: &FunctionName) -> String {
    let named = configuration.logging_config().and_then(|logging| logging.log_group());
    named.map_or_else(|| function.default_log_group(), str::to_owned)
}

/// The statements of the function's policy, in which others are allowed to invoke it.
pub(crate) async fn read_statements(aws: &Aws, function: &FunctionName) -> anyhow::Result<Vec<Statement>> {
    let request = aws.lambda.get_policy().function_name(&function.name);
    let answer = request.set_qualifier(function.qualifier.clone()).send().await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("ResourceNotFoundException")) {
        // It has none.
        return Ok(Vec::new());
    }
    let answer = answer.explain("lambda:GetPolicy")?;
    let unreadable = || Problem::new("the function's policy is no JSON", "read it with `aws lambda get-policy`");
    let policy: Value = serde_json::from_str(answer.policy().unwrap_or("{}")).map_err(|_| unreadable())?;
    Ok(Statement::all(&policy))
}

/// Allows the pool to invoke the function. While the function is being changed, it waits until the `deadline`.
pub(crate) async fn add_permission(
    aws: &Aws,
    function: &FunctionName,
    pool: &UserPool,
    deadline: Option<Instant>,
    _consent: &Consent,
) -> anyhow::Result<()> {
    let action = "lambda:AddPermission";
    loop {
        let request = aws.lambda.add_permission().function_name(&function.name).statement_id(statement_id(pool));
        let request = request.set_qualifier(function.qualifier.clone()).action("lambda:InvokeFunction");
        let request = request.principal(COGNITO).source_arn(&pool.arn).source_account(pool.place()?.account);
        let Err(error) = request.send().await else { return Ok(()) };
        if error.code() == Some("PolicyLengthExceededException") {
            // <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html#api-requests>
            let problem =
                format!("the policy of the function {function} would exceed AWS's 20 KB, so nothing was changed");
            let remedy = "remove a statement that nobody needs any more with `aws lambda remove-permission`; `provision \
                          trigger show` lists them";
            return Err(Problem::new(problem, remedy).because(AwsError::new(action, &error)).into());
        }
        if error.code() != Some("ResourceConflictException") {
            return Err(AwsError::new(action, &error).into());
        }
        // Of this request's lost answer, or of another run.
        if read_statements(aws, function).await?.iter().any(|statement| statement.permits(pool)) {
            return Ok(());
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let problem = format!("another change of the function {function} is in progress, so nothing was changed");
            return Err(Problem::new(problem, LATER).because(AwsError::new(action, &error)).into());
        }
        progress("another change of the function is in progress; waiting for its end");
        sleep(PAUSE).await;
    }
}

/// Removes the statement with this id from the function's policy. One that is not there is no error.
pub(crate) async fn remove_permission(
    aws: &Aws,
    function: &FunctionName,
    statement_id: &str,
    _consent: &Consent,
) -> anyhow::Result<()> {
    let request = aws.lambda.remove_permission().function_name(&function.name).statement_id(statement_id);
    let answer = request.set_qualifier(function.qualifier.clone()).send().await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("ResourceNotFoundException")) {
        return Ok(());
    }
    answer.explain("lambda:RemovePermission")?;
    Ok(())
}
