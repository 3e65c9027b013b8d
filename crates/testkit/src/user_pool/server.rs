//! The stand-in as a server.

use anyhow::anyhow;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};

use super::UserPool;
use super::answer::Answer;
use crate::server;

/// Starts the server.
pub(super) fn start(pool: UserPool) -> anyhow::Result<u16> {
    server::start(move |request| answer(pool.clone(), request))
}

async fn answer(pool: UserPool, request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match pool.answer(target, &body) {
        Answer::Http(status, body) => {
            let mut response = Response::new(Full::from(body));
            *response.status_mut() = StatusCode::from_u16(status)?;
            response.headers_mut().insert("content-type", "application/x-amz-json-1.1".parse()?);
            Ok(response)
        }
        // An error of the service closes the connection.
        Answer::Closed => Err(anyhow!("closed on purpose")),
        Answer::Stalled => std::future::pending().await,
    }
}
