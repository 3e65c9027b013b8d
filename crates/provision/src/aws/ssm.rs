//! AWS Systems Manager: who is online, and sessions that forward a port.

use std::collections::BTreeSet;

use anyhow::Context;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use db::AwsError;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::json::{SSM, call};
use super::{Aws, Explain};
use crate::error::Problem;

/// AWS's document of sessions that forward a port to a third host.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-sessions-start.html>
pub(crate) const DOCUMENT: &str = "AWS-StartPortForwardingSessionToRemoteHost";

/// The EC2 instances whose agent is connected.
pub(crate) async fn online_instances(aws: &Aws) -> anyhow::Result<BTreeSet<String>> {
    let mut request = json!({
        "Filters": [{"Key": "PingStatus", "Values": ["Online"]}, {"Key": "ResourceType", "Values": ["EC2Instance"]}],
        "MaxResults": 50,
    });
    let mut found = BTreeSet::new();
    loop {
        let answer = call(aws, SSM, "DescribeInstanceInformation", &request).await;
        let answer = answer.explain("ssm:DescribeInstanceInformation")?.read()?;
        let instances = answer.get("InstanceInformationList").and_then(Value::as_array).into_iter().flatten();
        found.extend(instances.filter_map(|instance| Some(instance["InstanceId"].as_str()?.to_owned())));
        match answer.get("NextToken").and_then(Value::as_str).filter(|token| !token.is_empty()) {
            Some(token) => request["NextToken"] = token.into(),
            None => return Ok(found),
        }
    }
}

/// A port of this machine that leads to one of another host, through a target of Systems Manager.
#[derive(Clone, Debug)]
pub(crate) struct Forwarding {
    /// An instance's id, or `ecs:CLUSTER_TASK_CONTAINER`.
    pub(crate) target: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) local_port: u16,
}

impl Forwarding {
    /// The request for it, which the plugin wants to see as well.
    pub(crate) fn request(&self) -> Value {
        let Self { target, host, port, local_port } = self;
        let parameters = json!({
            "host": [host], "portNumber": [port.to_string()], "localPortNumber": [local_port.to_string()],
        });
        json!({"Target": target, "DocumentName": DOCUMENT, "Parameters": parameters})
    }
}

/// A session that has started.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) token: SecretString,
    pub(crate) stream_url: String,
    /// The URL of Systems Manager that has started it.
    pub(crate) endpoint: String,
}

/// Starts a session. AWS ends it some 20 minutes after its last use, if nothing else does.
pub(crate) async fn start_session(aws: &Aws, forwarding: &Forwarding) -> anyhow::Result<Session> {
    let target = &forwarding.target;
    let answer = match call(aws, SSM, "StartSession", &forwarding.request()).await {
        Ok(answer) => answer,
        Err(error) => {
            let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
            let problem = match code {
                "TargetNotConnected" => Some(Problem::new(
                    format!("{target} is not connected to AWS Systems Manager"),
                    "name another one with --through; or restart its SSM Agent, for a task of ECS the task",
                )),
                // AWS checks the target and the document, and names what it refuses.
                "AccessDeniedException" if message.contains(DOCUMENT) => Some(Problem::new(
                    format!("these credentials may not use the document {DOCUMENT}"),
                    "allow ssm:StartSession on it, as infra/iam/tunnel.json does",
                )),
                "InvalidDocument" => Some(Problem::new(
                    format!("this region has no document {DOCUMENT}"),
                    "use `provision --in-vpc`, which needs no tunnel",
                )),
                _ => None,
            };
            let error = AwsError::new("ssm:StartSession", &error);
            return Err(match problem {
                Some(problem) => problem.because(error).into(),
                None => error.into(),
            });
        }
    };
    let session = answer.read()?;
    let text = |name: &str| {
        let text = session.get(name).and_then(Value::as_str);
        text.map(str::to_owned).with_context(|| format!("AWS returned no {name} of the session"))
    };
    Ok(Session {
        id: text("SessionId")?,
        token: text("TokenValue")?.into(),
        stream_url: text("StreamUrl")?,
        endpoint: answer.endpoint,
    })
}

/// Ends the session, which may have ended already.
pub(crate) async fn terminate_session(aws: &Aws, id: &str) -> anyhow::Result<()> {
    match call(aws, SSM, "TerminateSession", &json!({"SessionId": id})).await {
        Err(error) if error.code() == Some("DoesNotExistException") => Ok(()),
        answer => Ok(answer.explain("ssm:TerminateSession").map(|_| ())?),
    }
}
