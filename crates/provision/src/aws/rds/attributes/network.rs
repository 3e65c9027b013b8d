//! How the DB instance is reached.

use aws_sdk_rds::types::DbInstance;

use super::{ATTRIBUTE, Attribute, Timing};

const NETWORK_TYPE: &str = "network.type";

pub(super) const ROWS: &[Attribute] = &[
    Attribute {
        key: "publicly_accessible",
        declared: |w, _| Some(w.declaration.publicly_accessible.to_string()),
        current: |i| i.publicly_accessible.map(|value| value.to_string()),
        create: |r, w| r.publicly_accessible(w.declaration.publicly_accessible),
        modify: |r, w, _| r.publicly_accessible(w.declaration.publicly_accessible),
        ..ATTRIBUTE
    },
    Attribute {
        key: "network.security_groups",
        declared: |w, _| Some(sorted(w.security_groups.clone())),
        current: |i| Some(sorted(attached_security_groups(i))),
        create: |r, w| r.set_vpc_security_group_ids(Some(w.security_groups.clone())),
        modify: |r, w, _| r.set_vpc_security_group_ids(Some(w.security_groups.clone())),
        ..ATTRIBUTE
    },
    Attribute {
        key: "network.subnet_group",
        declared: |w, _| w.declaration.network.subnet_group.clone(),
        current: |i| i.db_subnet_group.as_ref().and_then(|group| group.db_subnet_group_name.clone()),
        // RDS can move an instance to another VPC. It needs security groups of that VPC in the same request, takes every
        // client's way in away, and is no step of an apply.
        timing: |_, _| Timing::Never,
        create: |r, w| r.set_db_subnet_group_name(w.declaration.network.subnet_group.clone()),
        // Withdraws a move that is queued.
        modify: |r, w, _| r.set_db_subnet_group_name(w.declaration.network.subnet_group.clone()),
        ..ATTRIBUTE
    },
    Attribute {
        key: NETWORK_TYPE,
        declared: |w, _| Some(w.declaration.network.kind.name().to_owned()),
        current: |i| i.network_type.clone(),
        timing: |_, _| Timing::Interruption,
        note: |_, _| Some("RDS does not report whether it is queued already".into()),
        create: |r, w| r.network_type(w.declaration.network.kind.name()),
        modify: |r, w, _| r.network_type(w.declaration.network.kind.name()),
    },
];

/// The ids of the security groups that are attached to the DB instance.
pub(crate) fn attached_security_groups(instance: &DbInstance) -> Vec<String> {
    let is_attached = |status: &str| status != "removing";
    let groups = instance.vpc_security_groups().iter().filter(|group| group.status().is_none_or(is_attached));
    groups.filter_map(|group| group.vpc_security_group_id.clone()).collect()
}

/// Whether a change of this attribute may be queued without a word from RDS.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PendingModifiedValues.html> has no field for it.
pub(crate) fn is_queued_unseen(attribute: &Attribute) -> bool {
    attribute.key == NETWORK_TYPE
}

/// RDS reports the groups in any order.
fn sorted(mut groups: Vec<String>) -> String {
    groups.sort_unstable();
    groups.join(" ")
}
