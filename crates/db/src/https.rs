//! HTTPS for AWS's SDK, by the TLS library of the database's connection. The SDK's own brings two more: megabytes that a cold
//! start would load.

use std::error::Error as StdError;
use std::io;
use std::iter::successors;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use hyper_openssl::client::legacy::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use openssl::x509::X509;

use crate::tls;

/// A client that keeps its connections. Of the SDK's settings it has no use for the time limits of a connection and of a read:
/// [`crate::sdk_config()`] limits each attempt as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Https(Client<HttpsConnector<TcpConnector>, SdkBody>);

impl Https {
    /// A client that trusts these certificates, PEM, and no others.
    pub(crate) fn trusting(pem: &str) -> Self {
        let certificates = X509::stack_from_pem(pem.as_bytes()).expect("the built-in roots are PEM");
        let mut tcp = TcpConnector::new();
        // As every endpoint of a stand-in does, one may have `http`.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let https = tls::trusting(certificates).and_then(|tls| HttpsConnector::with_connector(tcp, tls));
        Self(Client::builder(TokioExecutor::new()).build(https.expect("the built-in roots are all it needs")))
    }
}

impl HttpClient for Https {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Https {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let response = client.request(request).await.map_err(failure)?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The error, in the kinds by which the SDK decides whether the request is sent again.
fn failure(error: ClientError) -> ConnectorError {
    let first: &(dyn StdError + 'static) = &error;
    let causes = || successors(Some(first), |&cause| cause.source());
    let is_io = error.is_connect() || causes().any(<dyn StdError>::is::<io::Error>);
    let cause = causes().find_map(<dyn StdError>::downcast_ref::<hyper::Error>);
    if is_io || cause.is_some_and(|cause| cause.is_closed() || cause.is_canceled()) {
        ConnectorError::io(error.into())
    } else if cause.is_some_and(hyper::Error::is_incomplete_message) {
        ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
    } else {
        ConnectorError::other(error.into(), None)
    }
}
