//! What each error without a code of AWS means: credentials that cannot be had, the network, proxies, TLS, other answers.

use super::AwsCause;
use super::table::Meaning;

/// An HTTP status of 500 or more without an error of AWS, such as a proxy's or a load balancer's.
pub(super) const UNAVAILABLE_WITHOUT_CODE: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Unavailable,
    passes_by_itself: true,
    remedy: "try again in a moment; then check the proxy and AWS_ENDPOINT_URL: AWS's own errors have a code",
};

/// An HTTP status of 429 without an error of AWS, such as a proxy's.
pub(super) const THROTTLED: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Throttled,
    passes_by_itself: true,
    remedy: "try again in a moment; if it happens often, ask who runs the proxy: AWS's own errors have a code",
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
             with `eval \"$(aws configure export-credentials --format env --profile NAME)\"`; then name no profile here, \
             but its region with --region or AWS_REGION",
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
             NAME)\"`; then name no profile here, but its region with --region or AWS_REGION",
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

/// A certificate that the SDK does not trust. In the function it trusts Amazon's own roots alone, unless it is told others.
pub(super) const UNTRUSTED: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Untrusted,
    passes_by_itself: false,
    remedy: "let the requests to AWS pass without a proxy that opens TLS, or name the PEM file with its roots in \
             AWS_CA_BUNDLE: without it only certificates of Amazon are trusted",
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

/// An answer of AWS that the SDK cannot parse, such as one with half a character in a text.
pub(super) const MALFORMED: Meaning = Meaning {
    codes: &[],
    cause: AwsCause::Malformed,
    passes_by_itself: false,
    remedy: "send the same request with the AWS CLI, and correct the value in its answer that is no valid text or number; if \
             there is none, check the proxy and AWS_ENDPOINT_URL",
};
