//! The one table of what each error of AWS means, whether it passes by itself, and what to do.

use super::AwsCause;

/// The meaning of some error codes of AWS, or of the absence of one.
#[derive(Debug)]
pub(super) struct Meaning {
    /// The error codes; none for what has no code.
    pub(super) codes: &'static [&'static str],
    /// The cause that they name.
    pub(super) cause: AwsCause,
    /// True if the same request may succeed a moment later.
    pub(super) passes_by_itself: bool,
    /// The way out.
    pub(super) remedy: &'static str,
}

/// Every error code that has a meaning of its own.
///
/// Sources: [all services](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonErrors.html),
/// [Secrets Manager](https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html),
/// [EC2](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html),
/// [RDS](https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html),
/// [what the SDKs retry](https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
pub(super) const TABLE: &[Meaning] = &[
    Meaning {
        codes: &["AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"],
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
        codes: &["OptInRequired"],
        cause: AwsCause::Forbidden,
        passes_by_itself: false,
        remedy: "enable the service and the region for this AWS account",
    },
    Meaning {
        codes: &["ExpiredToken", "ExpiredTokenException"],
        cause: AwsCause::Expired,
        passes_by_itself: false,
        remedy: "log in to AWS again (`aws sso login`)",
    },
    // Amazon EC2 has one code for credentials that have expired and for a clock that is wrong.
    Meaning {
        codes: &["RequestExpired"],
        cause: AwsCause::Expired,
        passes_by_itself: false,
        remedy: "log in to AWS again (`aws sso login`); if it is refused as before, correct this machine's clock",
    },
    Meaning { codes: &["RequestInTheFuture", "RequestTimeTooSkewed"], ..CLOCK },
    Meaning {
        codes: &["AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"],
        cause: AwsCause::Invalid,
        passes_by_itself: false,
        remedy: "correct the AWS credentials, or choose others with AWS_PROFILE; a region that is not enabled for their \
                 account refuses them as well",
    },
    Meaning {
        codes: &[
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "SignatureDoesNotMatch",
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

/// The clock of this machine differs from AWS's by more than a signature allows.
pub(super) const CLOCK: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Clock,
    passes_by_itself: false,
    remedy: "correct this machine's clock: AWS allows a difference of 5 to 15 minutes",
};

/// Policies that can deny what the policy of the credentials allows, by the words with which AWS names them. Earlier rows
/// win: an explicit deny is named together with its policy.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>
pub(super) const POLICIES: &[(&str, Meaning)] = &[
    ("service control policy", OF_ORGANIZATION),
    ("resource control policy", OF_ORGANIZATION),
    ("permissions boundary", forbidden("allow the action in the permissions boundary of these credentials as well")),
    ("session policy", forbidden("allow the action in the session policy with which these credentials were made")),
    ("VPC endpoint policy", forbidden("allow the action in the policy of the VPC endpoint")),
    ("resource-based policy", forbidden("allow the action in the policy of the resource")),
    (
        "explicit deny",
        forbidden("remove the deny from the policy that the error names: no other policy can allow what it denies"),
    ),
    // EC2 encodes the details where it does not name the policy.
    // <https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html>
    (
        "Encoded authorization failure message: ",
        forbidden(
            "read which policy denies it with `aws sts decode-authorization-message --encoded-message`, followed by the \
             encoded message; infra/iam has the policies",
        ),
    ),
];

const OF_ORGANIZATION: Meaning =
    forbidden("ask the administrators of the AWS organization: its policy denies what the account's policies allow");

const fn forbidden(remedy: &'static str) -> Meaning {
    Meaning { codes: &[], cause: AwsCause::Forbidden, passes_by_itself: false, remedy }
}

pub(super) const UNAVAILABLE: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Unavailable,
    passes_by_itself: true,
    remedy: "try again in a moment, and look at the AWS Health Dashboard",
};

/// An HTTP status of 500 or more without an error of AWS, such as a proxy's or a load balancer's.
pub(super) const UNAVAILABLE_WITHOUT_CODE: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Unavailable,
    passes_by_itself: true,
    remedy: "try again in a moment; then check the proxy and AWS_ENDPOINT_URL: AWS's own errors have a code",
};

/// The credentials may come from an endpoint that answers a moment later.
pub(super) const NO_CREDENTIALS: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::NoCredentials,
    passes_by_itself: true,
    remedy: "log in to AWS (`aws sso login`), or set AWS_PROFILE",
};

/// No login with AWS IAM Identity Center, or none any more.
pub(super) const NO_SSO_SESSION: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Expired,
    passes_by_itself: false,
    remedy: "log in to AWS again (`aws sso login`)",
};

/// A source of credentials that failed, such as a `credential_process`.
pub(super) const NO_CREDENTIALS_GIVEN: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::CredentialsFailed,
    passes_by_itself: false,
    remedy: "correct what the profile in ~/.aws/config names as the source of its credentials",
};

/// AWS STS refuses the role of a profile.
pub(super) const ROLE_DENIED: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::CredentialsFailed,
    passes_by_itself: false,
    remedy: "allow the profile's source to assume the role; if the role asks for MFA, let the AWS CLI ask for the code, \
             with `eval \"$(aws configure export-credentials --format env --profile NAME)\"`, and name no profile here",
};

/// A profile that no SDK can use, or this one cannot.
pub(super) const INVALID_PROFILE: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::CredentialsFailed,
    passes_by_itself: false,
    remedy: "correct the profile in ~/.aws/config",
};

/// The endpoint that gives a container its credentials does not, or answers with something else.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
pub(super) const CONTAINER_ENDPOINT: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::EndpointFailed,
    passes_by_itself: true,
    remedy: "check that AWS_CONTAINER_CREDENTIALS_FULL_URI or AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is as the container's \
             service sets it; outside such a container, unset it and name a profile that has credentials of its own",
};

/// The same for a virtual machine.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html>
pub(super) const INSTANCE_ENDPOINT: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::EndpointFailed,
    passes_by_itself: true,
    remedy: "on a virtual machine of Amazon EC2, give it an IAM role and turn its metadata service on (with a hop limit of \
             2 for a container in it); elsewhere, log in to AWS and name a profile that has credentials of its own",
};

/// The source is turned off by hand.
pub(super) const INSTANCE_ENDPOINT_DISABLED: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::EndpointFailed,
    passes_by_itself: false,
    remedy: "unset AWS_EC2_METADATA_DISABLED, or name a profile whose credentials come from another source than the \
             metadata of Amazon EC2",
};

/// The SDK's feature for it is not compiled in.
pub(super) const UNSUPPORTED_PROFILE: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::CredentialsFailed,
    passes_by_itself: false,
    remedy: "let the AWS CLI read the profile, with `eval \"$(aws configure export-credentials --format env --profile \
             NAME)\"`, and name no profile here",
};

pub(super) const UNREACHABLE: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Unreachable,
    passes_by_itself: true,
    remedy: "check the network, the region and AWS_ENDPOINT_URL; inside a VPC, AWS needs an interface endpoint or a \
             NAT gateway",
};

/// A connection was made, and no answer came on it.
pub(super) const SILENT: Meaning = Meaning { cause: AwsCause::Silent, ..UNREACHABLE };

pub(super) const PROXY: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Proxy,
    passes_by_itself: false,
    remedy: "correct the proxy in HTTPS_PROXY and HTTP_PROXY, with its user and password, or name AWS in NO_PROXY",
};

/// A certificate that the SDK does not trust. In the function it trusts Amazon's own roots alone.
pub(super) const UNTRUSTED: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Untrusted,
    passes_by_itself: false,
    remedy: "let the requests to AWS pass without a proxy that opens TLS: only certificates of Amazon are trusted, and \
             AWS_CA_BUNDLE is not read",
};

/// A certificate whose time is over, or has not begun.
pub(super) const CERTIFICATE_EXPIRED: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Certificate,
    passes_by_itself: false,
    remedy: "correct this machine's clock, or have the server's certificate renewed if the clock is right",
};

/// The certificate of another host.
pub(super) const CERTIFICATE_OF_ANOTHER: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Certificate,
    passes_by_itself: false,
    remedy: "check AWS_ENDPOINT_URL, the DNS and the proxy: another server answers in AWS's place",
};

pub(super) const NOT_SENT: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::NotSent,
    passes_by_itself: false,
    remedy: "set AWS_REGION to a region such as eu-central-1, and check AWS_ENDPOINT_URL",
};

/// An endpoint that is no URL, or one of another protocol.
pub(super) const ENDPOINT: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::NotSent,
    passes_by_itself: false,
    remedy: "set AWS_ENDPOINT_URL and those of single services, or endpoint_url in the profile, to URLs that begin with \
             https:// or http://, or unset them",
};

/// A URL of one's own, and a kind of AWS's own endpoints.
pub(super) const ENDPOINT_EXCLUDED: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::NotSent,
    passes_by_itself: false,
    remedy: "unset AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT, or AWS_ENDPOINT_URL and those of single services: \
             they exclude each other, in the environment as in a profile",
};

/// An answer that is not AWS's, such as the page of a captive portal.
pub(super) const UNREADABLE: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Unreadable,
    passes_by_itself: true,
    remedy: "check the network for a login page or a proxy, and AWS_ENDPOINT_URL, then try again",
};

pub(super) const UNKNOWN: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Other,
    passes_by_itself: false,
    remedy: "look the AWS error code up in the documentation of the action",
};
