//! Endpoints of Amazon RDS, by their host names.

/// The domains of the partitions of AWS: of the commercial regions and the American government, China, the European
/// sovereign cloud, and the four that are isolated.
/// <https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json>
const DOMAINS: [&str; 7] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "csp.hci.ic.gov",
    "cloud.adc-e.uk",
];

/// The DB instance that this host is the endpoint of, such as `users-db` of
/// `users-db.abc.eu-central-1.rds.amazonaws.com`. Behind the name of anything else, as a proxy, a cluster or a shard group,
/// stands an id with a hyphen, such as `proxy-abc`.
pub(super) fn instance_at(host: &str) -> Option<String> {
    let host = host.to_ascii_lowercase();
    match labels_on_rds(&host)?.as_slice() {
        [instance, id, _, _] if !id.contains('-') => Some((*instance).to_owned()),
        _ => None,
    }
}

/// Returns whether the host is an endpoint of Amazon RDS. In China and in some other regions, the word `rds` stands before
/// the region and not behind it.
/// <https://docs.aws.amazon.com/general/latest/gr/rds-service.html>
pub(super) fn is_on_rds(host: &str) -> bool {
    labels_on_rds(&host.to_ascii_lowercase()).is_some()
}

/// The labels of an endpoint before the domain; the last two are `rds` and the region.
fn labels_on_rds(host: &str) -> Option<Vec<&str>> {
    let name = DOMAINS.iter().find_map(|domain| host.strip_suffix(domain)?.strip_suffix('.'))?;
    let labels: Vec<_> = name.split('.').collect();
    labels.iter().rev().take(2).any(|label| *label == "rds").then_some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instance_is_recognised_by_its_endpoint() {
        for host in [
            "users-db.abc123.eu-central-1.rds.amazonaws.com",
            "Users-DB.abc123.EU-CENTRAL-1.RDS.amazonaws.com",
            "users-db.abc123.rds.cn-north-1.amazonaws.com.cn",
            "users-db.abc123.cn-north-1.rds.amazonaws.com.cn",
            "users-db.abc123.us-gov-west-1.rds.amazonaws.com",
            "users-db.abc123.rds.us-gov-east-1.amazonaws.com",
            "users-db.abc123.eusc-de-east-1.rds.amazonaws.eu",
            "users-db.abc123.us-iso-east-1.rds.c2s.ic.gov",
            "users-db.abc123.rds.us-isob-east-1.sc2s.sgov.gov",
            "users-db.abc123.us-isof-south-1.rds.csp.hci.ic.gov",
            "users-db.abc123.eu-isoe-west-1.rds.cloud.adc-e.uk",
        ] {
            assert_eq!(instance_at(host).as_deref(), Some("users-db"), "{host}");
        }
    }

    #[test]
    fn what_is_no_instance_is_on_rds_as_well() {
        for host in [
            "proxy.proxy-abc123.eu-central-1.rds.amazonaws.com",
            "cluster.cluster-abc123.eu-central-1.rds.amazonaws.com",
            "cluster.cluster-ro-abc123.rds.cn-north-1.amazonaws.com.cn",
            "read.endpoint.proxy-abc123.eu-central-1.rds.amazonaws.com",
            "users.global-abc123.global.rds.amazonaws.com",
            "shards.shardgrp-abc123.eu-central-1.rds.amazonaws.com",
            "custom.cluster-custom-abc123.eu-central-1.rds.amazonaws.com",
            "rds.eu-central-1.amazonaws.com",
        ] {
            assert!(is_on_rds(host), "{host}");
            assert_eq!(instance_at(host), None, "{host}");
        }
    }

    #[test]
    fn a_host_elsewhere_is_no_endpoint() {
        for host in [
            "users-db.example.com",
            "rds.example.com",
            "rds.amazonaws.com.example.com",
            "rds.notamazonaws.com",
            "ec2-1-2-3-4.eu-west-1.compute.amazonaws.com",
            "rds-backup.eu-west-1.amazonaws.com",
            "amazonaws.com",
            "localhost",
        ] {
            assert!(!is_on_rds(host), "{host}");
            assert_eq!(instance_at(host), None, "{host}");
        }
    }
}
