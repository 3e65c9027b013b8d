//! The one table of what each error code of AWS means, whether it passes by itself, and what to do.

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
        codes: &["DecryptionFailure", "KMS.AccessDeniedException", "KMSAccessDeniedException", "KmsAccessDenied"],
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
        codes: &["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"],
        cause: AwsCause::NotFound,
        passes_by_itself: false,
        remedy: "check the URL or name of the queue, and that it is in this region and account",
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

/// A code that the table does not have.
pub(super) const UNKNOWN: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Other,
    passes_by_itself: false,
    remedy: "look the AWS error code up in the documentation of the action",
};
