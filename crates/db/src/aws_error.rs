//! The errors of AWS: the one table of what each error code means, whether it passes by itself, and what to do.

use std::error::Error as StdError;
use std::fmt::{self, Display, Formatter};

use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

/// Why AWS did not do what it was asked for. Holds no credentials.
#[derive(Debug)]
pub struct AwsError {
    action: String,
    code: Option<String>,
    meaning: &'static Meaning,
    transient: bool,
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
    /// There is no such resource.
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

/// What an error code of AWS, or its absence, means.
#[derive(Debug)]
pub struct Meaning {
    /// The error codes; none for what has no code.
    pub codes: &'static [&'static str],
    /// The cause that they name.
    pub cause: AwsCause,
    /// Whether the same request may succeed a moment later.
    pub passes_by_itself: bool,
    /// The way out.
    pub remedy: &'static str,
}

/// Every error code that has a meaning of its own.
///
/// Sources: [all services](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonErrors.html),
/// [Secrets Manager](https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html),
/// [EC2](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html),
/// [RDS](https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html).
pub const TABLE: &[Meaning] = &[
    Meaning {
        codes: &["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"],
        cause: AwsCause::Denied,
        passes_by_itself: false,
        remedy: "allow the action in the policy of these credentials (see infra/iam), and kms:Decrypt for a secret with \
                 a key of its own",
    },
    Meaning {
        codes: &["DecryptionFailure", "KMSAccessDeniedException"],
        cause: AwsCause::Denied,
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
        codes: &["AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"],
        cause: AwsCause::Invalid,
        passes_by_itself: false,
        remedy: "correct the AWS credentials, or choose others with AWS_PROFILE",
    },
    Meaning {
        codes: &["ResourceNotFoundException"],
        cause: AwsCause::NotFound,
        passes_by_itself: false,
        remedy: "check its name, and that it is in this region and account",
    },
    Meaning {
        codes: &["InvalidRequestException"],
        cause: AwsCause::WrongState,
        passes_by_itself: false,
        remedy: "the secret may be marked for deletion: restore it, or name another one",
    },
    Meaning {
        codes: &["RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"],
        cause: AwsCause::Throttled,
        passes_by_itself: true,
        remedy: "try again in a moment; if it happens often, ask AWS for a higher rate of this action, or send fewer \
                 requests at once",
    },
    Meaning {
        codes: &["InternalError", "InternalFailure", "InternalServiceError", "ServiceUnavailable"],
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
    remedy: "check the network, the region and AWS_ENDPOINT_URL; inside a VPC, AWS needs an interface endpoint or a NAT \
             gateway",
};

const NOT_SENT: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::NotSent,
    passes_by_itself: true,
    remedy: "check the AWS credentials and the region",
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
    /// The error of a request that needs this IAM action, such as `rds:CreateDBInstance`.
    pub fn new<E: ProvideErrorMetadata>(action: &str, error: &SdkError<E>) -> Self {
        let mut code = None;
        let mut fault = false;
        let (meaning, source) = match error {
            SdkError::ServiceError(answer) => {
                code = answer.err().code();
                fault = answer.raw().status().is_server_error();
                let meaning = code
                    .map_or(&UNREADABLE, |code| meaning(code).unwrap_or(if fault { &UNAVAILABLE } else { &UNKNOWN }));
                (meaning, answer.err().message().map(Into::into))
            }
            // The SDK reports missing credentials as a failure to dispatch that is none of the network's.
            SdkError::DispatchFailure(failure) if failure.is_other() => {
                (&NO_CREDENTIALS, causes(failure.as_connector_error()))
            }
            SdkError::DispatchFailure(failure) => (&UNREACHABLE, causes(failure.as_connector_error())),
            SdkError::TimeoutError(_) => (&UNREACHABLE, None),
            SdkError::ConstructionFailure(_) => (&NOT_SENT, None),
            _ => (&UNREADABLE, None),
        };
        let transient = meaning.passes_by_itself || fault;
        Self { action: action.to_owned(), code: code.map(ToOwned::to_owned), meaning, transient, source }
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

    /// Whether the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        self.transient
    }
}

/// The meaning of an error code, if it has a row.
fn meaning(code: &str) -> Option<&'static Meaning> {
    TABLE.iter().find(|row| row.codes.contains(&code))
}

/// The causes below the SDK's own layer, whose `Display` only says "other" or "io error".
fn causes(error: Option<&(impl StdError + 'static)>) -> Option<Box<dyn StdError + Send + Sync>> {
    let outermost = error?.source()?;
    let causes: Vec<_> =
        std::iter::successors(Some(outermost), |&cause| cause.source()).map(ToString::to_string).collect();
    Some(causes.join(": ").into())
}

impl Display for AwsError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let action = &self.action;
        match self.cause() {
            AwsCause::NoCredentials => write!(f, "no AWS credentials for {action}")?,
            AwsCause::Expired => write!(f, "the AWS credentials for {action} have expired")?,
            AwsCause::Invalid => write!(f, "AWS does not accept the credentials for {action}")?,
            AwsCause::Denied => write!(f, "the AWS credentials do not allow {action}")?,
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
    use super::*;

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
