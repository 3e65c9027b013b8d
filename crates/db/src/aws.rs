//! AWS, as a function reaches it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use openssl::x509::X509;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::dial::detached;
use crate::https::Https;
use crate::variables::Variables;
use crate::{Error, region, roots};

/// The variable of the AWS CLI and the SDKs for the roots to trust.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The longest wait for the file of roots: a file system may never answer.
const BUNDLE_LIMIT: Duration = Duration::from_millis(500);

/// The longest wait for an answer before the request is retried. It usually takes some 10 ms.
const ATTEMPT: Duration = Duration::from_secs(2);

/// First and longest pause before a request is retried. The SDK's own, 1 s and 20 s, are too long for a trigger.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

/// AWS, as a function reaches it: the configuration of the SDK, made when it is first needed. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Aws {
    made: Arc<OnceCell<SdkConfig>>,
    pub(crate) region: Option<String>,
    keys: Option<Credentials>,
    /// The file with the roots to trust in place of Amazon's own.
    bundle: Option<PathBuf>,
}

impl Aws {
    /// Reads the variables that Lambda and the SDK have for it: `AWS_REGION`, the keys, and `AWS_CA_BUNDLE`, a PEM file with
    /// the roots to trust in place of Amazon's own, as for a proxy that opens TLS.
    ///
    /// A region or keys that are none count as unset, and [`crate::Settings`] refuse them: a queue whose URL has a region can be
    /// reached all the same. A file without certificates is only logged, and Amazon's own roots are trusted.
    pub fn from_variables<V: Into<OsString>>(variable: impl Fn(&str) -> Option<V>) -> Self {
        let variable = |name: &str| variable(name).map(Into::<OsString>::into);
        let variables = &Variables::new(&variable);
        Self {
            made: Arc::default(),
            region: region::of_environment(variables).unwrap_or_default(),
            keys: keys(variables).unwrap_or_default(),
            bundle: variables.text(CA_BUNDLE).unwrap_or_default().map(Into::into),
        }
    }

    /// The SDK's configuration, as in the environment, but with Amazon's own roots instead of the system's: they are fewer,
    /// so that they are read many times faster.
    ///
    /// It is made on a thread of its own: that is work of milliseconds, in which the way to the database is opened.
    pub async fn config(&self) -> &SdkConfig {
        let make = async || {
            let (aws, runtime) = (self.clone(), Handle::current());
            match detached(move || Ok(runtime.block_on(aws.make()))).await {
                Ok(config) => config,
                // The system has no thread left, as a rule.
                Err(_) => Box::pin(self.make()).await,
            }
        };
        self.made.get_or_init(make).await
    }

    async fn make(&self) -> SdkConfig {
        let (first_pause, longest_pause) = PAUSES;
        let retries = RetryConfig::standard().with_initial_backoff(first_pause).with_max_backoff(longest_pause);
        let roots = match &self.bundle {
            Some(bundle) => trusted(bundle).await,
            None => None,
        };
        let https = roots.map_or_else(|| Https::trusting_pem(roots::AMAZON), Https::trusting);
        let mut config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(https)
            .retry_config(retries)
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build());
        if let Some(region) = &self.region {
            config = config.region(Region::new(region.clone()));
        }
        if let Some(keys) = &self.keys {
            config = config.credentials_provider(keys.clone());
        }
        without_empty(config.load().await)
    }
}

impl From<SdkConfig> for Aws {
    fn from(config: SdkConfig) -> Self {
        Self { made: Arc::new(OnceCell::new_with(Some(config))), ..Self::default() }
    }
}

/// The keys in the environment, if they are there: the SDK would find them as well, but make its other sources first.
fn keys(variables: &Variables<'_>) -> Result<Option<Credentials>, Error> {
    let id = variables.raw("AWS_ACCESS_KEY_ID")?;
    let Some((id, secret)) = id.zip(variables.raw("AWS_SECRET_ACCESS_KEY")?) else { return Ok(None) };
    Ok(Some(Credentials::new(id, secret, variables.raw("AWS_SESSION_TOKEN")?, None, "environment")))
}

/// The roots in this file. None if there are none, which is only logged: Amazon's own may do.
async fn trusted(path: &Path) -> Option<Vec<X509>> {
    let path = path.to_owned();
    let read = detached(move || {
        // Another kind of file may never end.
        if fs::metadata(&path)?.is_file() { fs::read(&path) } else { Ok(Vec::new()) }
    });
    let pem = timeout(BUNDLE_LIMIT, read).await.ok().and_then(Result::ok).unwrap_or_default();
    let roots = X509::stack_from_pem(&pem).ok().filter(|roots| !roots.is_empty());
    if roots.is_none() {
        let remedy = "set it to a PEM file with the roots to trust for AWS, or unset it";
        tracing::warn!(remedy, "{CA_BUNDLE} names no file with certificates; Amazon's own roots are trusted");
    }
    roots
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
    use crate::secrets_manager::{CURRENT, read};

    fn aws(variables: &[(&str, &str)]) -> Aws {
        Aws::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[tokio::test]
    async fn a_bundle_without_certificates_has_no_roots_and_ends() {
        for bundle in ["/nowhere/roots.pem", "/dev/zero", "/", "/proc/self/status"] {
            assert!(trusted(Path::new(bundle)).await.is_none(), "{bundle}");
            aws(&[("AWS_CA_BUNDLE", bundle), ("AWS_REGION", "eu-central-1")]).config().await;
        }
    }

    #[test]
    fn what_is_wrong_with_a_variable_leaves_the_others() {
        let aws = aws(&[("AWS_REGION", "hunter 2"), ("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "x")]);
        assert_eq!((aws.region, aws.keys.is_some()), (None, true));
    }

    #[tokio::test]
    async fn the_keys_of_the_environment_are_used_whole_or_not_at_all() {
        let [id, secret, token] =
            [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_SESSION_TOKEN", "t")];
        let keys = |variables: &[_]| aws(variables).keys;
        let whole = keys(&[id, secret, token]).expect("keys");
        assert_eq!((whole.access_key_id(), whole.session_token()), ("AKIA", Some("t")));
        assert_eq!(keys(&[id, secret]).expect("keys").session_token(), None);
        for part in [&[id][..], &[secret], &[token], &[id, ("AWS_SECRET_ACCESS_KEY", "")]] {
            assert!(keys(part).is_none(), "the SDK looks elsewhere, or says what is missing");
        }
    }

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
