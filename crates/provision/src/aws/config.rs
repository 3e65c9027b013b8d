//! The SDK's configuration: profile, region, trusted certificates, proxies, time limits, retries.

mod reachable;

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use aws_config::identity::IdentityCache;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::profile::{self, ProfileFileCredentialsProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_rds::config::RuntimeComponents;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_types::os_shim_internal::{Env, Fs};

use super::credentials::{self, Origin};
use super::environment::{self, DEFAULT_PROFILE, Variable};
use super::profile::Chain;
use crate::error::Problem;

/// The longest wait for a connection: a packet that is lost twice is sent again within 3 s.
const CONNECT: Duration = Duration::from_secs(5);

/// The same in the operator's function, which is near to AWS: what has no endpoint in the VPC never answers.
const CONNECT_IN_VPC: Duration = Duration::from_secs(2);

/// The longest wait for an answer before the request is sent again. Some take several seconds, such as that for a new DB
/// instance with a managed password.
const ATTEMPT: Duration = Duration::from_secs(15);

/// The longest wait for an answer to a request with all its attempts. Longer than the pauses between them, so that
/// throttling is reported as such.
const OPERATION: Duration = Duration::from_secs(30);

/// The most attempts of a request, and the longest pause before the second one. The pauses are random, and double: 4.5 s in
/// all at most. That outlasts AWS's throttling, and does not keep a person long who has no network.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(300);

/// Loads the configuration as the AWS CLI does, for requests from here or from inside a VPC. A `profile` given here wins over keys in the environment, one in
/// `AWS_DEFAULT_PROFILE` or `AWS_PROFILE` does not.
pub(super) async fn load(
    profile: Option<String>,
    region: Option<String>,
    is_in_vpc: bool,
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<SdkConfig> {
    let variable: Variable<'_> = &variable;
    let named = environment::profile(profile.clone(), variable)?;
    // Named in any case: the SDK would take an empty AWS_PROFILE for a name, and does not read AWS_DEFAULT_PROFILE.
    let selected = named.clone().unwrap_or_else(|| DEFAULT_PROFILE.to_owned());
    let uses_profile = profile.is_some() || variable("AWS_ACCESS_KEY_ID").is_none();
    if profile.is_none() {
        environment::check_keys(variable)?;
    }
    environment::check_kinds(variable)?;
    if uses_profile {
        environment::check_files(variable)?;
    }
    let profiles = read(&Env::real(), &selected).await?;
    let chain = uses_profile.then(|| Chain::find(&profiles, named.is_some(), variable)).transpose()?;
    if let Some(chain) = &chain {
        chain.check(&kept(variable, &selected).await?, variable)?;
        chain.require_source(profile.is_some())?;
        if profile.is_none() {
            chain.check_web_identity(variable)?;
        }
    }
    let of_profile = || profiles.get("ca_bundle").filter(|path| !path.is_empty()).map(str::to_owned);
    let tls = trust(variable("AWS_CA_BUNDLE").or_else(of_profile))?;
    let http = Builder::new().build_with_connector_fn(move |settings, components| {
        let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls.clone());
        let mut connector = connector.proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    });

    let region = match environment::region(region, &profiles, variable)? {
        Some(region) => Some(Region::new(region)),
        None => ImdsRegionProvider::builder().build().region().await,
    };
    ensure!(
        region.is_some(),
        Problem::new("no AWS region is set", "use --region, AWS_REGION or a profile with a region")
    );
    let (limits, retries) = (limits(if is_in_vpc { CONNECT_IN_VPC } else { CONNECT }), retries());
    let http = if is_in_vpc { reachable::once(http) } else { http };
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .profile_name(&selected)
        .region(region.clone())
        .http_client(http.clone())
        .timeout_config(limits.clone())
        .retry_config(retries.clone())
        .identity_cache(IdentityCache::lazy().load_timeout(ATTEMPT).build());
    if let Some(profile) = profile {
        let provider = ProviderConfig::without_region()
            .with_region(region)
            .with_http_client(http)
            .with_timeout_config(limits)
            .with_retry_config(retries);
        let credentials = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(&profile).build();
        loader = loader.credentials_provider(credentials);
    }
    let config = loader.load().await;
    environment::check_endpoints(&config, &selected)?;
    let origin = Origin {
        source: chain.as_ref().and_then(Chain::source),
        bare: chain.as_ref().and_then(Chain::bare).filter(|_| named.is_some()),
    };
    credentials::preload(config, origin).await
}

fn limits(connect: Duration) -> TimeoutConfig {
    let limits = TimeoutConfig::builder().connect_timeout(connect).operation_attempt_timeout(ATTEMPT);
    limits.operation_timeout(OPERATION).build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(PAUSE)
}

/// The profiles of the credentials file alone.
async fn kept(variable: Variable<'_>, selected: &str) -> anyhow::Result<ProfileSet> {
    let [_, credentials] = environment::paths(variable);
    let credentials = credentials.to_string_lossy();
    let files = Env::from_slice(&[("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", &credentials)]);
    read(&files, selected).await
}

/// The profiles of both files, as the SDK reads them.
async fn read(files: &Env, selected: &str) -> anyhow::Result<ProfileSet> {
    let overriding = Some(Cow::Owned(selected.to_owned()));
    #[expect(clippy::default_trait_access, reason = "the files' type is one of a crate below aws-config")]
    let profiles = profile::load(&Fs::real(), files, &Default::default(), overriding).await;
    profiles.map_err(|error| {
        let cause = format!("{:#}", anyhow::Error::new(error)).split_whitespace().collect::<Vec<_>>().join(" ");
        Problem::new("cannot read the AWS configuration files", "correct the file that the error names")
            .because(cause)
            .into()
    })
}

/// Trusts the certificates in this file and no others, or those of the system.
fn trust(bundle: Option<String>) -> anyhow::Result<TlsContext> {
    let store = match bundle.map(PathBuf::from) {
        Some(path) => {
            let shown = db::shown_path(&path);
            let invalid = |error: Box<dyn std::error::Error + Send + Sync>| {
                let problem = format!("cannot read the trusted certificates in {shown}");
                Problem::new(problem, "correct AWS_CA_BUNDLE, or ca_bundle in the AWS profile: it names a PEM file")
                    .because(error)
            };
            let pem = environment::read(&path).map_err(|error| invalid(error.into()))?;
            let certificates = native_tls::Certificate::stack_from_pem(&pem).map_err(|error| invalid(error.into()))?;
            ensure!(!certificates.is_empty(), invalid("it holds no certificate".into()));
            TrustStore::empty().with_pem_certificate(pem)
        }
        None => TrustStore::default(),
    };
    Ok(TlsContext::builder().with_trust_store(store).build()?)
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::config::http::HttpResponse;
    use aws_sdk_rds::operation::describe_db_instances::DescribeDbInstancesOutput;
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::super::{Aws, rds};
    use super::*;
    use crate::error::shown;

    #[tokio::test(start_paused = true)]
    async fn an_aws_that_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
        let config = aws_sdk_rds::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(aws_sdk_rds::config::Credentials::new("a", "b", None, None, "test"))
            .endpoint_url(endpoint)
            .timeout_config(limits(CONNECT))
            .retry_config(retries());
        let aws = Aws::with_rds(aws_sdk_rds::Client::from_conf(config.build()));
        let started = Instant::now();
        let error = rds::find_instance(&aws, "db").await.expect_err("nothing answers");
        let error = shown(&error);
        assert!(error.contains("AWS does not answer rds:DescribeDBInstances"), "{error}");
        assert!(error.contains("30s") && error.contains("hint: check the network"), "{error}");
        assert_eq!(started.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_is_outlasted_within_the_limit() {
        let throttled = || {
            let body = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code></Error></ErrorResponse>";
            HttpResponse::new(400.try_into().expect("a status"), body.into())
        };
        let rule = mock!(aws_sdk_rds::Client::describe_db_instances)
            .sequence()
            .http_response(throttled)
            .times(4)
            .output(|| DescribeDbInstancesOutput::builder().build())
            .build();
        let client = mock_client!(aws_sdk_rds, RuleMode::Sequential, [&rule], |config| config
            .timeout_config(limits(CONNECT))
            .retry_config(retries()));
        rds::find_instance(&Aws::with_rds(client), "db").await.expect("the fifth answer is good");
        assert_eq!(rule.num_calls(), 5);
    }
}
