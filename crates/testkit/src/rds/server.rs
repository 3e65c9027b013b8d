//! The stand-in as a server before moto.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;

use anyhow::{Context, anyhow};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use super::Rds;
use super::failure::NoAnswer;
use super::request::Request;

/// Listens on a free port of 127.0.0.1, in a thread of its own: a test need not be asynchronous.
pub(super) fn start(rds: Rds, moto: u16) -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || runtime.block_on(serve(listener, rds, moto)));
    Ok(port)
}

async fn serve(listener: std::net::TcpListener, rds: Rds, moto: u16) {
    let listener = TcpListener::from_std(listener).expect("the listener does not block");
    while let Ok((stream, _)) = listener.accept().await {
        let rds = rds.clone();
        let service = service_fn(move |request| answer(rds.clone(), moto, request));
        tokio::spawn(async move {
            // A client that is killed leaves a broken connection behind: no reason to fail.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(rds: Rds, moto: u16, request: HttpRequest<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let authorization = head.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let own = Request::parse(authorization, &body).filter(|request| request.service == "rds");
    let Some(own) = own else { return forward(moto, HttpRequest::from_parts(head, Full::new(body))).await };
    match rds.answer(&own) {
        Ok((status, body)) => {
            let mut response = Response::new(Full::from(body));
            *response.status_mut() = StatusCode::from_u16(status)?;
            response.headers_mut().insert("content-type", "text/xml".parse()?);
            Ok(response)
        }
        // An error of the service closes the connection.
        Err(NoAnswer::Closed) => Err(anyhow!("closed on purpose")),
        Err(NoAnswer::Silent) => std::future::pending().await,
    }
}

/// The answer of another server, such as moto.
pub(crate) async fn forward(port: u16, request: HttpRequest<Full<Bytes>>) -> anyhow::Result<Response<Full<Bytes>>> {
    let stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // Its end is seen in the answer.
        let _ = connection.await;
    });
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Response::from_parts(head, Full::new(body.collect().await?.to_bytes())))
}

/// The id of moto's default VPC, so that subnet groups here and security groups there are in the same one.
pub(super) fn default_vpc(moto: u16) -> anyhow::Result<String> {
    let body = "Action=DescribeVpcs&Version=2016-11-15&Filter.1.Name=is-default&Filter.1.Value.1=true";
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, moto))?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: ec2.eu-central-1.amazonaws.com\r\nConnection: close\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=testing/20261125/eu-central-1/ec2/aws4_request\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let id = answer.split("<vpcId>").nth(1).and_then(|rest| rest.split('<').next());
    id.map(str::to_owned).with_context(|| format!("moto has no default VPC: {answer}"))
}
