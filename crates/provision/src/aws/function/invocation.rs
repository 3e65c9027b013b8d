//! One invocation of the operator's function, whose answer comes while it runs.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::Config;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::operation::invoke_with_response_stream::InvokeWithResponseStreamOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent as Event;
use db::AwsError;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::FunctionName;
use crate::aws::Aws;
use crate::error::Problem;
use crate::prompt::progress;

/// The permission that it needs.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html>
const ACTION: &str = "lambda:InvokeFunction";

/// Why a function cannot run yet: it is at its limit of concurrency, such as with an invocation before this one, or Lambda
/// has put it to sleep and now makes its way into the VPC again.
/// <https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>
const NOT_YET: [&str; 3] = ["TooManyRequestsException", "ResourceConflictException", "ResourceNotReadyException"];

/// The longest wait for such a function.
const BUSY: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_secs(2);

/// A minute more than a function may run: after that, an answer that does not end is lost.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html>
const LONGEST: Duration = Duration::from_mins(16);

/// The longest silence: the function sends an empty line every 30 s, and its start takes some seconds. Without this limit, a
/// connection whose other end is gone would be waited for until [`LONGEST`].
const SILENCE: Duration = Duration::from_mins(2);

/// What stands between the head that Lambda's Rust runtime writes and the answer itself.
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming>
const DELIMITER: [u8; 8] = [0; 8];

/// An invocation whose answer is coming.
pub(crate) struct Invocation {
    answer: InvokeWithResponseStreamOutput,
    deadline: Instant,
    /// What has come and is no line yet, first the head.
    waiting: Vec<u8>,
    is_in_head: bool,
}

/// Why an answer ends before its last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The connection is.
    Connection,
    /// The answer is none of the operator's function.
    Foreign,
    /// The function has failed, as this code of AWS says.
    Function(String),
}

impl Display for Broken {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("the connection was lost"),
            Self::Foreign => f.write_str("the answer is none of the operator's function"),
            Self::Function(code) => write!(f, "the function has failed ({code})"),
        }
    }
}

impl Error for Broken {}

/// Invokes the function. The error is [`Broken`] if it may run and does not answer.
pub(crate) async fn invoke(aws: &Aws, function: &FunctionName, payload: Vec<u8>) -> anyhow::Result<Invocation> {
    function.ensure_in(aws.region().as_deref())?;
    // The answer's head may wait for the function's start, and the rest for its work. A request that is lost may have been
    // received, so it is not sent again.
    let config = Config::builder()
        .timeout_config(
            TimeoutConfig::builder().disable_operation_timeout().disable_operation_attempt_timeout().build(),
        )
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_config(RetryConfig::disabled());
    let begun = Instant::now();
    let mut is_told = false;
    loop {
        let request = aws.lambda.invoke_with_response_stream().function_name(function.identifier());
        let request = request.set_qualifier(function.qualifier.clone()).payload(Blob::new(payload.clone()));
        let error = match timeout(SILENCE, request.customize().config_override(config.clone()).send()).await {
            Err(_) => return Err(Broken::Connection.into()),
            Ok(Ok(answer)) => {
                let deadline = Instant::now() + LONGEST;
                return Ok(Invocation { answer, deadline, waiting: Vec::new(), is_in_head: true });
            }
            Ok(Err(error)) => error,
        };
        match error.code() {
            Some("ResourceNotFoundException") => {
                let remedy = "deploy it with infra/template.yaml (docs/deployment.md), or name it with --operator";
                return Err(Problem::new(format!("there is no operator's function {function}"), remedy).into());
            }
            Some(code) if NOT_YET.contains(&code) && begun.elapsed() < BUSY => {
                if !is_told {
                    progress(&format!("the operator's function {function} is busy or waking up; waiting for it"));
                    is_told = true;
                }
                sleep(PAUSE).await;
            }
            _ => return Err(AwsError::new(ACTION, &error).into()),
        }
    }
}

impl Invocation {
    /// The next lines of the answer; none after the last one.
    pub(crate) async fn lines(&mut self) -> Result<Option<String>, Broken> {
        loop {
            let until = self.deadline.min(Instant::now() + SILENCE);
            let event = timeout_at(until, self.answer.event_stream.recv()).await;
            match event {
                Ok(Ok(Some(Event::PayloadChunk(chunk)))) => {
                    self.waiting.extend(chunk.payload.map(Blob::into_inner).unwrap_or_default());
                }
                Ok(Ok(Some(Event::InvokeComplete(end)))) => {
                    return match end.error_code {
                        Some(code) => Err(Broken::Function(code)),
                        None if self.is_in_head => Err(Broken::Foreign),
                        None => Ok(None),
                    };
                }
                // Of a later AWS.
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None) | Err(_)) | Err(_) => return Err(Broken::Connection),
            }
            if self.is_in_head {
                let Some(head) = self.waiting.windows(DELIMITER.len()).position(|bytes| bytes == DELIMITER) else {
                    continue;
                };
                self.waiting.drain(..head + DELIMITER.len());
                self.is_in_head = false;
            }
            if let Some(last) = self.waiting.iter().rposition(|byte| *byte == b'\n') {
                let lines: Vec<u8> = self.waiting.drain(..=last).collect();
                return Ok(Some(String::from_utf8_lossy(&lines).into_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::config::IntoShared;
    use aws_smithy_http_client::test_util::NeverClient;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_function_that_is_silent_is_a_lost_connection_after_two_minutes() {
        let aws = Aws::with_user_pool(NeverClient::new().into_shared());
        let function = "post-confirmation-operator".parse().expect("a name");
        let begun = Instant::now();
        let error = invoke(&aws, &function, Vec::new()).await.err().expect("no answer");
        assert_eq!((error.downcast_ref(), begun.elapsed()), (Some(&Broken::Connection), SILENCE));
    }
}
