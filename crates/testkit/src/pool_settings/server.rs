//! The stand-in as a server before moto.

use std::sync::{Arc, Mutex};

use anyhow::anyhow;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request as HttpRequest, Response, StatusCode};
use serde_json::{Value, json};

use super::{Incident, Request, State};
use crate::server::{self, forward};

/// The access key that the kit itself signs with.
const KIT: &str = "Credential=testkit/";

/// The operations that change a pool or a function.
const CHANGES: [&str; 4] = ["UpdateUserPool", "SetUserPoolMfaConfig", "AddPermission", "RemovePermission"];

/// Starts the server, before moto at this port.
pub(super) fn start(state: Arc<Mutex<State>>, moto: u16) -> anyhow::Result<u16> {
    server::start(move |request| answer(Arc::clone(&state), moto, request))
}

async fn answer(
    state: Arc<Mutex<State>>,
    moto: u16,
    request: HttpRequest<Incoming>,
) -> anyhow::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = header("x-amz-target").rsplit('.').next().unwrap_or_default().to_owned();
    // REST, as AWS Lambda has it, names no operation.
    let operation = match (operation.is_empty(), head.method.as_str(), head.uri.path()) {
        (true, "POST", path) if path.ends_with("/policy") => "AddPermission".to_owned(),
        (true, "DELETE", path) if path.contains("/policy/") => "RemovePermission".to_owned(),
        _ => operation,
    };
    let is_kit = header("authorization").contains(KIT);
    let text =
        serde_json::from_slice::<Value>(&body).ok().and_then(|body| body.as_object().cloned()).unwrap_or_default();
    let pool = text.get("UserPoolId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let request = Request { operation: &operation, pool, body: text };
    let locked = || state.lock().expect("no panic while it is locked");
    let mut incident = Incident::Nothing;
    if !is_kit && !operation.is_empty() {
        let mut state = locked();
        let refusal;
        (incident, refusal) = state.begin(&request);
        if CHANGES.contains(&operation.as_str()) {
            state.operations.push(operation.clone());
        }
        if let Some((code, message)) = refusal {
            let status = match code.as_str() {
                "ResourceConflictException" => StatusCode::CONFLICT,
                "AccessDeniedException" => StatusCode::FORBIDDEN,
                "InternalErrorException" => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_REQUEST,
            };
            let mut response = json_response(&json!({"__type": code, "message": message, "Message": message}))?;
            *response.status_mut() = status;
            response.headers_mut().insert("x-amzn-errortype", code.parse()?);
            return Ok(response);
        }
    }
    let is_read = ["DescribeUserPool", "GetUserPoolMfaConfig"].contains(&operation.as_str());
    let response = forward(moto, HttpRequest::from_parts(head, Full::new(body))).await?;
    if !response.status().is_success() || request.pool.is_empty() {
        return Ok(response);
    }
    if is_read {
        let body = response.into_body().collect().await?.to_bytes();
        let mut body: Value = serde_json::from_slice(&body)?;
        locked().complete(&request, &mut body);
        locked().finish(&request, &incident);
        return json_response(&body);
    }
    locked().finish(&request, &incident);
    if matches!(incident, Incident::LostAnswer) {
        // An error of the service closes the connection.
        return Err(anyhow!("closed on purpose"));
    }
    Ok(response)
}

fn json_response(body: &Value) -> anyhow::Result<Response<Full<Bytes>>> {
    let mut response = Response::new(Full::from(body.to_string()));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.1".parse()?);
    Ok(response)
}
