//! The stand-in as an HTTP client of the SDK, in the same process.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::UserPool;
use super::answer::Answer;

#[derive(Debug)]
struct InProcess(UserPool);

/// A client that never opens a connection.
pub(super) fn client(pool: UserPool) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(InProcess(pool));
    http_client_fn(move |_, _| connector.clone())
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        match self.0.answer(target, request.body().bytes().unwrap_or_default()) {
            Answer::Http(status, body) => {
                let status = status.try_into().expect("a status");
                HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body.into())))
            }
            Answer::Closed => {
                HttpConnectorFuture::ready(Err(ConnectorError::io("connection closed before message completed".into())))
            }
            Answer::Stalled => HttpConnectorFuture::new(std::future::pending()),
        }
    }
}
