//! Requests to AWS Systems Manager and Amazon ECS, as the JSON that they are.
//!
//! The SDK's crates for the two services would add 95 s of processor time and 2.3 GB of memory to each build, for six
//! operations (measured unoptimised, with aws-sdk-ssm 1.133.0 and aws-sdk-ecs 1.157.0). Both services speak the protocol of
//! AWS Secrets Manager, so its client sends the requests: credentials, retries, time limits, signature and errors are the
//! SDK's. <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_secretsmanager::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::list_secrets::ListSecretsError;
use aws_types::SigningName;
use aws_types::service_config::ServiceConfigKey;
use serde_json::{Map, Value};

use super::Aws;
use super::body::{self, KeptBody};

/// The endpoint that the client would ask, up to the region.
const OF_CLIENT: &str = "https://secretsmanager";

/// A service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service {
    /// What requests are signed for, and the first part of the endpoint's name.
    name: &'static str,
    /// What `AWS_ENDPOINT_URL_…` and the `services` section of a profile call it, in the SDK's spelling.
    id: &'static str,
    /// The first part of `X-Amz-Target`.
    target: &'static str,
}

pub(super) const ECS: Service = Service { name: "ecs", id: "ECS", target: "AmazonEC2ContainerServiceV20141113" };
pub(super) const SSM: Service = Service { name: "ssm", id: "SSM", target: "AmazonSSM" };

/// What a service has answered. Has no `Debug`: it may hold a token.
pub(super) struct Answer {
    body: KeptBody,
    /// The service's URL, such as `https://ssm.eu-central-1.amazonaws.com`.
    pub(super) endpoint: String,
}

impl Answer {
    /// The JSON object that it is.
    pub(super) fn read(&self) -> anyhow::Result<Map<String, Value>> {
        self.body.read()
    }
}

/// Asks the service for an operation, such as `StartSession`.
pub(super) async fn call(
    aws: &Aws,
    service: Service,
    operation: &str,
    request: &Value,
) -> Result<Answer, SdkError<ListSecretsError>> {
    let key = ServiceConfigKey::builder().service_id(service.id).env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let own = aws.config.service_config().zip(key.build().ok()).and_then(|(config, key)| config.load_config(key));
    let endpoint = own.or_else(|| aws.config.endpoint_url().map(str::to_owned));
    let mut config = Builder::from(&aws.config);
    config.set_endpoint_url(endpoint);
    let body = KeptBody::default();
    let redirection = Redirection {
        service,
        target: format!("{}.{operation}", service.target),
        body: request.to_string(),
        endpoint: Arc::default(),
    };
    let endpoint = Arc::clone(&redirection.endpoint);
    let request = Client::from_conf(config.build()).list_secrets().customize();
    request.interceptor(redirection).interceptor(body.clone()).send().await?;
    let endpoint = endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Answer { body, endpoint })
}

/// Makes a request of the client one to another service, before it is signed.
#[derive(Debug)]
struct Redirection {
    service: Service,
    target: String,
    body: String,
    endpoint: Arc<Mutex<String>>,
}

impl Intercept for Redirection {
    fn name(&self) -> &'static str {
        "Redirection"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let Service { name, .. } = self.service;
        let request = context.request_mut();
        // The host differs in this word alone, in every partition; a URL that was named is left as it is.
        let url = match request.uri().strip_prefix(OF_CLIENT) {
            Some(rest) => format!("https://{name}{rest}"),
            None => request.uri().to_owned(),
        };
        url.trim_end_matches('/').clone_into(&mut self.endpoint.lock().unwrap_or_else(PoisonError::into_inner));
        request.set_uri(url)?;
        request.headers_mut().insert("x-amz-target", self.target.clone());
        body::replace(request, &self.body);
        config.interceptor_state().store_put(SigningName::from_static(name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_http_client::test_util::infallible_client_fn;
    use aws_types::region::Region;
    use serde_json::json;
    use ureq::http::{Request, Response};

    use super::*;

    #[tokio::test]
    async fn a_request_goes_to_the_services_own_endpoint_and_is_signed_for_it() {
        for (region, host) in [
            ("eu-central-1", "ssm.eu-central-1.amazonaws.com"),
            ("cn-north-1", "ssm.cn-north-1.amazonaws.com.cn"),
            ("us-iso-east-1", "ssm.us-iso-east-1.c2s.ic.gov"),
        ] {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let kept = Arc::clone(&seen);
            let client = infallible_client_fn(move |request: Request<_>| {
                let header = |name: &str| request.headers()[name].to_str().unwrap_or_default().to_owned();
                let parts = [request.uri().to_string(), header("x-amz-target"), header("authorization")];
                kept.lock().expect("no panic while it is locked").extend(parts);
                Response::new(r#"{"SessionId": "ada-1"}"#)
            });
            let config = Aws::answered_by(client).region(Region::new(region)).build();
            let answer = call(&Aws::new(config), SSM, "StartSession", &json!({"Target": "i-1"})).await;
            let answer = answer.expect("it answers");
            assert_eq!(answer.endpoint, format!("https://{host}"));
            assert_eq!(answer.read().expect("JSON")["SessionId"], "ada-1");
            let seen = seen.lock().expect("no panic while it is locked");
            let [url, target, authorization] = &seen[..] else { panic!("expected one request, not {seen:?}") };
            assert_eq!((url.as_str(), target.as_str()), (&*format!("https://{host}/"), "AmazonSSM.StartSession"));
            assert!(authorization.contains(&format!("/{region}/ssm/aws4_request")), "{authorization}");
        }
    }
}
