//! AWS: the clients, loaded once, and its errors in an operator's words. Only this file and those below it call an SDK.

mod body;
mod config;
mod credentials;
#[cfg(feature = "instance")]
pub(crate) mod ec2;
#[cfg(feature = "instance")]
pub(crate) mod ecs;
mod environment;
pub(crate) mod function;
#[cfg(feature = "instance")]
pub(crate) mod iam;
#[cfg(feature = "instance")]
mod identity;
#[cfg(feature = "instance")]
mod json;
pub(crate) mod log;
#[cfg(feature = "instance")]
pub(crate) mod metrics;
pub(crate) mod policy;
pub(crate) mod pool_users;
mod profile;
pub(crate) mod queue;
pub(crate) mod rds;
pub(crate) mod secrets;
#[cfg(feature = "instance")]
pub(crate) mod ssm;
pub(crate) mod user_pool;

use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};

use anyhow::Context;
use aws_config::SdkConfig;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use db::AwsError;

pub(crate) use self::environment::check_empty;
#[cfg(feature = "instance")]
pub(crate) use self::identity::Identity;

/// The clients of the services that this program calls.
#[derive(Clone, Debug)]
pub(crate) struct Aws {
    cognito: aws_sdk_cognitoidentityprovider::Client,
    lambda: aws_sdk_lambda::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    rds: aws_sdk_rds::Client,
    #[cfg(feature = "instance")]
    cloudwatch: aws_sdk_cloudwatch::Client,
    #[cfg(feature = "instance")]
    ec2: aws_sdk_ec2::Client,
    #[cfg(feature = "instance")]
    iam: aws_sdk_iam::Client,
    secrets: aws_sdk_secretsmanager::Client,
    sqs: aws_sdk_sqs::Client,
    sts: aws_sdk_sts::Client,
    config: SdkConfig,
}

/// The account and the region that requests go to, for questions: the wrong ones are the commonest mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Loads credentials and region as the AWS CLI does: a profile or region given here wins over the environment.
    pub(crate) async fn load(
        profile: Option<String>,
        region: Option<String>,
        is_in_vpc: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        Ok(Self::new(config::load(profile, region, is_in_vpc, variable).await?))
    }

    fn new(config: SdkConfig) -> Self {
        Self {
            cognito: aws_sdk_cognitoidentityprovider::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            rds: aws_sdk_rds::Client::new(&config),
            #[cfg(feature = "instance")]
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            #[cfg(feature = "instance")]
            ec2: aws_sdk_ec2::Client::new(&config),
            #[cfg(feature = "instance")]
            iam: aws_sdk_iam::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
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

    /// Where the requests of these credentials go. Needs no permission, but an endpoint of AWS STS:
    /// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
    pub(crate) async fn place(&self) -> anyhow::Result<Place> {
        let identity = self.sts.get_caller_identity().send().await.explain("sts:GetCallerIdentity")?;
        self.place_of_caller(identity.account)
    }

    fn place_of_caller(&self, account: Option<String>) -> anyhow::Result<Place> {
        let account = account.context("AWS returned no account")?;
        Ok(Place { account, region: self.region().unwrap_or_default() })
    }

    /// Where the resource with this ARN lies. Without one, the same as [`place`](Self::place): a VPC may have no endpoint of
    /// AWS STS, so what is known already is not asked for.
    pub(crate) async fn place_of(&self, arn: Option<&str>) -> anyhow::Result<Place> {
        match arn.and_then(Place::of_arn) {
            Some(place) => Ok(place),
            None => self.place().await,
        }
    }
}

impl Place {
    /// The number of the account.
    #[cfg(feature = "instance")]
    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
    fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':').skip(3);
        let (region, account) = (parts.next()?, parts.next()?);
        let is_whole = !region.is_empty() && !account.is_empty() && parts.next().is_some();
        is_whole.then(|| Self { account: account.to_owned(), region: region.to_owned() })
    }
}

#[cfg(test)]
impl Aws {
    /// An AWS of the test's own process.
    #[cfg(feature = "instance")]
    pub(crate) fn in_process(rds: &testkit::Rds) -> Self {
        Self::new(Self::answered_by(rds.http_client()).build())
    }

    /// An AWS whose Cognito is the test's, in the same process. What fails is tried again at once.
    pub(crate) fn with_user_pool(client: aws_sdk_rds::config::SharedHttpClient) -> Self {
        let at_once = aws_config::retry::RetryConfig::standard().with_initial_backoff(std::time::Duration::ZERO);
        Self::new(Self::answered_by(client).retry_config(at_once).build())
    }

    fn answered_by(client: aws_sdk_rds::config::SharedHttpClient) -> aws_types::sdk_config::Builder {
        let credentials = aws_sdk_rds::config::Credentials::new("testing", "testing", None, None, "test");
        SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("eu-central-1"))
            .credentials_provider(aws_sdk_rds::config::SharedCredentialsProvider::new(credentials))
            .http_client(client)
    }

    /// An AWS whose Amazon RDS is the test's.
    pub(crate) fn with_rds(rds: aws_sdk_rds::Client) -> Self {
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("eu-central-1"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_says_where_a_resource_lies() {
        let place = |arn| Place::of_arn(arn).map(|place| place.to_string());
        let found = place("arn:aws-us-gov:rds:us-gov-west-1:123456789012:db:users-db");
        assert_eq!(found.as_deref(), Some("account 123456789012, us-gov-west-1"));
        assert_eq!(place("arn:aws:s3:::bucket"), None);
        assert_eq!(place("users-db"), None);
    }
}
