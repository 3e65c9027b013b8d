//! The Active Directory domain of the DB instance, for logins with Kerberos.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/postgresql-kerberos.html>

use anyhow::ensure;
use serde::Deserialize;

use super::values;

/// A domain of AWS Directory Service, by its id, or a self-managed one, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Domain {
    /// The directory's id, such as `d-1234567890`.
    #[serde(deserialize_with = "values::present")]
    pub(crate) directory: Option<String>,
    /// The role that RDS calls the Directory Service with: its name, not its ARN.
    #[serde(deserialize_with = "values::present")]
    pub(crate) iam_role: Option<String>,
    #[serde(deserialize_with = "values::present")]
    pub(crate) fqdn: Option<String>,
    /// The organizational unit that the instance joins.
    #[serde(deserialize_with = "values::present")]
    pub(crate) ou: Option<String>,
    /// The secret with the login that joins the domain.
    #[serde(deserialize_with = "values::present")]
    pub(crate) auth_secret_arn: Option<String>,
    pub(crate) dns_ips: Vec<String>,
}

impl Domain {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Self { directory, iam_role, fqdn, ou, auth_secret_arn, dns_ips } = self;
        let is_self_managed = fqdn.is_some() || ou.is_some() || auth_secret_arn.is_some() || !dns_ips.is_empty();
        ensure!(
            directory.is_some() != is_self_managed,
            "[domain] needs either directory and iam_role, or fqdn, ou, auth_secret_arn and dns_ips"
        );
        if directory.is_some() {
            ensure!(iam_role.is_some(), "domain.directory needs domain.iam_role, the name of a role");
        } else {
            ensure!(
                fqdn.is_some() && ou.is_some() && auth_secret_arn.is_some(),
                "a self-managed domain needs domain.fqdn, domain.ou and domain.auth_secret_arn"
            );
            ensure!(
                dns_ips.len() == 2 && dns_ips.iter().all(|ip| ip.parse::<std::net::Ipv4Addr>().is_ok()),
                "domain.dns_ips needs two IPv4 addresses; repeat one if there is only one"
            );
        }
        Ok(())
    }
}
