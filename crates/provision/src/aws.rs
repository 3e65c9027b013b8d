//! AWS's clients, and its errors in an operator's words.

use anyhow::{anyhow, ensure};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};

/// The services that this program talks to.
#[derive(Clone, Debug)]
pub(crate) struct Aws {
    pub(crate) rds: aws_sdk_rds::Client,
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) config: SdkConfig,
}

impl Aws {
    /// Credentials and region as every AWS SDK finds them, but for those given here.
    pub(crate) async fn load(profile: Option<String>, region: Option<String>) -> anyhow::Result<Self> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        let config = loader.load().await;
        ensure!(config.region().is_some(), "no AWS region is set; use --region, AWS_REGION or a profile with a region");
        Ok(Self {
            rds: aws_sdk_rds::Client::new(&config),
            ec2: aws_sdk_ec2::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            config,
        })
    }

    pub(crate) fn region(&self) -> Option<String> {
        self.config.region().map(ToString::to_string)
    }
}

#[cfg(test)]
impl Aws {
    /// RDS as a test plays it, and nothing else.
    pub(crate) fn with_rds(rds: aws_sdk_rds::Client) -> Self {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .build();
        let (ec2, secrets) = (aws_sdk_ec2::Client::new(&config), aws_sdk_secretsmanager::Client::new(&config));
        Self { rds, ec2, secrets, config }
    }
}

/// Turns an SDK's error into a sentence with its code and the remedy.
pub(crate) trait Explain<T> {
    /// `action` is the IAM action that the call needs, such as `rds:CreateDBInstance`.
    fn explain(self, action: &str) -> anyhow::Result<T>;
}

impl<T, E, R> Explain<T> for Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata,
{
    fn explain(self, action: &str) -> anyhow::Result<T> {
        self.map_err(|error| match &error {
            SdkError::ServiceError(answer) => explain_answer(answer.err(), action),
            SdkError::DispatchFailure(failure) if failure.is_other() => {
                anyhow!(
                    "{action}: no AWS credentials were found; log in (`aws sso login`), or set AWS_PROFILE or --profile"
                )
            }
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => {
                anyhow!("{action}: AWS cannot be reached; check the network, the region and AWS_ENDPOINT_URL")
            }
            SdkError::ConstructionFailure(_) => {
                anyhow!("{action}: the request could not be made; check the AWS credentials and the region")
            }
            _ => anyhow!("{action}: the answer cannot be understood; try again"),
        })
    }
}

fn explain_answer(error: &impl ProvideErrorMetadata, action: &str) -> anyhow::Error {
    let code = error.code().unwrap_or("no code");
    let message = error.message().unwrap_or("no message");
    match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            anyhow!("these AWS credentials may not do {action} ({code}); allow it, see infra/iam")
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            anyhow!("the AWS credentials have expired ({code}); log in again (`aws sso login`)")
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" | "AuthFailure" | "SignatureDoesNotMatch" => {
            anyhow!("AWS does not accept these credentials ({code}); correct them, or choose others with --profile")
        }
        _ => anyhow!("{action} failed: {message} ({code})"),
    }
}
