//! A DB instance as `DescribeDBInstances` reports it.

use super::Instance;
use crate::rds::account::Account;
use crate::rds::answer::Xml;
use crate::rds::settings::HIDDEN_WHILE_PENDING;

impl Instance {
    pub(in crate::rds) fn arn(&self) -> String {
        format!("arn:aws:rds:eu-central-1:{}:db:{}", super::super::ACCOUNT, self.identifier)
    }

    pub(in crate::rds) fn view(&self, account: &Account) -> Xml {
        let mut view = Xml::default()
            .text("DBInstanceIdentifier", &self.identifier)
            .text("DBInstanceArn", self.arn())
            .text("DbiResourceId", format!("db-{}", self.identifier.to_uppercase()))
            .text("Engine", &self.engine)
            .text("DBInstanceStatus", self.reported_status())
            .text("BackupTarget", "region");
        let is_pending = |name: &str| self.pending.contains_key(name);
        for (name, value) in self.values.iter().filter(|(name, _)| *name != "Port") {
            view = view.text(name, value);
        }
        if self.has_endpoint() {
            let endpoint = Xml::default()
                .text("Address", format!("{}.c0ffee.eu-central-1.rds.amazonaws.com", self.identifier))
                .text("Port", self.get("Port"))
                .text("HostedZoneId", "Z1RLNUO7B9Q6NB");
            view = view.node("Endpoint", endpoint).text("InstanceCreateTime", &self.created);
            let certificate = Xml::default().text("CAIdentifier", self.get("CACertificateIdentifier"));
            view = view.node("CertificateDetails", certificate.text("ValidTill", &self.certificate_until));
            if self.get("BackupRetentionPeriod") != "0" {
                view = view.text("LatestRestorableTime", account.calendar.now());
            }
        }
        let mut pending = Xml::default();
        for (name, value) in &self.pending {
            if !HIDDEN_WHILE_PENDING.contains(&name.as_str()) {
                pending = pending.text(name, value);
            }
        }
        if self.reported_status() == "resetting-master-credentials" {
            pending = pending.text("MasterUserPassword", "****");
        }
        let parameters = Xml::default()
            .text("DBParameterGroupName", &self.parameter_group)
            .text("ParameterApplyStatus", &self.parameter_status);
        // In another order than they were sent in: https://github.com/hashicorp/terraform-provider-aws/issues/15146
        let groups = self.security_groups.iter().rev();
        let groups = groups.map(|id| Xml::default().text("VpcSecurityGroupId", id).text("Status", "active"));
        let tags = self.tags.iter().map(|(key, value)| Xml::default().text("Key", key).text("Value", value));
        let secret = self.secret.as_ref().map(|arn| {
            let key = format!("arn:aws:kms:eu-central-1:{}:key/of-secrets-manager", super::super::ACCOUNT);
            let status = if self.reported_status() == "creating" { "creating" } else { "active" };
            Xml::default().text("SecretArn", arn).text("SecretStatus", status).text("KmsKeyId", key)
        });
        view = view
            .node("PendingModifiedValues", pending)
            .list("DBParameterGroups", "DBParameterGroup", [parameters])
            .list("VpcSecurityGroups", "VpcSecurityGroupMembership", groups)
            .list("TagList", "Tag", tags)
            .node("DBSubnetGroup", account.subnet_group_view(&self.subnet_group))
            .optional("AutomaticRestartTime", self.restart_time(account.calendar));
        if !self.logs.is_empty() {
            view = view.texts("EnabledCloudwatchLogsExports", "member", &self.logs);
        }
        if is_pending("StorageType") || self.is_optimizing() {
            view = view.text("PercentProgress", "50");
        }
        match secret {
            Some(secret) => view.node("MasterUserSecret", secret),
            None => view,
        }
    }
}
