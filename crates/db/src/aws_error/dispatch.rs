//! The meaning of a request that got no answer of its service: credentials, the network, proxies, TLS.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::iter::successors;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::{ConnectorError, ErrorMetadata};

use super::AwsCause;
use super::answer::{Answer, first_line};
use super::codeless;
use super::table::{Meaning, TABLE};

/// An answer in the place of one of AWS: the SDK keeps neither its status nor its type.
const NOT_AWS: &str = "the answer is not AWS's";

/// The error with all its causes, the outermost first.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    successors(Some(error), |&cause| cause.source())
}

/// The meaning of a request that did not reach the service, and the text that explains it, if it can be shown.
pub(super) fn explain(error: Option<&ConnectorError>) -> (&'static Meaning, Option<String>) {
    let Some(error) = error else { return (&codeless::UNREACHABLE, None) };
    if let Some(credentials) = chain(error).find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
        return of_credentials(credentials);
    }
    let meaning = meaning(error);
    (meaning, shown(error, meaning))
}

/// The text that explains it. That of a request that was not sent may hold all of it, with the session's token, so only the
/// cause below it is shown.
fn shown(error: &ConnectorError, meaning: &Meaning) -> Option<String> {
    if !error.is_other() || meaning.cause != AwsCause::NotSent {
        return causes(error);
    }
    // aws-smithy-runtime, client/orchestrator/endpoints.rs, and the endpoint rules of the services
    let is_harmless = |text: &String| {
        ["Invalid Configuration: ", "endpoint is not a valid URI", "endpoint must contain scheme"]
            .iter()
            .any(|words| text.starts_with(words))
    };
    chain(error).map(|cause| one_line(&cause.to_string())).find(is_harmless)
}

/// The meaning by what lies below the SDK's own layer. Its crates are not dependencies of this one, so some errors are
/// known by how they begin.
fn meaning(error: &ConnectorError) -> &'static Meaning {
    let says = |words: &str| chain(error).any(|cause| cause.to_string().contains(words));
    // rustls and OpenSSL: each of their refusals of a certificate.
    if says("invalid peer certificate") || says("certificate verify failed") {
        let is_of_another =
            ["certificate not valid for name", "NotValidForName", "hostname mismatch", "address mismatch"];
        let is_expired =
            ["certificate expired", "not valid yet", "Expired", "NotValidYet", "has expired", "is not yet valid"];
        return match () {
            () if is_of_another.into_iter().any(says) => &codeless::CERTIFICATE_OF_ANOTHER,
            () if is_expired.into_iter().any(says) => &codeless::CERTIFICATE_EXPIRED,
            () => &codeless::UNTRUSTED,
        };
    }
    // hyper-util: a proxy that does not open the tunnel.
    if says("tunnel error: proxy authorization required") || says("tunnel error: unsuccessful") {
        return &codeless::PROXY;
    }
    // The credentials' source did not answer in the time of the SDK's cache.
    if says("identity resolver timed out") {
        return &codeless::NO_CREDENTIALS_GIVEN;
    }
    if says("failed to apply endpoint") || says("unsupported scheme") {
        return &codeless::ENDPOINT;
    }
    if says("custom endpoint are not supported") {
        return &codeless::ENDPOINT_EXCLUDED;
    }
    // Of a client that does not ask such a service twice.
    if says("no way to the service") {
        return &codeless::UNREACHABLE;
    }
    match error.as_other() {
        // The connection ended within an answer.
        Some(_) => &codeless::UNREACHABLE,
        None if error.is_timeout() && says("read timeout") => &codeless::SILENT,
        None if error.is_io() || error.is_timeout() => &codeless::UNREACHABLE,
        // The request was sent, and the answer is no HTTP.
        None if error.is_other() && says("client error (SendRequest)") => &codeless::UNREADABLE,
        // An endpoint that is no URL, or a header that HTTP does not allow.
        None => &codeless::NOT_SENT,
    }
}

/// The same for credentials, whose source may itself be a service of AWS.
pub(super) fn of_credentials(error: &CredentialsError) -> (&'static Meaning, Option<String>) {
    let text = causes(error);
    let says = |words: &str| text.as_deref().is_some_and(|text| text.contains(words));
    // What a program wrote may hold any words.
    let is_of_process = says("external process");
    if let Some(meaning) = of_local_endpoint(error, &says).filter(|_| !is_of_process) {
        // The error holds the whole answer where it is no good one.
        let text = text.map(|text| text.split(" Response {").next().unwrap_or_default().to_owned());
        return (meaning, text);
    }
    if let Some(connector) = chain(error).find_map(|cause| cause.downcast_ref::<ConnectorError>()) {
        let meaning = meaning(connector);
        return (meaning, if meaning.cause == AwsCause::NotSent { shown(connector, meaning) } else { text });
    }
    if let Some(answer) = chain(error).find_map(|cause| cause.downcast_ref::<ErrorMetadata>()).map(Answer::of_metadata)
    {
        let Some(code) = answer.code else { return (&codeless::UNREADABLE, Some(NOT_AWS.to_owned())) };
        let meaning = match answer.meaning() {
            meaning if matches!(meaning.cause, AwsCause::Denied | AwsCause::Forbidden) => &codeless::ROLE_DENIED,
            meaning if meaning.cause == AwsCause::Other => &codeless::NO_CREDENTIALS_GIVEN,
            meaning => meaning,
        };
        return (meaning, answer.text().map(|text| format!("{code}: {text}")).or(text));
    }
    // An answer of a service that its SDK cannot read, or that lacks what AWS always sends.
    let is_unreadable =
        ["unhandled error: ", "response error", "SSO did not return", "in response", "credentials must be defined"];
    if !is_of_process && is_unreadable.iter().any(|words| says(words)) {
        return (&codeless::UNREADABLE, Some(NOT_AWS.to_owned()));
    }
    // Errors that an SDK has a type for begin with their code.
    let row = || TABLE.iter().find(|row| row.codes.iter().any(|code| says(&format!("{code}: "))));
    let meaning = match error {
        _ if says("SSO token has expired") || says("UnauthorizedException") => &codeless::NO_SSO_SESSION,
        // There was no login yet.
        _ if says("cached SSO token") || says("/sso/cache/") => &codeless::NO_CREDENTIALS,
        // The SDK says of a profile that lacks a field that it is not defined.
        _ if says("` was missing") => &codeless::INVALID_PROFILE,
        _ if says("cargo feature") => &codeless::UNSUPPORTED_PROFILE,
        CredentialsError::CredentialsNotLoaded(_) => &codeless::NO_CREDENTIALS,
        CredentialsError::InvalidConfiguration(_) => &codeless::INVALID_PROFILE,
        _ => row().unwrap_or(&codeless::NO_CREDENTIALS_GIVEN),
    };
    (meaning, text)
}

/// The meaning if an endpoint beside this program should have given the credentials: that of a container, or that of a
/// virtual machine. Without either, every other source has been tried first, and the endpoint is not what is missing.
fn of_local_endpoint(error: &CredentialsError, says: &impl Fn(&str) -> bool) -> Option<&'static Meaning> {
    // The SDK wraps a request to the container's endpoint that got no answer, and none to a service, in this one.
    let is_unhandled = |cause: &CredentialsError| matches!(cause, CredentialsError::Unhandled(_));
    let mut causes = chain(error).filter_map(|cause| cause.downcast_ref::<CredentialsError>());
    let is_of_container =
        || says("HTTP credential provider") || says("ECS provider") || says("invalid JSON in response");
    match () {
        () if says("no credentials found in chain") => None,
        () if says("IMDS disabled by") => Some(&codeless::INSTANCE_ENDPOINT_DISABLED),
        () if says("IMDS") => Some(&codeless::INSTANCE_ENDPOINT),
        () if is_of_container() || says("dispatch failure") && causes.any(is_unhandled) => {
            Some(&codeless::CONTAINER_ENDPOINT)
        }
        () => None,
    }
}

/// The causes below the SDK's own layer, whose `Display` only says "other" or "io error".
pub(super) fn causes(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut causes: Vec<String> = Vec::new();
    for cause in chain(error).skip(1).map(|cause| one_line(&cause.to_string())) {
        // Some layers repeat what lies below them.
        if !causes.last().is_some_and(|last| last.ends_with(&cause) || last.starts_with(&cause)) {
            causes.push(cause);
        }
    }
    (!causes.is_empty()).then(|| causes.join(": "))
}

/// The text in one line. Of what a program wrote to standard error it keeps the first one.
fn one_line(text: &str) -> String {
    let text = match text.split_once("Stderr: ") {
        Some((before, written)) => format!("{before}Stderr: {}", first_line(written).unwrap_or("nothing")),
        None => text.to_owned(),
    };
    // The SDK lists the providers of credentials one a line.
    let lines = text.lines().map(|line| line.split_whitespace().map(address).collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).fold(String::new(), |text, line| match text.as_str() {
        "" => line,
        before if line.contains(": ") && !before.ends_with(':') => format!("{before}; {line}"),
        before => format!("{before} {line}"),
    })
}

/// The word; of an address only the host, because the rest may hold a token or a password.
fn address(word: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = word.split_once("://") else {
        return match word.split_once('?') {
            Some((path, query)) if path.starts_with('/') && !query.is_empty() => format!("{path}?…").into(),
            _ => word.into(),
        };
    };
    let is_quote = |c: char| "`\"')],;:".contains(c);
    let end = &rest[rest.trim_end_matches(is_quote).len()..];
    let rest = rest.trim_end_matches(is_quote);
    let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |place| rest.split_at(place));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = if path.len() > 1 { "/…" } else { path };
    format!("{scheme}://{host}{path}{end}").into()
}
