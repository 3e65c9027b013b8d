//! HTTPS for AWS's SDK, by the TLS library of the database's connection. The SDK's own brings two more: megabytes that a cold
//! start would load.

use std::error::Error as StdError;
use std::io;
use std::iter::successors;
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use hyper_openssl::client::legacy::HttpsConnector;
use hyper_util::client::legacy::connect::{
    CaptureConnection, Connected, HttpConnector as TcpConnector, capture_connection,
};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use openssl::x509::X509;
use tokio::time::timeout;

use crate::tls;

/// A client that keeps its connections.
#[derive(Clone, Debug)]
pub(crate) struct Https {
    client: Client<HttpsConnector<TcpConnector>, SdkBody>,
    /// The longest wait for an answer. Sources of credentials ask for one; services limit each attempt by themselves.
    limit: Option<Duration>,
}

impl Https {
    /// A client that trusts these roots, which are PEM and built in, and no others.
    pub(crate) fn trusting_pem(roots: &str) -> Self {
        Self::trusting(X509::stack_from_pem(roots.as_bytes()).expect("the built-in roots are PEM"))
    }

    /// A client that trusts these roots and no others.
    pub(crate) fn trusting(roots: Vec<X509>) -> Self {
        let mut tcp = TcpConnector::new();
        // As every endpoint of a stand-in does, one may have `http`.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let https = tls::trusting(roots).and_then(|tls| HttpsConnector::with_connector(tcp, tls));
        let https = https.expect("roots are all it needs");
        Self { client: Client::builder(TokioExecutor::new()).build(https), limit: None }
    }
}

impl HttpClient for Https {
    fn http_connector(&self, settings: &HttpConnectorSettings, _components: &RuntimeComponents) -> SharedHttpConnector {
        let limit = settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or_default());
        SharedHttpConnector::new(Self { limit, ..self.clone() })
    }
}

impl HttpConnector for Https {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { client, limit } = self.clone();
        HttpConnectorFuture::new(async move {
            let mut request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            // A request with any other would go out without TLS.
            if let Some(scheme) = request.uri().scheme_str().filter(|scheme| !["http", "https"].contains(scheme)) {
                return Err(ConnectorError::user(format!("unsupported scheme {scheme}").into()));
            }
            let connection = capture_connection(&mut request);
            if let Some(captured) = request.extensions().get::<CaptureSmithyConnection>() {
                captured.set_connection_retriever(move || metadata(&connection));
            }
            let response = client.request(request);
            let response = match limit {
                Some(limit) => timeout(limit, response).await.map_err(|error| ConnectorError::timeout(error.into()))?,
                None => response.await,
            };
            HttpResponse::try_from(response.map_err(failure)?.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The connection, which the SDK closes when it has given the answer of a server that is broken.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let poison = move || connection.connection_metadata().as_ref().into_iter().for_each(Connected::poison);
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use aws_config::retry::RetryConfig;
    use aws_config::timeout::TimeoutConfig;
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use secrecy::ExposeSecret;
    use testkit::Authority;
    use tokio::time::Instant;

    use super::*;
    use crate::secrets_manager::{CURRENT, read};
    use crate::{AwsCause, Error, roots};

    const BAD: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}";
    const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 27\r\n\r\n{\"SecretString\": \"hunter2\"}";

    /// The configuration for a service at this endpoint, which is asked twice where that may help.
    fn config(endpoint: &str, limits: TimeoutConfig) -> SdkConfig {
        config_of(Https::trusting_pem(roots::AMAZON), endpoint, limits)
    }

    fn config_of(https: Https, endpoint: &str, limits: TimeoutConfig) -> SdkConfig {
        let retries = RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(1));
        let credentials = Credentials::new("AKIA", "x", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .http_client(https)
            .retry_config(retries)
            .timeout_config(limits)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint)
            .build()
    }

    fn listen() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        (listener, port)
    }

    /// Gives each request on the connection this answer.
    fn answer(mut stream: impl Read + Write + Send + 'static, answer: &'static str) {
        thread::spawn(move || {
            while stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {
                stream.write_all(answer.as_bytes()).expect("the client reads it");
            }
        });
    }

    #[tokio::test]
    async fn a_mistyped_scheme_sends_nothing() {
        let (listener, port) = listen();
        let config = config(&format!("htps://127.0.0.1:{port}"), TimeoutConfig::disabled());
        let error = read(&config, "app", CURRENT).await.expect_err("no such scheme");
        let Error::SecretUnavailable { source, .. } = error else { panic!("{error:?}") };
        assert!(source.remedy().contains("AWS_ENDPOINT_URL"), "{source:?}");
        listener.set_nonblocking(true).expect("a socket");
        assert!(listener.accept().is_err(), "nobody has connected");
    }

    #[tokio::test]
    async fn a_connection_that_gave_the_answer_of_a_broken_server_is_not_used_again() {
        let (listener, port) = listen();
        thread::spawn(move || {
            let mut streams = listener.incoming().flatten();
            answer(streams.next().expect("a connection"), BAD);
            answer(streams.next().expect("another one"), GOOD);
        });
        let config = config(&format!("http://127.0.0.1:{port}"), TimeoutConfig::disabled());
        let secret = read(&config, "app", CURRENT).await.expect("the second connection's answer is good");
        assert_eq!(secret.expose_secret(), "hunter2");
    }

    #[tokio::test]
    async fn a_server_proves_that_it_is_the_one_that_is_asked() {
        let ours = Authority::new("root").expect("an authority");
        let another = Authority::new("another root").expect("an authority");
        for (authority, name, expected) in [
            (&ours, "localhost", None),
            (&ours, "another.example.com", Some(AwsCause::Certificate)),
            (&another, "localhost", Some(AwsCause::Untrusted)),
        ] {
            let (listener, port) = listen();
            let server = tls::tests::server(authority, name).build();
            thread::spawn(move || {
                listener.incoming().flatten().filter_map(|it| server.accept(it).ok()).for_each(|it| answer(it, GOOD));
            });
            let https = Https::trusting_pem(&ours.root_certificate());
            let config = config_of(https, &format!("https://localhost:{port}"), TimeoutConfig::disabled());
            let cause = match read(&config, "app", CURRENT).await {
                Ok(_) => None,
                Err(Error::SecretUnavailable { source, .. }) => Some(source.cause()),
                Err(error) => panic!("{error:?}"),
            };
            assert_eq!(cause, expected, "a certificate for {name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_of_credentials_that_never_answers_is_given_up_in_its_own_time() {
        let (_listener, port) = listen();
        let second = Duration::from_secs(1);
        let limits = TimeoutConfig::builder().connect_timeout(second).read_timeout(second).build();
        let config = config(&format!("http://127.0.0.1:{port}"), limits);
        let begun = Instant::now();
        read(&config, "app", CURRENT).await.expect_err("no answer");
        assert_eq!(begun.elapsed().as_secs(), 4, "two attempts of two seconds");
    }
}
