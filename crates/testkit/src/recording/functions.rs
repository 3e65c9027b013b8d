//! Requests to AWS Lambda, and what AWS checks of them.

use std::collections::BTreeMap;

use anyhow::bail;

use super::body::{of_form, of_json};
use super::{ACCOUNT, Request};
use crate::amended;
use crate::policy::Check;

impl Request {
    /// Reads a request in the protocol REST, in which method and path name the operation.
    pub(super) fn of_lambda(region: &str, method: &str, url: &str, body: &str) -> anyhow::Result<Self> {
        let url = url.split_once("://").map_or(url, |(_, rest)| rest.trim_start_matches(|character| character != '/'));
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let mut parameters = if body.is_empty() { BTreeMap::new() } else { of_json(body.as_bytes())? };
        parameters.extend(of_form(query)?);
        if let Some((_, path)) = path.split_once("/functions/") {
            let name = path.split('/').next().unwrap_or_default();
            parameters.insert("FunctionName".to_owned(), name.to_owned());
        }
        let (region, service) = (region.to_owned(), "lambda".to_owned());
        Ok(Self { region, service, operation: amended::operation_of_lambda(method, path), parameters })
    }

    pub(super) fn checks_of_lambda(&self) -> anyhow::Result<Vec<Check>> {
        let qualifier = match self.operation.as_str() {
            "ListEventSourceMappings" => return Ok(vec![self.own("*")]),
            // A version or alias has none of its own.
            "GetFunctionConcurrency" => None,
            "AddPermission" | "GetFunctionConfiguration" | "GetPolicy" | "RemovePermission" => self.get("Qualifier"),
            operation => bail!("no check of lambda:{operation} is known"),
        };
        let qualifier = qualifier.map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
        let name = self.required("FunctionName")?;
        let own = self.own(format!("arn:aws:lambda:{}:{ACCOUNT}:function:{name}{qualifier}", self.region));
        Ok(vec![match self.get("Principal") {
            Some(principal) => own.with("lambda:Principal", principal),
            None => own,
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(method: &str, url: &str) -> anyhow::Result<Vec<Check>> {
        Request::of_lambda("eu-central-1", method, url, "")?.checks_of_lambda()
    }

    #[test]
    fn an_alias_is_checked_as_itself_but_for_the_concurrency_which_it_lacks() {
        let function = "arn:aws:lambda:eu-central-1:123456789012:function:fn";
        for (url, expected) in [
            ("http://127.0.0.1:5000/2015-03-31/functions/fn/policy?Qualifier=live", ("GetPolicy", ":live")),
            ("/2015-03-31/functions/fn/configuration", ("GetFunctionConfiguration", "")),
            ("/2019-09-30/functions/fn/concurrency?Qualifier=live", ("GetFunctionConcurrency", "")),
        ] {
            let (operation, qualifier) = expected;
            let expected = Check::new(format!("lambda:{operation}"), format!("{function}{qualifier}"));
            assert_eq!(checks("GET", url).expect("known"), [expected]);
        }
        let sources = "http://127.0.0.1:5000/2015-03-31/event-source-mappings/?EventSourceArn=arn%3Aaws";
        assert_eq!(checks("GET", sources).expect("known"), [Check::new("lambda:ListEventSourceMappings", "*")]);
        assert!(checks("DELETE", "/2015-03-31/functions/fn").is_err());
    }
}
