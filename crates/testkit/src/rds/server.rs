//! The stand-in as a server before moto.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, anyhow};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request as HttpRequest, Response, StatusCode};

use super::Rds;
use super::failure::NoAnswer;
use super::request::Request;
use crate::server::{self, forward};

/// Starts the server, before moto at this port.
pub(super) fn start(rds: Rds, moto: u16) -> anyhow::Result<u16> {
    server::start(move |request| answer(rds.clone(), moto, request))
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
