//! Who may log in and how: the master user, IAM, certificates, and Kerberos.

use aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder as Modify;
use aws_sdk_rds::types::{DbInstance, DomainMembership};
use secrecy::{ExposeSecret, SecretString};

use super::{ATTRIBUTE, Attribute, Timing, kms_key};
use crate::declaration::{Domain, Password};

pub(super) const ROWS: &[Attribute] = &[
    Attribute {
        key: "iam_authentication",
        declared: |w, _| Some(w.declaration.iam_authentication.to_string()),
        current: |i| i.iam_database_authentication_enabled.map(|value| value.to_string()),
        timing: |_, _| Timing::OnRequest,
        create: |r, w| r.enable_iam_database_authentication(w.declaration.iam_authentication),
        modify: |r, w, _| r.enable_iam_database_authentication(w.declaration.iam_authentication),
        ..ATTRIBUTE
    },
    Attribute {
        key: "ca",
        declared: |w, _| Some(w.declaration.ca.identifier().to_owned()),
        current: |i| i.ca_certificate_identifier.clone(),
        timing: |_, _| Timing::Interruption,
        create: |r, w| r.ca_certificate_identifier(w.declaration.ca.identifier()),
        modify: |r, w, _| r.ca_certificate_identifier(w.declaration.ca.identifier()),
        ..ATTRIBUTE
    },
    Attribute {
        key: "master.user",
        declared: |w, _| Some(w.declaration.master.user.clone()),
        current: |i| i.master_username.clone(),
        timing: |_, _| Timing::Never,
        create: |r, w| r.master_username(&w.declaration.master.user),
        ..ATTRIBUTE
    },
    Attribute {
        key: "master.password",
        declared: |w, i| {
            let is_replaced = w.password.is_some() && i.is_some_and(|i| i.master_user_secret.is_none());
            Some(match w.declaration.master.password {
                Password::Managed => "managed".to_owned(),
                Password::Given if is_replaced => "another one".to_owned(),
                Password::Given => "given".to_owned(),
            })
        },
        current: |i| Some(if i.master_user_secret.is_some() { "managed" } else { "given" }.to_owned()),
        note: |w, i| match w.declaration.master.password {
            Password::Managed => Some("RDS replaces it; other programs read it from the new secret".into()),
            Password::Given if i.master_user_secret.is_some() => {
                Some("RDS deletes its secret; needs --password-file".into())
            }
            Password::Given => None,
        },
        create: |r, w| match w.declaration.master.password {
            Password::Managed => r
                .manage_master_user_password(true)
                .set_master_user_secret_kms_key_id(w.declaration.master.secret_kms_key.clone()),
            Password::Given => r.set_master_user_password(exposed(w.password.as_ref())),
        },
        modify: |r, w, i| match w.declaration.master.password {
            Password::Managed => r
                .manage_master_user_password(true)
                .set_master_user_secret_kms_key_id(w.declaration.master.secret_kms_key.clone()),
            Password::Given => r
                .set_manage_master_user_password(i.master_user_secret.is_some().then_some(false))
                .set_master_user_password(exposed(w.password.as_ref())),
        },
        ..ATTRIBUTE
    },
    Attribute {
        key: "master.secret_kms_key",
        declared: |w, i| {
            let reported = i.map(|i| i.master_user_secret.as_ref().and_then(|secret| secret.kms_key_id.as_deref()));
            // Where there is no secret yet, the password brings the key along.
            kms_key(w.declaration.master.secret_kms_key.as_ref(), reported.flatten())
        },
        current: |i| i.master_user_secret.as_ref().and_then(|secret| secret.kms_key_id.clone()),
        timing: |_, _| Timing::Never,
        note: |_, _| Some("apply password = \"given\" once, then \"managed\" with the new key".into()),
        ..ATTRIBUTE
    },
    Attribute {
        key: "domain",
        declared: |w, _| Some(w.declaration.domain.as_ref().map_or_else(|| "none".to_owned(), shown)),
        current: |i| Some(joined(i).as_ref().map_or_else(|| "none".to_owned(), shown)),
        timing: |_, _| Timing::Interruption,
        create: |r, w| match &w.declaration.domain {
            None => r,
            Some(Domain { directory, iam_role, fqdn, ou, auth_secret_arn, dns_ips }) => r
                .set_domain(directory.clone())
                .set_domain_iam_role_name(iam_role.clone())
                .set_domain_fqdn(fqdn.clone())
                .set_domain_ou(ou.clone())
                .set_domain_auth_secret_arn(auth_secret_arn.clone())
                .set_domain_dns_ips(list(dns_ips)),
        },
        modify: |r, w, _| match &w.declaration.domain {
            None => r.disable_domain(true),
            Some(domain) => join(r, domain),
        },
        ..ATTRIBUTE
    },
];

fn exposed(password: Option<&SecretString>) -> Option<String> {
    password.map(|password| password.expose_secret().to_owned())
}

fn list(texts: &[String]) -> Option<Vec<String>> {
    Some(texts.to_vec()).filter(|texts| !texts.is_empty())
}

fn join(request: Modify, domain: &Domain) -> Modify {
    let Domain { directory, iam_role, fqdn, ou, auth_secret_arn, dns_ips } = domain;
    request
        .set_domain(directory.clone())
        .set_domain_iam_role_name(iam_role.clone())
        .set_domain_fqdn(fqdn.clone())
        .set_domain_ou(ou.clone())
        .set_domain_auth_secret_arn(auth_secret_arn.clone())
        .set_domain_dns_ips(list(dns_ips))
}

/// A membership that is left or was never joined, by its status.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/postgresql-kerberos-managing.html>
const NOT_JOINED: [&str; 6] =
    ["removed", "failed", "disabling-kerberos", "pending-disable-kerberos", "enable-kerberos-failed", TO_JOIN];

/// A membership that begins in the maintenance window.
const TO_JOIN: &str = "pending-maintenance-enable-kerberos";

/// A membership that ends in the maintenance window.
const TO_LEAVE: &str = "pending-maintenance-disable-kerberos";

/// The domain that the instance has joined, or is joining.
fn joined(instance: &DbInstance) -> Option<Domain> {
    let is_joined = |member: &&DomainMembership| !member.status().is_some_and(|status| NOT_JOINED.contains(&status));
    instance.domain_memberships().iter().find(is_joined).map(of_member)
}

/// The domain that the instance joins in the maintenance window, or that it is to leave the one that it has joined.
pub(in super::super) fn queued_domain(instance: &DbInstance) -> Option<String> {
    let has_status = |wanted| move |member: &&DomainMembership| member.status() == Some(wanted);
    let members = || instance.domain_memberships().iter();
    let joins = members().find(has_status(TO_JOIN)).map(|member| shown(&of_member(member)));
    joins.or_else(|| members().find(has_status(TO_LEAVE)).map(|_| "none".to_owned()))
}

fn of_member(member: &DomainMembership) -> Domain {
    // RDS reports the name of a directory of AWS as well.
    if member.auth_secret_arn.is_some() {
        Domain {
            fqdn: member.fqdn.clone(),
            ou: member.ou.clone(),
            auth_secret_arn: member.auth_secret_arn.clone(),
            dns_ips: member.dns_ips().to_vec(),
            ..Domain::default()
        }
    } else {
        Domain { directory: member.domain.clone(), iam_role: member.iam_role_name.clone(), ..Domain::default() }
    }
}

/// All of a domain in one line.
fn shown(domain: &Domain) -> String {
    let Domain { directory, iam_role, fqdn, ou, auth_secret_arn, dns_ips } = domain;
    let parts = [directory, fqdn, iam_role, ou, auth_secret_arn].into_iter().flatten().cloned();
    parts.chain(dns_ips.iter().cloned()).collect::<Vec<_>>().join(" ")
}
