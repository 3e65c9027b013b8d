//! The stand-in as an HTTP client of the SDK, in the same process.

use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::UserPool;
use super::answer::Answer;

/// A moment of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The pool has not read the request.
    Asked,
    /// The pool has answered, and the client has not read the answer.
    Answered,
}

/// What a test does meanwhile.
type Meanwhile = Arc<dyn Fn(Stage, &str) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

#[derive(Clone)]
struct InProcess {
    pool: UserPool,
    meanwhile: Option<Meanwhile>,
}

/// A client that never opens a connection.
pub(super) fn client(pool: UserPool) -> SharedHttpClient {
    shared(InProcess { pool, meanwhile: None })
}

/// The same, and the test does something before and after each request.
pub(super) fn client_with<F: Future<Output = ()> + Send + 'static>(
    pool: UserPool,
    meanwhile: impl Fn(Stage, &str) -> F + Send + Sync + 'static,
) -> SharedHttpClient {
    let meanwhile: Meanwhile = Arc::new(move |stage, action| Box::pin(meanwhile(stage, action)));
    shared(InProcess { pool, meanwhile: Some(meanwhile) })
}

fn shared(client: InProcess) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(client);
    http_client_fn(move |_, _| connector.clone())
}

impl Debug for InProcess {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InProcess").field(&self.pool).finish()
    }
}

impl InProcess {
    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let action = target.rsplit('.').next().unwrap_or_default();
        if let Some(meanwhile) = &self.meanwhile {
            meanwhile(Stage::Asked, action).await;
        }
        let answer = self.pool.answer(target, request.body().bytes().unwrap_or_default());
        if let Some(meanwhile) = &self.meanwhile {
            meanwhile(Stage::Answered, action).await;
        }
        match answer {
            Answer::Http(status, body) => {
                let status = status.try_into().expect("a status");
                Ok(HttpResponse::new(status, body.into()))
            }
            Answer::Closed => Err(ConnectorError::io("connection closed before message completed".into())),
            Answer::Stalled => std::future::pending().await,
        }
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}
