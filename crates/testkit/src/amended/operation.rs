//! Which operation of which service a request asks for, and how its answers look.

use hyper::body::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;

use super::{Refusal, binary};
use crate::rds;

/// An operation of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// The one that the request is signed for, such as `lambda` or `monitoring`.
    pub(super) service: String,
    pub(super) name: String,
}

/// How a service writes requests and answers. <https://smithy.io/2.0/aws/protocols/index.html>
#[derive(Clone, Debug)]
pub(super) enum Protocol {
    /// The query protocol, in XML.
    Query(rds::Request),
    /// JSON in a body.
    Json,
    /// JSON's binary twin, in which the SDK asks Amazon CloudWatch.
    Binary,
}

impl Operation {
    pub(super) fn new(service: &str, name: &str) -> Self {
        Self { service: service.to_owned(), name: name.to_owned() }
    }

    /// Reads it from a request.
    pub(super) fn of(head: &Parts, body: &Bytes) -> (Self, Protocol) {
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let authorization = header("authorization");
        let scope = authorization.split("Credential=").nth(1).unwrap_or_default();
        let service = scope.split('/').nth(3).unwrap_or_default();
        let path = head.uri.path();
        if let Some(query) = rds::Request::parse(authorization, body) {
            return (Self::new(service, &query.action), Protocol::Query(query));
        }
        let target = header("x-amz-target").rsplit('.').next().unwrap_or_default();
        match binary::target(path) {
            Some((_, operation)) => (Self::new(service, operation), Protocol::Binary),
            None if !target.is_empty() => (Self::new(service, target), Protocol::Json),
            None => (Self::new(service, &operation_of_lambda(head.method.as_str(), path)), Protocol::Json),
        }
    }
}

impl Protocol {
    /// An error's HTTP status and body.
    pub(super) fn refusal(&self, refusal: &Refusal) -> (u16, Vec<u8>) {
        let Refusal { code, message } = refusal;
        let usual = "User: arn:aws:iam::123456789012:user/operator is not authorized to perform this";
        let message = message.as_deref().unwrap_or(usual);
        let json = serde_json::json!({"__type": code, "message": message, "Message": message});
        match self {
            Self::Query(request) => {
                let refusal = rds::Refusal { status: 403, ..rds::Refusal::new(code, message) };
                let (status, body) = rds::render(request, Err(refusal));
                (status, body.into_bytes())
            }
            Self::Json => (400, json.to_string().into_bytes()),
            Self::Binary => (400, binary::encode(&json)),
        }
    }

    /// The body's type.
    pub(super) fn content_type(&self) -> &'static str {
        match self {
            Self::Query(_) => "text/xml",
            Self::Json => "application/json",
            Self::Binary => "application/cbor",
        }
    }

    pub(super) fn encode(&self, answer: &Value) -> Vec<u8> {
        match self {
            Self::Binary => binary::encode(answer),
            _ => answer.to_string().into_bytes(),
        }
    }
}

/// An operation of AWS Lambda, whose API is REST. <https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>
pub(crate) fn operation_of_lambda(method: &str, path: &str) -> String {
    let segments: Vec<_> = path.split('/').skip(2).filter(|segment| !segment.is_empty()).collect();
    let name = match (method, segments.as_slice()) {
        ("GET", ["functions"]) => "ListFunctions",
        ("GET", ["functions", _]) => "GetFunction",
        ("GET", ["functions", _, "configuration"]) => "GetFunctionConfiguration",
        ("GET", ["functions", _, "policy"]) => "GetPolicy",
        ("POST", ["functions", _, "policy"]) => "AddPermission",
        ("DELETE", ["functions", _, "policy", _]) => "RemovePermission",
        ("GET", ["functions", _, "concurrency"]) => "GetFunctionConcurrency",
        ("GET", ["functions", _, "provisioned-concurrency"]) => "GetProvisionedConcurrencyConfig",
        ("GET", ["functions", _, "event-invoke-config"]) => "GetFunctionEventInvokeConfig",
        ("GET", ["functions", _, "aliases"]) => "ListAliases",
        ("GET", ["functions", _, "aliases", _]) => "GetAlias",
        ("GET", ["functions", _, "versions"]) => "ListVersionsByFunction",
        ("GET", ["event-source-mappings"]) => "ListEventSourceMappings",
        ("GET", ["event-source-mappings", _]) => "GetEventSourceMapping",
        ("GET", ["account-settings"]) => "GetAccountSettings",
        _ => return format!("{method} {path}"),
    };
    name.to_owned()
}
