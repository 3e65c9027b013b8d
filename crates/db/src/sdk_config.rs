//! The configuration of AWS's SDK for a function.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::https::Https;
use crate::roots;

/// The longest wait for an answer before the request is retried. It usually takes some 10 ms.
const ATTEMPT: Duration = Duration::from_secs(2);

/// First and longest pause before a request is retried. The SDK's own, 1 s and 20 s, are too long for a trigger.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

/// The SDK's configuration, as in the environment, but with Amazon's own roots instead of the system's: they are fewer,
/// so that they are read many times faster.
pub async fn sdk_config(region: Option<String>) -> SdkConfig {
    let (first_pause, longest_pause) = PAUSES;
    let retries = RetryConfig::standard().with_initial_backoff(first_pause).with_max_backoff(longest_pause);
    let mut config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(Https::trusting(roots::AMAZON))
        .retry_config(retries)
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build());
    if let Some(region) = region {
        config = config.region(Region::new(region));
    }
    without_empty(config.load().await)
}

/// The configuration in which an empty endpoint counts as unset, as in the AWS CLI. The SDK would panic.
fn without_empty(config: SdkConfig) -> SdkConfig {
    let endpoint = config.endpoint_url().filter(|url| !url.is_empty()).map(str::to_owned);
    let mut builder = config.to_builder();
    builder.set_endpoint_url(endpoint).set_service_config(Some(WithoutEmpty(config)));
    builder.build()
}

/// The configuration of single services, without empty values.
#[derive(Debug)]
struct WithoutEmpty(SdkConfig);

impl LoadServiceConfig for WithoutEmpty {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        self.0.service_config()?.load_config(key).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::secrets_manager::{CURRENT, read};

    /// An environment in which every endpoint is empty.
    #[derive(Debug)]
    struct Empty;

    impl LoadServiceConfig for Empty {
        fn load_config(&self, _key: ServiceConfigKey<'_>) -> Option<String> {
            Some(String::new())
        }
    }

    #[tokio::test]
    async fn an_empty_endpoint_counts_as_unset() {
        let unreachable = aws_smithy_http_client::Builder::new().build_http();
        let credentials = aws_credential_types::Credentials::new("AKIA", "x", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .http_client(unreachable)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(credentials))
            .endpoint_url("")
            .service_config(Empty)
            .build();
        let error = read(&without_empty(config), "app", CURRENT).await.expect_err("the client has no TLS");
        assert!(matches!(error, Error::SecretUnavailable { .. }), "no panic: {error:?}");
    }
}
