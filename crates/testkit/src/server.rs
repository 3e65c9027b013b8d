//! A server of this process in place of AWS, or before another one.

use std::error::Error;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

use crate::HANG_LIMIT;

/// Listens on a free port of 127.0.0.1, in a thread of its own: a test need not be asynchronous. An error of the `answer`
/// closes the connection.
pub(crate) fn start<F, B>(answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static) -> anyhow::Result<u16>
where
    F: Future<Output = anyhow::Result<Response<B>>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).expect("the listener does not block");
            while let Ok((stream, _)) = listener.accept().await {
                // Head and body of an answer are two writes: without it the second waits for the client's delayed ACK.
                let _ = stream.set_nodelay(true);
                let service = service_fn(answer.clone());
                tokio::spawn(async move {
                    let connection = hyper::server::conn::http1::Builder::new();
                    // A client that is killed leaves a broken connection behind: no reason to fail.
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    });
    Ok(port)
}

/// Waits until another server listens on this port of 127.0.0.1.
pub(crate) fn wait_until_it_listens(port: u16, name: &str) -> anyhow::Result<()> {
    let end = Instant::now() + HANG_LIMIT;
    while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        ensure!(Instant::now() < end, "{name} does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The answer of another server, such as moto.
pub(crate) async fn forward(port: u16, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Full<Bytes>>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    // So are those of a request.
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // Its end is seen in the answer.
        let _ = connection.await;
    });
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Response::from_parts(head, Full::new(body.collect().await?.to_bytes())))
}

/// The variables that lead an AWS SDK to the server at this port.
pub(crate) fn environment(port: u16) -> [(&'static str, String); 4] {
    [
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AWS_REGION", "eu-central-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
    ]
}
