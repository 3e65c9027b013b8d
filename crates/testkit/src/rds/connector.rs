//! The stand-in as an HTTP client of the SDK, in the same process.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::Rds;
use super::failure::NoAnswer;
use super::request::Request;

#[derive(Debug)]
struct InProcess(Rds);

/// A client that never opens a connection.
pub(super) fn client(rds: Rds) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(InProcess(rds));
    http_client_fn(move |_, _| connector.clone())
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let authorization = request.headers().get("authorization").unwrap_or_default();
        let Some(request) = Request::parse(authorization, request.body().bytes().unwrap_or_default()) else {
            let message = format!("the stand-in speaks only the query protocol: {request:?}");
            return HttpConnectorFuture::ready(Err(ConnectorError::user(message.into())));
        };
        match self.0.answer(&request) {
            Ok((status, body)) => {
                let status = status.try_into().expect("a status");
                HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body.into())))
            }
            Err(NoAnswer::Closed) => {
                HttpConnectorFuture::ready(Err(ConnectorError::io("connection closed before message completed".into())))
            }
            Err(NoAnswer::Silent) => HttpConnectorFuture::new(std::future::pending()),
        }
    }
}
