//! Requests to AWS Secrets Manager.

use aws_config::{Region, SdkConfig};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use secrecy::SecretString;

use crate::secret::invalid;
use crate::{AwsError, Error, region};

/// The version stage of the secret's present version.
pub(crate) const CURRENT: &str = "AWSCURRENT";

/// The version stage of the version that a rotation is about to make the present one.
pub(crate) const PENDING: &str = "AWSPENDING";

/// Reads the version of the secret at this stage. Needs `secretsmanager:GetSecretValue`, and `kms:Decrypt` where the
/// secret has a key of its own. An ARN is asked for in its own region.
pub(crate) async fn read(aws: &SdkConfig, id: &str, stage: &str) -> Result<SecretString, Error> {
    let mut config = Builder::from(aws);
    if let Some(region) = region::of_secret(id) {
        config = config.region(Region::new(region.to_owned()));
    }
    let request = Client::from_conf(config.build()).get_secret_value().secret_id(id).version_stage(stage);
    // Boxed: the SDK's futures are large, and rarely run.
    let answer = Box::pin(request.send()).await.map_err(|error| {
        let source = AwsError::new("secretsmanager:GetSecretValue", &error);
        Error::SecretUnavailable { id: id.to_owned(), source }
    })?;
    answer.secret_string.map(SecretString::from).ok_or_else(|| invalid(id, "has no text"))
}
