//! The function in Lambda.

use std::time::Duration;

use super::deployment::Deployment;
use super::finding::Seen;

/// The runtimes that start a `bootstrap`, and that AWS still patches.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html>
const RUNTIMES: [&str; 1] = ["provided.al2023"];

/// The function's budget, and what it needs to answer within Lambda's limit.
const LEAST_TIMEOUT: Duration = Duration::from_secs(6);

/// The most memory that helps: from here on the function has more than one CPU, and it uses one.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
const MOST_MEMORY: i32 = 1769;

pub(super) async fn state(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let name = &deployment.function_name;
    let Some(function) = deployment.find_function().await? else {
        let mut seen = Seen::new("there is none");
        seen.wrong(
            format!("there is no function {name} in this region and account"),
            "correct --function, --region or --profile; docs/deployment.md says how to create it",
        );
        return Ok(seen);
    };
    let runtime = function.runtime.as_deref().unwrap_or("an image");
    let mut seen = Seen::new(format!("{name} is {}, {runtime} on {}", function.state, function.architecture));
    let because = |reason: &Option<String>| reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    if function.state == "Inactive" {
        seen.wrong(
            "it is inactive: Lambda has given its network interfaces back, and its next calls fail",
            "invoke it once (`aws lambda invoke`) and wait until it is active",
        );
    } else if function.state != "Active" {
        let problem = format!("it is {}, so its calls fail{}", function.state, because(&function.state_reason));
        seen.wrong(problem, "do what Lambda's reason says, and update the function");
    }
    if function.last_update == "Failed" {
        let reason = because(&function.last_update_reason);
        seen.wrong(format!("its last update has failed{reason}"), "correct what the reason names, and update it again");
    }
    if function.runtime.as_ref().is_some_and(|runtime| !RUNTIMES.contains(&runtime.as_str())) {
        seen.wrong(
            format!("the runtime is {runtime}, and the zip is for provided.al2023"),
            "set the runtime to provided.al2023 and the handler to bootstrap",
        );
    }
    Ok(seen)
}

pub(super) async fn limits(deployment: &Deployment<'_>) -> anyhow::Result<Seen> {
    let function = deployment.function().await?;
    let (timeout, memory) = (function.timeout, function.memory);
    let mut seen = Seen::new(format!("{} s, {memory} MB, log format {}", timeout.as_secs(), function.log_format));
    if timeout < LEAST_TIMEOUT {
        seen.wrong(
            format!("Lambda ends the function after {} s, and a sign-up may need 4.5 s", timeout.as_secs()),
            "set its timeout to 6 s or more",
        );
    }
    if memory > MOST_MEMORY {
        seen.advise(format!("it pays for {memory} MB and uses one CPU"), "set its memory to 256 MB");
    }
    if function.log_format != "JSON" {
        seen.advise(
            "the log format is Text, so Lambda does not filter by level",
            "set the log format to JSON (`aws lambda update-function-configuration --logging-config LogFormat=JSON`)",
        );
    }
    Ok(seen)
}
