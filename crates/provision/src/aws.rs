//! AWS: the clients, loaded once, and its errors in an operator's words. Only this file and those below it call an SDK.

#[cfg(feature = "instance")]
pub(crate) mod ec2;
pub(crate) mod rds;
pub(crate) mod secrets;

use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};

use anyhow::{Context, ensure};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use db::AwsError;

use crate::error::Problem;

/// The clients of the services that this program calls.
#[derive(Clone, Debug)]
pub(crate) struct Aws {
    rds: aws_sdk_rds::Client,
    #[cfg(feature = "instance")]
    ec2: aws_sdk_ec2::Client,
    secrets: aws_sdk_secretsmanager::Client,
    sts: aws_sdk_sts::Client,
    config: SdkConfig,
}

/// The account and the region that requests go to, for questions: the wrong ones are the commonest mistake.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    account: String,
    region: String,
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "account {}, {}", self.account, self.region)
    }
}

impl Aws {
    /// Loads credentials and region as every AWS SDK does; a profile or region given here wins.
    pub(crate) async fn load(profile: Option<String>, region: Option<String>) -> anyhow::Result<Self> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        let config = loader.load().await;
        ensure!(
            config.region().is_some(),
            Problem::new("no AWS region is set", "use --region, AWS_REGION or a profile with a region")
        );
        Ok(Self::new(config))
    }

    fn new(config: SdkConfig) -> Self {
        Self {
            rds: aws_sdk_rds::Client::new(&config),
            #[cfg(feature = "instance")]
            ec2: aws_sdk_ec2::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            config,
        }
    }

    /// The configuration that `db` reads the database's secret with.
    pub(crate) fn config(&self) -> SdkConfig {
        self.config.clone()
    }

    pub(crate) fn region(&self) -> Option<String> {
        self.config.region().map(ToString::to_string)
    }

    /// Where the requests of these credentials go. Needs no permission:
    /// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
    pub(crate) async fn place(&self) -> anyhow::Result<Place> {
        let identity = self.sts.get_caller_identity().send().await.explain("sts:GetCallerIdentity")?;
        let account = identity.account.context("AWS returned no account")?;
        Ok(Place { account, region: self.region().unwrap_or_default() })
    }
}

#[cfg(test)]
impl Aws {
    /// An AWS of the test's own process.
    pub(crate) fn in_process(rds: &testkit::Rds) -> Self {
        let credentials = aws_sdk_rds::config::Credentials::new("testing", "testing", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(aws_sdk_rds::config::SharedCredentialsProvider::new(credentials))
            .http_client(rds.http_client())
            .build();
        Self::new(config)
    }

    /// An AWS whose Amazon RDS is the test's.
    pub(crate) fn with_rds(rds: aws_sdk_rds::Client) -> Self {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .build();
        Self { rds, ..Self::new(config) }
    }
}

/// Turns an SDK's error into one that names the IAM action, the AWS error code and the way out.
trait Explain<T> {
    /// `action` is the IAM action that the call needs, such as `rds:CreateDBInstance`.
    fn explain(self, action: &str) -> Result<T, AwsError>;
}

impl<T, E: ProvideErrorMetadata + StdError + 'static> Explain<T> for Result<T, SdkError<E>> {
    fn explain(self, action: &str) -> Result<T, AwsError> {
        self.map_err(|error| AwsError::new(action, &error))
    }
}
