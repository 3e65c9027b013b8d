//! The errors of AWS: the meaning of each, whether it passes by itself, and what to do.

mod answer;
mod codeless;
mod dispatch;
mod table;

use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

use self::answer::Answer;
use self::dispatch::causes;
use self::table::Meaning;

/// An error of a request to AWS. Holds no credentials.
#[derive(Debug)]
pub struct AwsError {
    action: Box<str>,
    /// Whether the request was for credentials, and `action` is what needs them.
    is_of_credentials: bool,
    /// The action that is denied, where it is another one.
    denied: Option<String>,
    code: Option<String>,
    meaning: &'static Meaning,
    /// AWS's own message, or the network's.
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The cause of an [`AwsError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AwsCause {
    /// No credentials were found.
    NoCredentials,
    /// The source of the credentials failed.
    CredentialsFailed,
    /// The endpoint that gives credentials to a container or a virtual machine does not answer as it should.
    EndpointFailed,
    /// The credentials have expired.
    Expired,
    /// AWS does not accept the credentials.
    Invalid,
    /// This machine's clock is wrong.
    Clock,
    /// The credentials do not allow the action.
    Denied,
    /// Another policy than that of the credentials denies the action.
    Forbidden,
    /// The credentials do not allow to decrypt with the secret's key.
    KeyDenied,
    /// The resource does not exist.
    NotFound,
    /// The resource is in a state that does not allow the action.
    WrongState,
    /// Too many requests.
    Throttled,
    /// The service was not reached, or the connection ended.
    Unreachable,
    /// A connection was made, and no answer came in time.
    Silent,
    /// A proxy refuses the request.
    Proxy,
    /// The issuer of the server's certificate is not trusted.
    Untrusted,
    /// The server's certificate has expired, or is another server's.
    Certificate,
    /// The service itself failed.
    Unavailable,
    /// The answer is not AWS's.
    Unreadable,
    /// AWS answered with something that the SDK cannot parse.
    Malformed,
    /// The request could not be made.
    NotSent,
    /// Anything else.
    Other,
}

impl AwsError {
    /// Explains the error of a request that needs this IAM action, such as `rds:CreateDBInstance`.
    pub fn new<E>(action: &str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let mut denied = None;
        let (meaning, source) = match error {
            SdkError::ServiceError(answer) => {
                let (http, error) = (Some(answer.raw()), answer.err());
                let answer = Answer { code: answer::code(error), message: error.message(), http };
                denied = answer.denied_action().filter(|denied| denied != action);
                (answer.meaning(), answer.text())
            }
            SdkError::DispatchFailure(failure) => dispatch::explain(failure.as_connector_error()),
            SdkError::TimeoutError(_) => (&codeless::SILENT, causes(error)),
            SdkError::ConstructionFailure(_) => (&codeless::NOT_SENT, causes(error)),
            // The SDK keeps the body of an answer that it has read and cannot parse. Its parser quotes that body, which may hold
            // anything: an address, a secret.
            SdkError::ResponseError(answer) if answer.raw().body().bytes().is_some() => {
                let answer = Answer { code: None, message: None, http: Some(answer.raw()) };
                (answer.meaning(), answer.text())
            }
            // The connection ended within the answer.
            SdkError::ResponseError(_) => (&codeless::UNREACHABLE, causes(error)),
            _ => (&codeless::UNREADABLE, causes(error)),
        };
        let code = answer::code(error).map(ToOwned::to_owned);
        Self { action: action.into(), is_of_credentials: false, denied, code, meaning, source: source.map(Into::into) }
    }

    /// Explains why there are no credentials for this purpose, such as a command.
    pub fn of_credentials(purpose: &str, error: &CredentialsError) -> Self {
        let (meaning, source) = dispatch::of_credentials(error);
        let (action, source) = (purpose.into(), source.map(Into::into));
        Self { action, is_of_credentials: true, denied: None, code: None, meaning, source }
    }

    /// The cause.
    pub fn cause(&self) -> AwsCause {
        self.meaning.cause
    }

    /// AWS's error code, if the service answered with one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The way out.
    pub fn remedy(&self) -> &'static str {
        self.meaning.remedy
    }

    /// Returns whether the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        self.meaning.passes_by_itself
    }
}

impl Display for AwsError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let action = &self.action;
        match self.cause() {
            AwsCause::NoCredentials => write!(f, "no AWS credentials for {action}")?,
            AwsCause::CredentialsFailed | AwsCause::EndpointFailed => {
                write!(f, "cannot get the AWS credentials for {action}")?;
            }
            AwsCause::Expired => write!(f, "the AWS credentials for {action} have expired")?,
            AwsCause::Invalid => write!(f, "AWS does not accept the credentials for {action}")?,
            AwsCause::Clock => write!(f, "AWS refuses {action}, because this machine's clock is wrong")?,
            AwsCause::Denied | AwsCause::Forbidden | AwsCause::KeyDenied => {
                let denied = self.denied.as_deref().unwrap_or(action);
                write!(f, "the AWS credentials do not allow {denied}")?;
                if self.denied.is_some() {
                    write!(f, ", which {action} needs")?;
                }
            }
            AwsCause::Throttled => write!(f, "AWS throttles {action}")?,
            AwsCause::Unreachable => write!(f, "AWS cannot be reached for {action}")?,
            AwsCause::Silent => write!(f, "AWS does not answer {action}")?,
            AwsCause::Proxy => write!(f, "the proxy refuses {action}")?,
            AwsCause::Untrusted | AwsCause::Certificate => {
                write!(f, "AWS cannot be reached for {action}, because of the server's certificate")?;
            }
            AwsCause::NotSent | AwsCause::Unavailable | AwsCause::Unreadable | AwsCause::Malformed
                if self.is_of_credentials =>
            {
                write!(f, "cannot get the AWS credentials for {action}")?;
            }
            AwsCause::Malformed => write!(f, "the answer of AWS to {action} cannot be read")?,
            AwsCause::NotSent => write!(f, "the request {action} cannot be made")?,
            AwsCause::NotFound
            | AwsCause::WrongState
            | AwsCause::Unavailable
            | AwsCause::Unreadable
            | AwsCause::Other => write!(f, "{action} failed")?,
        }
        self.code().map_or(Ok(()), |code| write!(f, " ({code})"))
    }
}

impl StdError for AwsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::config::http::HttpResponse;
    use aws_sdk_secretsmanager::error::ErrorMetadata;
    use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;

    use aws_sdk_secretsmanager::error::ConnectorError;

    use super::table::TABLE;
    use super::*;

    type Sdk = SdkError<GetSecretValueError>;

    const ACTION: &str = "secretsmanager:GetSecretValue";

    fn answer(status: u16, code: Option<&str>) -> AwsError {
        let response = HttpResponse::new(status.try_into().expect("a status"), "".into());
        answer_in(response, code, "AWS's message")
    }

    fn answer_in(response: HttpResponse, code: Option<&str>, message: &str) -> AwsError {
        let mut metadata = ErrorMetadata::builder().message(message);
        if let Some(code) = code {
            metadata = metadata.code(code);
        }
        AwsError::new(ACTION, &Sdk::service_error(GetSecretValueError::generic(metadata.build()), response))
    }

    /// An answer with the status 400 and the time of now.
    fn refusal(code: &str, message: &str) -> AwsError {
        answer_in(HttpResponse::new(400.try_into().expect("a status"), "".into()), Some(code), message)
    }

    fn chain(error: &AwsError) -> String {
        error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
    }

    #[test]
    fn an_answer_is_explained_by_its_code() {
        let error = answer(400, Some("AccessDeniedException"));
        assert_eq!((error.cause(), error.code()), (AwsCause::Denied, Some("AccessDeniedException")));
        assert_eq!(
            chain(&error),
            "the AWS credentials do not allow secretsmanager:GetSecretValue (AccessDeniedException): AWS's message"
        );
        assert!(error.remedy().starts_with("allow the action"), "{}", error.remedy());
        let error = answer(400, Some("SomethingNew"));
        assert_eq!(chain(&error), "secretsmanager:GetSecretValue failed (SomethingNew): AWS's message");
    }

    #[test]
    fn only_the_first_line_of_awss_message_is_kept() {
        let message = "\nThe signature does not match.\r\n\nThe Canonical String was\nx-amz-security-token:hunter2";
        let error = refusal("SignatureDoesNotMatch", message);
        assert_eq!(error.source().expect("a line").to_string(), "The signature does not match.");
        let message = message.replace(['\r', '\n'], " ");
        let error = refusal("SignatureDoesNotMatch", &message);
        assert_eq!(error.source().expect("a line").to_string(), "The signature does not match.");
        assert!(refusal("SignatureDoesNotMatch", " \n").source().is_none());
    }

    #[test]
    fn a_denial_names_the_action_that_the_message_names() {
        let message = "User: arn:aws:sts::123456789012:assumed-role/ops/ada is not authorized to perform: iam:PassRole on \
                       resource: arn:aws:iam::123456789012:role/monitoring because no identity-based policy allows the \
                       iam:PassRole action";
        let error = refusal("AccessDenied", message);
        let expected =
            format!("the AWS credentials do not allow iam:PassRole, which {ACTION} needs (AccessDenied): {message}");
        assert_eq!((chain(&error), error.cause()), (expected, AwsCause::Denied));
        let own = refusal("AccessDenied", &message.replace("iam:PassRole", ACTION));
        assert!(chain(&own).starts_with(&format!("the AWS credentials do not allow {ACTION} (AccessDenied)")), "{own}");
    }

    #[test]
    fn a_denial_by_another_policy_says_who_can_allow_it() {
        for (reason, remedy) in [
            ("with an explicit deny in a service control policy", "ask the administrators of the AWS organization"),
            ("because no service control policy allows the action", "ask the administrators of the AWS organization"),
            ("with an explicit deny in a resource control policy", "ask the administrators of the AWS organization"),
            ("because no permissions boundary allows the action", "allow the action in the permissions boundary"),
            ("because no session policy allows the action", "allow the action in the session policy"),
            ("because no VPC endpoint policy allows the action", "allow the action in the policy of the VPC endpoint"),
            ("because no resource-based policy allows the action", "allow the action in the policy of the resource"),
            ("with an explicit deny in an identity-based policy", "remove the deny"),
            ("Encoded authorization failure message: c2Vl", "read which policy denies it with `aws sts decode-auth"),
        ] {
            let error = refusal("UnauthorizedOperation", &format!("You may not: {reason}"));
            assert_eq!(error.cause(), AwsCause::Forbidden, "{reason}");
            assert!(error.remedy().starts_with(remedy), "expected {remedy:?} for {reason:?}: {}", error.remedy());
            assert!(chain(&error).ends_with(reason), "{}", chain(&error));
        }
    }

    #[test]
    fn a_wrong_clock_is_no_wrong_password() {
        for message in [
            "Signature expired: 20261125T100000Z is now earlier than 20261125T110000Z (20261125T111500Z - 15 min.)",
            "Signature not yet current: 20261125T130000Z is still later than 20261125T121500Z",
        ] {
            let error = refusal("SignatureDoesNotMatch", message);
            assert_eq!((error.cause(), error.is_transient()), (AwsCause::Clock, false), "{message}");
            assert!(chain(&error).contains(message) && error.remedy().contains("clock"), "{}", chain(&error));
        }
        let dated = |date: &str| {
            let mut response = HttpResponse::new(400.try_into().expect("a status"), "".into());
            response.headers_mut().insert("date", date.to_owned());
            answer_in(response, Some("RequestExpired"), "Request has expired.")
        };
        let error = dated("Wed, 01 Jan 2020 10:00:00 GMT");
        assert_eq!(error.cause(), AwsCause::Clock);
        assert!(chain(&error).contains("the answer 2020-01-01T10:00:00Z"), "{}", chain(&error));
        let error = dated("no date");
        assert_eq!(error.cause(), AwsCause::Expired, "the clocks may agree, and the session be over");
        assert!(error.remedy().contains("aws sso login") && error.remedy().contains("clock"), "{}", error.remedy());
    }

    #[test]
    fn an_answer_that_is_not_awss_is_described() {
        let mut page = HttpResponse::new(200.try_into().expect("a status"), "<html>".into());
        page.headers_mut().insert("content-type", "text/html; charset=utf-8");
        let error = AwsError::new(
            ACTION,
            &Sdk::service_error(GetSecretValueError::generic(ErrorMetadata::builder().build()), page),
        );
        assert_eq!(
            chain(&error),
            "secretsmanager:GetSecretValue failed: the answer is not AWS's: it has HTTP status 200 and the type \
             text/html, and no error code"
        );
        for (status, cause) in [
            (302, AwsCause::Unreadable),
            (407, AwsCause::Proxy),
            (429, AwsCause::Throttled),
            (503, AwsCause::Unavailable),
        ] {
            let error = answer(status, None);
            assert_eq!(error.cause(), cause, "{status}");
            assert!(chain(&error).contains(&status.to_string()), "{}", chain(&error));
            let empty = answer(status, Some(" "));
            assert_eq!((empty.cause(), empty.code()), (cause, None), "{status} with an empty code");
        }
        assert!(answer(429, None).is_transient());
    }

    #[test]
    fn an_answer_that_cannot_be_parsed_is_no_failure_of_the_network_and_is_not_quoted() {
        let parser = "invalid input: expected a UTF-16 surrogate pair, but got @examp as the low word";
        let unparsed = |status: u16, kind: &str| {
            let mut answer = HttpResponse::new(status.try_into().expect("a status"), "{\"Users\": [".into());
            answer.headers_mut().insert("content-type", kind.to_owned());
            AwsError::new(ACTION, &Sdk::response_error(parser, answer))
        };
        let error = unparsed(200, "application/x-amz-json-1.1");
        assert_eq!((error.cause(), error.is_transient()), (AwsCause::Malformed, false));
        assert_eq!(chain(&error), format!("the answer of AWS to {ACTION} cannot be read"));
        assert!(!format!("{error:?}").contains("@examp"), "{error:?}");
        for (status, kind, cause) in [
            (200, "text/html; charset=utf-8", AwsCause::Unreadable),
            (407, "text/html", AwsCause::Proxy),
            (503, "text/html", AwsCause::Unavailable),
        ] {
            let error = unparsed(status, kind);
            assert_eq!(error.cause(), cause, "{status} {kind}");
            assert!(!format!("{error:?} {}", chain(&error)).contains("@examp"), "{error:?}");
        }
        let mut half = HttpResponse::new(200.try_into().expect("a status"), "".into());
        // As the SDK leaves it.
        half.take_body();
        let error = AwsError::new(ACTION, &Sdk::response_error("connection closed before message completed", half));
        assert_eq!((error.cause(), error.is_transient()), (AwsCause::Unreachable, true), "the answer has ended early");
    }

    #[test]
    fn what_an_address_may_hold_besides_the_host_is_not_shown() {
        for (address, shown) in [
            ("http://192.0.2.1/cc?tok=hunter2", "http://192.0.2.1/…"),
            ("http://ada:hunter2@localhost:80/cc", "http://localhost:80/…"),
            ("http://ada:hunt@er2@localhost/a?b@hunter2", "http://localhost/…"),
            ("`https://corp.awsapps.com#hunter2`", "`https://corp.awsapps.com/…`"),
            ("https://corp.awsapps.com", "https://corp.awsapps.com"),
            ("/cc?tok=hunter2", "/cc?…"),
        ] {
            let error =
                CredentialsError::invalid_configuration(format!("invalid full URI for ECS provider (x): {address}"));
            let error = chain(&AwsError::of_credentials("this command", &error));
            assert!(error.ends_with(&format!("for ECS provider (x): {shown}")), "{error}");
        }
    }

    #[test]
    fn throttling_and_faults_of_the_service_pass_by_themselves() {
        for (status, code, passes) in [
            (400, Some("ThrottlingException"), true),
            (400, Some("ProvisionedThroughputExceededException"), true),
            (400, Some("RequestTimeoutException"), true),
            (400, Some("SlowDown"), true),
            (400, Some("AccessDeniedException"), false),
            (400, Some("SomethingNew"), false),
            (500, Some("SomethingNew"), true),
            (503, None, true),
            (400, None, true),
        ] {
            assert_eq!(answer(status, code).is_transient(), passes, "{status} {code:?}");
        }
    }

    #[test]
    fn missing_credentials_are_not_an_unreachable_aws() {
        #[track_caller]
        fn assert_cause(error: &Sdk, cause: AwsCause, is_transient: bool) -> &'static str {
            let error = AwsError::new(ACTION, error);
            assert_eq!((error.cause(), error.is_transient(), error.code()), (cause, is_transient, None), "{error:?}");
            error.remedy()
        }
        let missing = CredentialsError::not_loaded("no providers in chain provided credentials");
        let missing = Sdk::dispatch_failure(ConnectorError::other(missing.into(), None));
        assert_cause(&missing, AwsCause::NoCredentials, true);
        for failure in [
            Sdk::dispatch_failure(ConnectorError::io("refused".into())),
            Sdk::dispatch_failure(ConnectorError::timeout("HTTP connect timeout occurred after 5s".into())),
        ] {
            assert_cause(&failure, AwsCause::Unreachable, true);
        }
        for failure in [
            Sdk::dispatch_failure(ConnectorError::timeout("HTTP read timeout occurred after 5s".into())),
            Sdk::timeout_error("late"),
        ] {
            assert_cause(&failure, AwsCause::Silent, true);
        }
        for (refusal, cause, remedy) in [
            ("UnknownIssuer", AwsCause::Untrusted, "AWS_CA_BUNDLE"),
            ("certificate expired: verification time 1", AwsCause::Certificate, "clock"),
            ("certificate not valid for name \"x\"", AwsCause::Certificate, "AWS_ENDPOINT_URL"),
        ] {
            let refusal = ConnectorError::io(format!("invalid peer certificate: {refusal}").into());
            let found = assert_cause(&Sdk::dispatch_failure(refusal), cause, false);
            assert!(found.contains(remedy), "expected {remedy:?} in {found:?}");
        }
        for refusal in ["proxy authorization required", "unsuccessful"] {
            let refusal = ConnectorError::io(format!("tunnel error: {refusal}").into());
            assert!(assert_cause(&Sdk::dispatch_failure(refusal), AwsCause::Proxy, false).contains("HTTPS_PROXY"));
        }
        for refused in ["invalid URL, scheme is missing", "client error (SendRequest)"] {
            let refused = ConnectorError::user(refused.into());
            assert_cause(&Sdk::dispatch_failure(refused), AwsCause::NotSent, false);
        }
        let unsent =
            || Sdk::dispatch_failure(ConnectorError::other("no URI in Request { token: hunter2 }".into(), None));
        let remedy = assert_cause(&unsent(), AwsCause::NotSent, false);
        assert!(remedy.contains("AWS_ENDPOINT_URL"), "{remedy}");
        let error = AwsError::new(ACTION, &unsent());
        assert!(!format!("{error:?} {}", chain(&error)).contains("hunter2"), "{error:?}");
        let unreadable = ConnectorError::other("client error (SendRequest)".into(), None);
        assert_cause(&Sdk::dispatch_failure(unreadable), AwsCause::Unreadable, true);
        let remedy = assert_cause(&Sdk::construction_failure("no region"), AwsCause::NotSent, false);
        assert!(remedy.contains("AWS_REGION"), "{remedy}");
    }

    #[test]
    fn the_source_of_credentials_says_why_it_failed() {
        #[track_caller]
        fn assert_source(error: CredentialsError, cause: AwsCause, text: &str, remedy: &str) {
            let error = AwsError::new(ACTION, &Sdk::dispatch_failure(ConnectorError::other(error.into(), None)));
            assert_eq!((error.cause(), error.is_transient()), (cause, false), "{}", chain(&error));
            assert!(chain(&error).ends_with(text), "expected {text:?} in {:?}", chain(&error));
            assert!(error.remedy().contains(remedy), "expected {remedy:?} in {:?}", error.remedy());
        }
        let process = "external process exited with code 1. Stderr: \nvault: token expired\nmore";
        assert_source(
            CredentialsError::provider_error(CredentialsError::provider_error(process)),
            AwsCause::CredentialsFailed,
            "Stderr: vault: token expired",
            "correct what the profile in ~/.aws/config names",
        );
        let denied = ErrorMetadata::builder().code("AccessDenied").message("not authorized to perform: sts:AssumeRole");
        assert_source(
            CredentialsError::provider_error(denied.build()),
            AwsCause::CredentialsFailed,
            "AccessDenied: not authorized to perform: sts:AssumeRole",
            "MFA",
        );
        assert_source(
            CredentialsError::provider_error("the SSO token has expired and cannot be refreshed"),
            AwsCause::Expired,
            "cannot be refreshed",
            "aws sso login",
        );
        assert_source(
            CredentialsError::provider_error("ExpiredTokenException: it is too old"),
            AwsCause::Expired,
            "it is too old",
            "aws sso login",
        );
        assert_source(
            CredentialsError::invalid_configuration("This behavior requires following cargo feature(s) enabled: x."),
            AwsCause::CredentialsFailed,
            "enabled: x.",
            "aws configure export-credentials",
        );
        assert_source(
            CredentialsError::invalid_configuration("sso-session named `corp` was not found"),
            AwsCause::CredentialsFailed,
            "was not found",
            "correct the profile",
        );
        assert_source(
            CredentialsError::not_loaded("profile `ops` was not defined: `sso_start_url` was missing"),
            AwsCause::CredentialsFailed,
            "`sso_start_url` was missing",
            "correct the profile",
        );
        assert_source(
            CredentialsError::provider_error("Attempted:\n  Environment: not set\n  Profile: not found\n"),
            AwsCause::CredentialsFailed,
            "Attempted: Environment: not set; Profile: not found",
            "correct what the profile",
        );
        assert_source(
            CredentialsError::provider_error("external process failed: no IMDS, HTTP credential provider in response"),
            AwsCause::CredentialsFailed,
            "in response",
            "correct what the profile",
        );
        let unreachable = ConnectorError::io("connection refused".into());
        let error = CredentialsError::provider_error(unreachable);
        let error = AwsError::new(ACTION, &Sdk::dispatch_failure(ConnectorError::other(error.into(), None)));
        assert_eq!(error.cause(), AwsCause::Unreachable, "AWS STS cannot be reached: {}", chain(&error));
    }

    #[test]
    fn the_causes_below_the_sdk_are_kept() {
        let refused = ConnectorError::io("connection\n  refused".into());
        let error = AwsError::new(ACTION, &Sdk::dispatch_failure(refused));
        assert_eq!(chain(&error), "AWS cannot be reached for secretsmanager:GetSecretValue: connection refused");
    }

    #[test]
    fn every_code_has_one_row_with_a_neutral_remedy() {
        assert!(TABLE.iter().all(|row| !row.remedy.contains("provision")));
        let codes = || TABLE.iter().flat_map(|row| row.codes);
        for code in codes() {
            assert_eq!(codes().filter(|other| other == &code).count(), 1, "{code}");
        }
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let (_, section) =
            include_str!("../../../docs/errors.md").split_once("\n## AWS error codes\n").expect("a section");
        let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
        let documented: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
        let known: Vec<_> = TABLE
            .iter()
            .map(|Meaning { codes, cause, passes_by_itself, remedy }| {
                let codes: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
                let passes = if *passes_by_itself { "yes" } else { "no" };
                format!("| {} | {cause:?} | {passes} | {remedy} |", codes.join(", "))
            })
            .collect();
        assert!(documented == known, "docs/errors.md differs; its rows should be:\n{}", known.join("\n"));
    }
}
