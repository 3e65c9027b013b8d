//! The server itself.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_secretsmanager::primitives::{DateTime, DateTimeFormat};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use serde_json::json;

use super::operation::{Operation, Protocol};
use super::{Amendment, Refusal, State, binary, lock, simulation};
use crate::rds;
use crate::recording::of_json;
use crate::server::{self, forward};

/// Starts the server, before the one at this port.
pub(super) fn start(state: Arc<Mutex<State>>, port: u16) -> anyhow::Result<u16> {
    server::start(move |request| answer(Arc::clone(&state), port, request))
}

async fn answer(
    state: Arc<Mutex<State>>,
    port: u16,
    request: Request<Incoming>,
) -> anyhow::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let (operation, protocol) = Operation::of(&head, &body);
    let (refusal, amendments, seconds_ahead) = {
        let mut state = lock(&state);
        state.operations.push(operation.clone());
        (state.refusal(&operation), state.amendments(&operation), state.seconds_ahead)
    };
    let mut response = match (refusal, &protocol) {
        (Some(refusal), _) => refused(&protocol, &refusal)?,
        (None, Protocol::Query(request)) if operation.name == "SimulatePrincipalPolicy" => {
            lock(&state).own.push(request.clone());
            simulation::simulate(port, request).await?
        }
        (None, Protocol::Query(_)) => forward(port, Request::from_parts(head, Full::new(body))).await?,
        (None, _) => {
            let is_own = amendments.iter().any(|amendment| matches!(amendment, Amendment::Replaced(_)));
            if let Some(parameters) = of_json(&body).ok().filter(|_| is_own) {
                let Operation { service, name: action } = operation;
                lock(&state).own.push(rds::Request { service, action, parameters });
            }
            amended(port, head, body, &protocol, &amendments).await?
        }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let date = DateTime::from_secs(i64::try_from(now)? + seconds_ahead).fmt(DateTimeFormat::HttpDate)?;
    response.headers_mut().insert("date", date.parse()?);
    Ok(response)
}

/// The other server's answer, or the one in its place, as the test wants it.
async fn amended(
    port: u16,
    head: Parts,
    body: Bytes,
    protocol: &Protocol,
    amendments: &[Amendment],
) -> anyhow::Result<Response<Full<Bytes>>> {
    let replaced = amendments.iter().rev().find_map(|amendment| match amendment {
        Amendment::Replaced(answer) => Some(answer.clone()),
        Amendment::Changed(_) => None,
    });
    let is_binary = matches!(protocol, Protocol::Binary);
    let (mut head, mut answer) = if let Some(answer) = replaced {
        (Response::new(()).into_parts().0, answer)
    } else {
        let request = if is_binary { in_json(&head, &body)? } else { Request::from_parts(head, Full::new(body)) };
        let response = forward(port, request).await?;
        let is_error = !response.status().is_success();
        if !is_binary && (is_error || amendments.is_empty()) {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        // The answer to a change may be empty.
        (head, serde_json::from_slice(&body).unwrap_or_else(|_| json!({})))
    };
    if head.status.is_success() {
        for amendment in amendments {
            if let Amendment::Changed(change) = amendment {
                change(&mut answer);
            }
        }
    }
    // The body's length and type are others now.
    head.headers.remove("content-length");
    head.headers.insert("content-type", protocol.content_type().parse()?);
    if is_binary {
        head.headers.insert("smithy-protocol", "rpc-v2-cbor".parse()?);
    }
    Ok(Response::from_parts(head, Full::from(protocol.encode(&answer))))
}

/// The same request in JSON.
fn in_json(head: &Parts, body: &Bytes) -> anyhow::Result<Request<Full<Bytes>>> {
    let (service, operation) = binary::target(head.uri.path()).unwrap_or_default();
    let body = binary::decode(body)?.to_string();
    let mut request = Request::post("/")
        .header("x-amz-target", format!("{service}.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("content-length", body.len());
    for name in ["host", "authorization", "x-amz-date"] {
        if let Some(value) = head.headers.get(name) {
            request = request.header(name, value);
        }
    }
    Ok(request.body(Full::from(body))?)
}

fn refused(protocol: &Protocol, refusal: &Refusal) -> anyhow::Result<Response<Full<Bytes>>> {
    let (status, body) = protocol.refusal(refusal);
    let code = &refusal.code;
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::from_u16(status)?;
    let headers = response.headers_mut();
    headers.insert("content-type", protocol.content_type().parse()?);
    match protocol {
        Protocol::Query(_) => {}
        Protocol::Json => drop(headers.insert("x-amzn-errortype", code.parse()?)),
        Protocol::Binary => drop(headers.insert("smithy-protocol", "rpc-v2-cbor".parse()?)),
    }
    if !matches!(protocol, Protocol::Query(_)) {
        // Of services that once had the query protocol, SDKs take the code from here.
        headers.insert("x-amzn-query-error", format!("{code};Sender").parse()?);
    }
    Ok(response)
}
