//! The bodies of requests and answers as they are: the SDK passes over what it does not know.

use std::error::Error as StdError;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use aws_sdk_cognitoidentityprovider::config::http::HttpRequest;
use aws_sdk_cognitoidentityprovider::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_cognitoidentityprovider::config::{ConfigBag, Intercept, RuntimeComponents};
use serde_json::{Map, Value};

/// Keeps the body of the last answer to a request.
#[derive(Clone, Default)]
pub(super) struct KeptBody(Arc<Mutex<Vec<u8>>>);

/// A body may hold what no log may.
impl Debug for KeptBody {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("KeptBody")
    }
}

impl Intercept for KeptBody {
    fn name(&self) -> &'static str {
        "KeptBody"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let body = context.response().body().bytes().unwrap_or_default();
        body.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

impl KeptBody {
    /// The JSON object that the answer was.
    pub(super) fn read(&self) -> anyhow::Result<Map<String, Value>> {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The parser's own message could quote it.
        serde_json::from_slice(&body).ok().context("the answer of AWS is no JSON object")
    }
}

/// Gives a request another body, before it is signed.
pub(super) fn replace(request: &mut HttpRequest, body: &str) {
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = body.into();
}
