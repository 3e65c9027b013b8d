//! Whose credentials these are, and what time it is at AWS.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::primitives::{DateTime, DateTimeFormat};

use super::{Aws, Explain, Place};

/// The caller, as AWS knows it.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) place: Place,
    /// The ARN of the user or role.
    pub(crate) arn: String,
}

/// Keeps the time at which AWS has answered.
#[derive(Clone, Debug, Default)]
struct KeptDate(Arc<Mutex<Option<SystemTime>>>);

impl Intercept for KeptDate {
    fn name(&self) -> &'static str {
        "KeptDate"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date.and_then(|date| date.try_into().ok());
        Ok(())
    }
}

impl Aws {
    /// Whose credentials these are; and the time of AWS's clock, also where it refuses them. Needs no permission:
    /// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
    pub(crate) async fn identity(&self) -> (anyhow::Result<Identity>, Option<SystemTime>) {
        let date = KeptDate::default();
        let request = self.sts.get_caller_identity().customize().interceptor(date.clone());
        let answer = request.send().await.explain("sts:GetCallerIdentity").map_err(anyhow::Error::from);
        let identity = answer.and_then(|identity| {
            Ok(Identity { place: self.place_of_caller(identity.account)?, arn: identity.arn.unwrap_or_default() })
        });
        let time = date.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        (identity, time)
    }
}
