//! The stand-in as a server.

use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use anyhow::anyhow;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::runtime::Builder;

use super::UserPool;
use super::answer::Answer;

/// Listens on a free port of 127.0.0.1, in a thread of its own: a test need not be asynchronous.
pub(super) fn start(pool: UserPool) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || runtime.block_on(serve(listener, pool)));
    Ok(port)
}

async fn serve(listener: TcpListener, pool: UserPool) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("the listener does not block");
    while let Ok((stream, _)) = listener.accept().await {
        // Head and body of an answer are two writes: without it the second waits for the client's delayed ACK.
        let _ = stream.set_nodelay(true);
        let pool = pool.clone();
        let service = service_fn(move |request| answer(pool.clone(), request));
        tokio::spawn(async move {
            // A client that is killed leaves a broken connection behind: no reason to fail.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
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
