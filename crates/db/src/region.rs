//! The region of AWS that a host, a secret or the environment names, and the variables that the SDK reads by itself.

use url::Url;

use crate::Error;
use crate::name::Name;
use crate::settings::invalid;
use crate::variables::Variables;

/// The region in the host name of an endpoint of RDS, an instance's, a cluster's or a proxy's, such as
/// `app.cluster-abc.eu-west-1.rds.amazonaws.com`; in China, the two words stand the other way round.
/// <https://docs.aws.amazon.com/general/latest/gr/rds-service.html>
pub(crate) fn of_host(host: &str) -> Option<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let name = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let mut labels = name.rsplit('.');
    match (labels.next()?, labels.next()?) {
        ("rds", region) | (region, "rds") => Some(region.to_owned()),
        _ => None,
    }
}

/// Whether the host is an endpoint of RDS Proxy, of any region.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-endpoints.html>
pub fn is_proxy(host: &str) -> bool {
    host.contains(".proxy-")
}

/// The region in the ARN of a secret. A secret's plain name is in the region of the environment.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
pub(crate) fn of_secret(id: &str) -> Option<&str> {
    id.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

/// The region in the host of a queue's URL, in each form that AWS has had; none for an endpoint of another kind.
/// <https://docs.aws.amazon.com/general/latest/gr/sqs-service.html>
pub fn of_queue(host: &str) -> Option<&str> {
    let labels: Vec<&str> = host.split('.').collect();
    let place = |wanted: &[&str]| labels.iter().position(|label| wanted.contains(label));
    let is_aws = [".amazonaws.com", ".amazonaws.com.cn", ".aws"].iter().any(|end| host.ends_with(end));
    if !is_aws {
        None
    } else if let Some(service) = place(&["sqs", "sqs-fips"]) {
        labels.get(service + 1).copied()
    } else {
        // The oldest form, which Virginia has without its region.
        place(&["queue"]).map(|service| service.checked_sub(1).map_or("us-east-1", |before| labels[before]))
    }
}

/// The region of the environment, as the SDK chooses it.
pub(crate) fn of_environment(variables: &Variables<'_>) -> Result<Option<String>, Error> {
    let set = |name| variables.text(name)?.map(|region| Name::Region.parse_variable(name, &region)).transpose();
    Ok(set("AWS_REGION")?.or(set("AWS_DEFAULT_REGION")?))
}

/// Refuses values that the SDK reads by itself, as they are, and only notices when it panics on a header, or when it cannot connect.
pub(crate) fn check_aws(variables: &Variables<'_>) -> Result<(), Error> {
    // On Lambda they come from the execution role, and have no white space.
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        if variables.raw(name)?.is_some_and(|value| !value.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(invalid(
                format!("{name} holds a character that no AWS credentials have"),
                "set it to the value alone, without line breaks, spaces and quotes, or unset it to use the role",
            ));
        }
    }
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER"] {
        if variables.raw(name)?.is_some_and(|value| !is_endpoint(&value)) {
            return Err(invalid(
                format!("{name} is not an endpoint's URL"),
                "set it to a URL such as https://secretsmanager.eu-central-1.amazonaws.com, or unset it",
            ));
        }
    }
    Ok(())
}

/// Returns whether it is the URL of an endpoint for the SDK, which is stricter than the URLs of browsers, and sends neither
/// a user nor a query.
fn is_endpoint(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let is_host = |host: &str| {
        // The browsers' reading completes and decodes what is no host name.
        Name::Host.parse(host).is_some() && (authority.starts_with('[') || authority.starts_with(host))
    };
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%/:[]".contains(&byte))
        && !authority.ends_with(':')
        && Url::parse(text).is_ok_and(|url| url.host_str().is_some_and(is_host) && url.port() != Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_of_an_endpoint_of_rds_is_in_its_host_name() {
        for (host, region) in [
            ("app.abc.eu-west-1.rds.amazonaws.com", Some("eu-west-1")),
            ("APP.abc.eu-west-1.rds.amazonaws.com.", Some("eu-west-1")),
            ("app.cluster-abc.us-east-2.rds.amazonaws.com", Some("us-east-2")),
            ("app.cluster-ro-abc.us-east-2.rds.amazonaws.com", Some("us-east-2")),
            ("reports.cluster-custom-abc.us-east-2.rds.amazonaws.com", Some("us-east-2")),
            ("app.proxy-abc.ap-south-1.rds.amazonaws.com", Some("ap-south-1")),
            ("read.endpoint.proxy-abc.ap-south-1.rds.amazonaws.com", Some("ap-south-1")),
            ("app.abc.us-gov-west-1.rds.amazonaws.com", Some("us-gov-west-1")),
            ("app.abc.rds.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("app.abc.cn-northwest-1.rds.amazonaws.com.cn", Some("cn-northwest-1")),
            ("ec2-1-2-3-4.eu-west-1.compute.amazonaws.com", None),
            ("db.example.com", None),
            ("rds.amazonaws.com.example.com", None),
            ("localhost", None),
        ] {
            assert_eq!(of_host(host).as_deref(), region, "{host}");
        }
    }

    #[test]
    fn the_region_of_a_queue_is_in_the_host_of_its_url() {
        for (host, region) in [
            ("sqs.eu-central-1.amazonaws.com", Some("eu-central-1")),
            ("sqs.eu-central-1.api.aws", Some("eu-central-1")),
            ("sqs-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("sqs.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("vpce-0a1-b2.sqs.eu-central-1.vpce.amazonaws.com", Some("eu-central-1")),
            ("eu-west-1.queue.amazonaws.com", Some("eu-west-1")),
            ("queue.amazonaws.com", Some("us-east-1")),
            ("127.0.0.1:4566", None),
            ("localhost", None),
        ] {
            assert_eq!(of_queue(host), region, "{host}");
        }
    }

    #[test]
    fn the_region_of_a_secret_is_in_its_arn() {
        let arn = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:app-a1B2c3";
        assert_eq!(of_secret(arn), Some("cn-north-1"));
        for id in ["app", "arn:aws", "arn:aws:secretsmanager::1:secret:app", "team/arn"] {
            assert_eq!(of_secret(id), None, "{id}");
        }
    }

    #[test]
    fn what_the_sdk_would_panic_on_is_refused_without_quoting_it() {
        let check =
            |name: &str, value: &str| check_aws(&Variables::new(&|asked: &str| (asked == name).then(|| value.into())));
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            for value in ["hunter2\n", "hunter2\r\n", "hun ter2", "hunter2\u{7f}", "hünter2", "hunter2\0"] {
                let error = check(name, value).expect_err("no credentials have this");
                assert!(error.to_string().starts_with(name) && !format!("{error:?}").contains("ter2"), "{error:?}");
            }
            check(name, "IQoJb3JpZ2luX2VjE//+/=").expect("a token");
        }
        for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER"] {
            for value in [
                "localhost:4566",
                "secretsmanager",
                "http://ada:hunter2@localhost",
                "http://x\n",
                "ftp://x",
                "//localhost",
                "http:127.0.0.1",
                "http:/127.0.0.1",
                "http:///127.0.0.1",
                "http:\\\\127.0.0.1",
                "http://127.0.0.1\\x",
                "http://é.example",
                "http://%6cocalhost",
                "http://1.2.3",
                "http://a..b",
                "http://localhost:",
                "http://localhost:0",
                "http://localhost/?a=hunter2",
                "http://localhost?",
                "http://localhost#hunter2",
                "http://ada@localhost",
                "http://:hunter2@localhost",
                "http://@localhost",
                "http://localhost/a b",
            ] {
                let error = check(name, value).expect_err("no endpoint");
                assert!(error.to_string().starts_with(name) && !format!("{error:?}").contains("hunter2"), "{error:?}");
            }
            for value in [
                "http://127.0.0.1:4566",
                "http://[::1]:4566/",
                "HTTPS://Secretsmanager.eu-central-1.amazonaws.com",
                "https://vpce-1a-2b.secretsmanager.eu-central-1.vpce.amazonaws.com/path",
                "http://localhost.",
            ] {
                check(name, value).unwrap_or_else(|error| panic!("{value} is an endpoint: {error}"));
            }
        }
    }
}
