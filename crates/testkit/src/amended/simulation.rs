//! `SimulatePrincipalPolicy`: what a role may do, by the policies that it has at the other server.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request as HttpRequest, Response};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::policy::{Check, Decision, Document};
use crate::rds::{Request, Xml, render};
use crate::server::forward;

/// The answer: a result for each action on each resource.
pub(super) async fn simulate(port: u16, request: &Request) -> anyhow::Result<Response<Full<Bytes>>> {
    let role = request.get("PolicySourceArn").and_then(|arn| arn.rsplit('/').next()).unwrap_or_default();
    let own = ask(port, "ListRolePolicies", &[("RoleName", role)]).await?;
    if !own.status().is_success() {
        // There is no such role.
        return Ok(own);
    }
    let documents = documents(port, role, &text(own).await?).await?;
    let mut resources = request.list("ResourceArns");
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    let actions = request.list("ActionNames");
    let checks = actions.iter().flat_map(|action| resources.iter().map(move |resource| Check::new(action, resource)));
    let results = checks.map(|check| {
        let check = context(request).into_iter().fold(check, |check, (key, value)| check.with(key, value));
        let keys = documents.iter().flat_map(Document::condition_keys).filter(|key| check.value(key).is_none());
        let mut keys: Vec<_> = keys.collect();
        keys.sort_unstable();
        keys.dedup();
        Xml::default()
            .text("EvalActionName", check.action())
            .text("EvalResourceName", check.resource())
            .text("EvalDecision", Decision::of(&documents, &check).as_str())
            .texts("MissingContextValues", "member", keys)
            .list("MatchedStatements", "member", [])
    });
    let results = Xml::default().text("IsTruncated", false).list("EvaluationResults", "member", results);
    let (_, body) = render(request, Ok(results));
    let mut response = Response::new(Full::from(body));
    response.headers_mut().insert("content-type", "text/xml".parse()?);
    Ok(response)
}

/// The condition keys of the request, each with its first value.
fn context(request: &Request) -> Vec<(String, String)> {
    let entries = request.entries("ContextEntries").into_iter();
    let entry = |entry: String| {
        let value = request.get(&format!("{entry}.ContextKeyValues.member.1"))?;
        Some((request.get(&format!("{entry}.ContextKeyName"))?.to_owned(), value.to_owned()))
    };
    entries.filter_map(entry).collect()
}

/// The documents of the role: its own ones, whose names are known, and those of the policies that are attached to it.
async fn documents(port: u16, role: &str, own: &str) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for name in elements(element(own, "PolicyNames").unwrap_or_default(), "member") {
        let policy = ask(port, "GetRolePolicy", &[("RoleName", role), ("PolicyName", name)]).await?;
        documents.push(document(&text(policy).await?, "PolicyDocument")?);
    }
    let attached = text(ask(port, "ListAttachedRolePolicies", &[("RoleName", role)]).await?).await?;
    for arn in elements(&attached, "PolicyArn") {
        let policy = text(ask(port, "GetPolicy", &[("PolicyArn", arn)]).await?).await?;
        let version = element(&policy, "DefaultVersionId").context("a policy has a version")?;
        let version = ask(port, "GetPolicyVersion", &[("PolicyArn", arn), ("VersionId", version)]).await?;
        documents.push(document(&text(version).await?, "Document")?);
    }
    Ok(documents)
}

/// Asks IAM at the other server.
async fn ask(port: u16, action: &str, parameters: &[(&str, &str)]) -> anyhow::Result<Response<Full<Bytes>>> {
    let parameters = parameters.iter().map(|(name, value)| {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        format!("&{name}={value}")
    });
    let form = format!("Action={action}&Version=2010-05-08{}", parameters.collect::<String>());
    let request = HttpRequest::post("/")
        .header("host", "iam.amazonaws.com")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=testkit/20261125/us-east-1/iam/aws4_request")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("content-length", form.len())
        .body(Full::from(form))?;
    forward(port, request).await
}

/// The text of an answer that is no error.
async fn text(answer: Response<Full<Bytes>>) -> anyhow::Result<String> {
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    let text = std::str::from_utf8(&body)?.to_owned();
    ensure!(status.is_success(), "IAM answers {status}: {text}");
    Ok(text)
}

/// IAM percent-encodes documents, as its API's reference says.
fn document(answer: &str, name: &str) -> anyhow::Result<Document> {
    let text = element(answer, name).with_context(|| format!("no {name} in {answer}"))?;
    let text = percent_decode_str(text).decode_utf8()?;
    serde_json::from_str(&text).with_context(|| format!("the stand-in cannot read {text}"))
}

/// The content of the first element of this name.
fn element<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = answer.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(content, _)| content)
}

/// The contents of all elements of this name.
fn elements<'a>(answer: &'a str, name: &str) -> Vec<&'a str> {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    let parts = answer.split(start.as_str()).skip(1);
    parts.filter_map(|part| part.split_once(end.as_str())).map(|(content, _)| content).collect()
}
