//! The errors of AWS: the one table of what each error code means, whether it passes by itself, and what to do.

use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::{ConnectorError, ProvideErrorMetadata, SdkError};

/// An error of a request to AWS. Holds no credentials.
#[derive(Debug)]
pub struct AwsError {
    action: String,
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
    /// The credentials have expired.
    Expired,
    /// AWS does not accept the credentials.
    Invalid,
    /// The credentials do not allow the action.
    Denied,
    /// The credentials do not allow to decrypt with the secret's key.
    KeyDenied,
    /// The resource does not exist.
    NotFound,
    /// The resource is in a state that does not allow the action.
    WrongState,
    /// Too many requests.
    Throttled,
    /// No answer came.
    Unreachable,
    /// The service itself failed.
    Unavailable,
    /// The request could not be made.
    NotSent,
    /// Anything else.
    Other,
}

/// The meaning of some error codes of AWS, or of the absence of one.
#[derive(Debug)]
pub struct Meaning {
    /// The error codes; none for what has no code.
    pub codes: &'static [&'static str],
    /// The cause that they name.
    pub cause: AwsCause,
    /// True if the same request may succeed a moment later.
    pub passes_by_itself: bool,
    /// The way out.
    pub remedy: &'static str,
}

/// Every error code that has a meaning of its own.
///
/// Sources: [all services](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonErrors.html),
/// [Secrets Manager](https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html),
/// [EC2](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html),
/// [RDS](https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html),
/// [what the SDKs retry](https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
pub const TABLE: &[Meaning] = &[
    Meaning {
        codes: &["AccessDenied", "AccessDeniedException", "NotAuthorized", "OptInRequired", "UnauthorizedOperation"],
        cause: AwsCause::Denied,
        passes_by_itself: false,
        remedy: "allow the action in the policy of these credentials (see infra/iam) and in the VPC endpoint's policy, \
                 and kms:Decrypt for a secret with a key of its own",
    },
    Meaning {
        codes: &["DecryptionFailure", "KMSAccessDeniedException"],
        cause: AwsCause::KeyDenied,
        passes_by_itself: false,
        remedy: "allow kms:Decrypt on the secret's key in the policy of these credentials",
    },
    Meaning {
        codes: &["ExpiredToken", "ExpiredTokenException", "RequestExpired"],
        cause: AwsCause::Expired,
        passes_by_itself: false,
        remedy: "log in to AWS again (`aws sso login`)",
    },
    Meaning {
        codes: &[
            "AuthFailure",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ],
        cause: AwsCause::Invalid,
        passes_by_itself: false,
        remedy: "correct the AWS credentials, or choose others with AWS_PROFILE",
    },
    Meaning {
        codes: &["ResourceNotFoundException"],
        cause: AwsCause::NotFound,
        passes_by_itself: false,
        remedy: "check the name or ARN of the resource, and that it is in this region and account, and that it holds a value",
    },
    Meaning {
        codes: &["InvalidParameterException", "ValidationError", "ValidationException"],
        cause: AwsCause::Other,
        passes_by_itself: false,
        remedy: "correct the name or ARN, and the other settings that the request holds",
    },
    Meaning {
        codes: &["InvalidRequestException"],
        cause: AwsCause::WrongState,
        passes_by_itself: false,
        remedy: "the secret may be marked for deletion: restore it, or name another one",
    },
    Meaning {
        codes: &[
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "RequestTimeout",
            "RequestTimeoutException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
            "TransactionInProgressException",
        ],
        cause: AwsCause::Throttled,
        passes_by_itself: true,
        remedy: "try again in a moment; if it happens often, ask AWS for a higher rate of this action, or send fewer \
                 requests at once",
    },
    Meaning {
        codes: &[
            "InternalError",
            "InternalFailure",
            "InternalServiceError",
            "InternalServiceErrorException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ],
        cause: AwsCause::Unavailable,
        passes_by_itself: true,
        remedy: UNAVAILABLE.remedy,
    },
];

const UNAVAILABLE: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Unavailable,
    passes_by_itself: true,
    remedy: "try again in a moment, and look at the AWS Health Dashboard",
};

/// The credentials may come from an endpoint that answers a moment later.
const NO_CREDENTIALS: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::NoCredentials,
    passes_by_itself: true,
    remedy: "log in to AWS (`aws sso login`), or set AWS_PROFILE",
};

const UNREACHABLE: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Unreachable,
    passes_by_itself: true,
    remedy: "check the network, the region and AWS_ENDPOINT_URL; inside a VPC, AWS needs an interface endpoint or a \
             NAT gateway",
};

/// A certificate that the SDK does not trust. In the function it trusts Amazon's own roots alone.
const UNTRUSTED: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Unreachable,
    passes_by_itself: false,
    remedy: "let the requests to AWS pass without a proxy that opens TLS: only certificates of Amazon are trusted, and \
             AWS_CA_BUNDLE is not read",
};

const NOT_SENT: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::NotSent,
    passes_by_itself: false,
    remedy: "set AWS_REGION to a region such as eu-central-1, and check AWS_ENDPOINT_URL",
};

const UNREADABLE: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Other,
    passes_by_itself: true,
    remedy: "try again, and check AWS_ENDPOINT_URL: the answer may not come from AWS",
};

const UNKNOWN: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Other,
    passes_by_itself: false,
    remedy: "look the AWS error code up in the documentation of the action",
};

impl AwsError {
    /// Explains the error of a request that needs this IAM action, such as `rds:CreateDBInstance`.
    pub fn new<E>(action: &str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let (meaning, source) = match error {
            SdkError::ServiceError(answer) => {
                let fault = answer.raw().status().is_server_error();
                (meaning(answer.err().code(), fault), answer.err().message().and_then(first_line))
            }
            SdkError::DispatchFailure(failure) => {
                let connector = failure.as_connector_error();
                let meaning = not_dispatched(connector);
                // The text of a request that was not sent may hold all of it, with the session's token.
                let is_harmless =
                    connector.is_some_and(|error| !error.is_other()) || meaning.cause != AwsCause::NotSent;
                (meaning, causes(connector).filter(|_| is_harmless))
            }
            SdkError::TimeoutError(_) => (&UNREACHABLE, causes(Some(error))),
            SdkError::ConstructionFailure(_) => (&NOT_SENT, causes(Some(error))),
            _ => (&UNREADABLE, causes(Some(error))),
        };
        Self { action: action.to_owned(), code: error.code().map(ToOwned::to_owned), meaning, source }
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

/// The meaning of a service's answer by its error code, or by whether the service blames itself.
fn meaning(code: Option<&str>, is_fault: bool) -> &'static Meaning {
    let row = code.and_then(|code| TABLE.iter().find(|row| row.codes.contains(&code)));
    match (row, code) {
        (Some(row), _) if row.passes_by_itself || !is_fault => row,
        // A service that blames itself may answer otherwise a moment later, whatever its code says.
        _ if is_fault => &UNAVAILABLE,
        (_, None) => &UNREADABLE,
        _ => &UNKNOWN,
    }
}

/// The meaning of a request that did not reach the service, by what lies below the SDK's own layer.
fn not_dispatched(error: Option<&ConnectorError>) -> &'static Meaning {
    let Some(error) = error else { return &UNREACHABLE };
    let mut causes = std::iter::successors(Some(error as &(dyn StdError + 'static)), |&cause| cause.source());
    let meaning = causes.find_map(|cause| match cause.downcast_ref::<CredentialsError>() {
        // Their provider may answer a moment later, and then does.
        Some(_) => Some(&NO_CREDENTIALS),
        // rustls is not a dependency of this crate; this is how each of its refusals begins.
        None if cause.to_string().starts_with("invalid peer certificate") => Some(&UNTRUSTED),
        None => None,
    });
    meaning.unwrap_or_else(|| match error.as_other() {
        // The connection ended within an answer.
        Some(_) => &UNREACHABLE,
        None if error.is_io() || error.is_timeout() => &UNREACHABLE,
        None if error.is_other() && has_answer(error) => &UNREADABLE,
        // An endpoint that is no URL, or a header that HTTP does not allow.
        None => &NOT_SENT,
    })
}

/// Returns whether the HTTP client sent the request, and cannot read the answer. Its crate is not a dependency of this one;
/// this is how it calls such an error.
fn has_answer(error: &ConnectorError) -> bool {
    let mut causes = std::iter::successors(Some(error as &(dyn StdError + 'static)), |&cause| cause.source());
    causes.any(|cause| cause.to_string().starts_with("client error (SendRequest)"))
}

/// The first line of AWS's message: that about a wrong signature goes on with the whole request, and with it the session's
/// token.
fn first_line(message: &str) -> Option<Box<dyn StdError + Send + Sync>> {
    let mut lines = message.split(char::is_control).map(str::trim);
    lines.find(|line| !line.is_empty()).map(Into::into)
}

/// The causes below the SDK's own layer, whose `Display` only says "other" or "io error".
fn causes(error: Option<&(impl StdError + 'static)>) -> Option<Box<dyn StdError + Send + Sync>> {
    let outermost = error?.source()?;
    let causes: Vec<_> =
        std::iter::successors(Some(outermost), |&cause| cause.source()).map(ToString::to_string).collect();
    // The SDK lists the providers of credentials one a line.
    Some(causes.join(": ").split_whitespace().collect::<Vec<_>>().join(" ").into())
}

impl Display for AwsError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let action = &self.action;
        match self.cause() {
            AwsCause::NoCredentials => write!(f, "no AWS credentials for {action}")?,
            AwsCause::Expired => write!(f, "the AWS credentials for {action} have expired")?,
            AwsCause::Invalid => write!(f, "AWS does not accept the credentials for {action}")?,
            AwsCause::Denied | AwsCause::KeyDenied => write!(f, "the AWS credentials do not allow {action}")?,
            AwsCause::Throttled => write!(f, "AWS throttles {action}")?,
            AwsCause::Unreachable => write!(f, "AWS cannot be reached for {action}")?,
            AwsCause::NotSent => write!(f, "the request {action} cannot be made")?,
            AwsCause::NotFound | AwsCause::WrongState | AwsCause::Unavailable | AwsCause::Other => {
                write!(f, "{action} failed")?;
            }
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

    use super::*;

    type Sdk = SdkError<GetSecretValueError>;

    const ACTION: &str = "secretsmanager:GetSecretValue";

    fn answer(status: u16, code: Option<&str>) -> AwsError {
        let mut metadata = ErrorMetadata::builder().message("AWS's message");
        if let Some(code) = code {
            metadata = metadata.code(code);
        }
        let response = HttpResponse::new(status.try_into().expect("a status"), "".into());
        AwsError::new(ACTION, &Sdk::service_error(GetSecretValueError::generic(metadata.build()), response))
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
        assert_eq!(first_line(message).expect("a line").to_string(), "The signature does not match.");
        assert!(first_line(" \n").is_none());
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
            Sdk::dispatch_failure(ConnectorError::timeout("late".into())),
            Sdk::timeout_error("late"),
        ] {
            assert_cause(&failure, AwsCause::Unreachable, true);
        }
        let untrusted = ConnectorError::io("invalid peer certificate: UnknownIssuer".into());
        let remedy = assert_cause(&Sdk::dispatch_failure(untrusted), AwsCause::Unreachable, false);
        assert!(remedy.contains("AWS_CA_BUNDLE"), "{remedy}");
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
        assert_cause(&Sdk::dispatch_failure(unreadable), AwsCause::Other, true);
        let remedy = assert_cause(&Sdk::construction_failure("no region"), AwsCause::NotSent, false);
        assert!(remedy.contains("AWS_REGION"), "{remedy}");
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
