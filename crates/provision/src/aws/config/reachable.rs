//! Services that cannot be reached are not asked twice: a VPC has a way to those that somebody has thought of, and every
//! other one lets a connection wait for its time limit.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_rds::config::RuntimeComponents;
use aws_sdk_rds::config::http::HttpRequest;
use aws_sdk_rds::error::ConnectorError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};

/// The hosts to which a connection has timed out.
type Lost = Arc<Mutex<HashSet<String>>>;

#[derive(Debug)]
struct Client {
    inner: SharedHttpClient,
    lost: Lost,
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    lost: Lost,
}

/// The client, which gives each host up at its first time-out, and does not try again.
pub(super) fn once(inner: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(Client { inner, lost: Lost::default() })
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, lost: Arc::clone(&self.lost) })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (_, rest) = request.uri().split_once("://").unwrap_or_default();
        let host = rest.split('/').next().unwrap_or_default().to_owned();
        let lost = Arc::clone(&self.lost);
        if lost.lock().unwrap_or_else(PoisonError::into_inner).contains(&host) {
            return HttpConnectorFuture::ready(Err(no_way(&host)));
        }
        let answer = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            answer.await.map_err(|error| {
                // No other time limit is the connector's.
                if !error.is_timeout() {
                    return error;
                }
                let error = no_way(&host);
                lost.lock().unwrap_or_else(PoisonError::into_inner).insert(host);
                error
            })
        })
    }
}

/// An error that is not tried again.
fn no_way(host: &str) -> ConnectorError {
    ConnectorError::user(
        format!("the VPC has no way to the service {host}: without --in-vpc it is asked from here").into(),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_sdk_rds::config::http::HttpResponse;

    use super::super::super::{Aws, rds};
    use super::*;
    use crate::error::shown;

    /// Counts its calls, and times out.
    #[derive(Clone, Debug, Default)]
    struct Silent(Arc<AtomicUsize>);

    impl HttpConnector for Silent {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            self.0.fetch_add(1, Ordering::Relaxed);
            HttpConnectorFuture::ready(Err::<HttpResponse, _>(ConnectorError::timeout("connect".into())))
        }
    }

    impl HttpClient for Silent {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_the_vpc_has_no_way_to_is_tried_once() {
        let silent = Silent::default();
        let aws = Aws::with_user_pool(once(SharedHttpClient::new(silent.clone())));
        for _ in 0..3 {
            let error = rds::find_instance(&aws, "db").await.expect_err("no answer");
            let shown = shown(&error);
            assert!(shown.contains("AWS cannot be reached for rds:DescribeDBInstances"), "{shown}");
            assert!(shown.contains("the VPC has no way to the service rds.eu-central-1.amazonaws.com"), "{shown}");
        }
        assert_eq!(silent.0.load(Ordering::Relaxed), 1);
    }
}
