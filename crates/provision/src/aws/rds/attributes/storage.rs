//! The storage and its encryption.

use aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder as Modify;
use aws_sdk_rds::types::DbInstance;

use super::{ATTRIBUTE, Attribute, Timing, Wanted, kms_key, pending};
use crate::declaration::{GP3_BASELINE, GP3_STRIPED, Storage, StorageType};

pub(super) const ROWS: &[Attribute] = &[
    Attribute {
        key: "storage.type",
        declared: |w, _| Some(w.declaration.storage.kind.name().to_owned()),
        current: |i| i.storage_type.clone(),
        timing: change,
        create: |r, w| r.storage_type(w.declaration.storage.kind.name()),
        modify: modify_all,
        ..ATTRIBUTE
    },
    Attribute {
        key: "storage.size",
        declared: |w, i| Some(size(&w.declaration.storage, i).to_string()),
        current: |i| i.allocated_storage.map(|size| size.to_string()),
        timing: |w, i| {
            if refusal(&w.declaration.storage, i).is_some() { Timing::Never } else { change(w, i) }
        },
        note: |w, i| refusal(&w.declaration.storage, i),
        create: |r, w| r.allocated_storage(w.declaration.storage.size),
        modify: modify_all,
    },
    Attribute {
        key: "storage.growth_limit",
        declared: |w, i| {
            let limit = w.declaration.storage.growth_limit;
            // RDS has no value for "off"; a limit that is reached already has the same effect.
            let is_off = |i: &&DbInstance| limit == 0 && i.max_allocated_storage <= i.allocated_storage;
            let reached = i.filter(is_off).and_then(|i| i.max_allocated_storage);
            Some(reached.unwrap_or(limit).to_string())
        },
        current: |i| Some(i.max_allocated_storage.unwrap_or(0).to_string()),
        create: |r, w| {
            let limit = w.declaration.storage.growth_limit;
            r.set_max_allocated_storage((limit > 0).then_some(limit))
        },
        modify: |r, w, i| {
            let storage = &w.declaration.storage;
            r.max_allocated_storage(if storage.growth_limit == 0 {
                size(storage, Some(i))
            } else {
                storage.growth_limit
            })
        },
        ..ATTRIBUTE
    },
    Attribute {
        key: "storage.iops",
        declared: |w, _| w.declaration.storage.iops.map(|iops| iops.to_string()),
        current: |i| Some(i.iops.unwrap_or(0).to_string()),
        timing: change,
        create: |r, w| r.set_iops(w.declaration.storage.iops),
        modify: modify_all,
        ..ATTRIBUTE
    },
    Attribute {
        key: "storage.throughput",
        declared: |w, _| w.declaration.storage.throughput.map(|throughput| throughput.to_string()),
        current: |i| Some(i.storage_throughput.unwrap_or(0).to_string()),
        timing: change,
        create: |r, w| r.set_storage_throughput(w.declaration.storage.throughput),
        modify: modify_all,
        ..ATTRIBUTE
    },
    Attribute {
        key: "storage.dedicated_log_volume",
        declared: |w, _| Some(w.declaration.storage.dedicated_log_volume.to_string()),
        current: |i| i.dedicated_log_volume.map(|value| value.to_string()),
        // https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.dlv.html
        timing: |_, _| Timing::Interruption,
        note: |_, _| Some("a reboot puts it in force: `provision instance reboot`"),
        create: |r, w| {
            let is_declared = w.declaration.storage.dedicated_log_volume;
            r.set_dedicated_log_volume(is_declared.then_some(true))
        },
        modify: |r, w, _| r.dedicated_log_volume(w.declaration.storage.dedicated_log_volume),
        ..ATTRIBUTE
    },
    Attribute {
        key: "encryption.enabled",
        declared: |w, _| Some(w.declaration.encryption.enabled.to_string()),
        current: |i| i.storage_encrypted.map(|value| value.to_string()),
        timing: |_, _| Timing::Never,
        create: |r, w| r.storage_encrypted(w.declaration.encryption.enabled),
        ..ATTRIBUTE
    },
    Attribute {
        key: "encryption.kms_key",
        declared: |w, i| kms_key(w.declaration.encryption.kms_key.as_ref(), i.and_then(|i| i.kms_key_id.as_deref())),
        current: |i| i.kms_key_id.clone(),
        timing: |_, _| Timing::Never,
        create: |r, w| r.set_kms_key_id(w.declaration.encryption.kms_key.clone()),
        ..ATTRIBUTE
    },
];

/// The size that should be there, in GiB. While RDS may grow it, the declared size is the least.
fn size(storage: &Storage, instance: Option<&DbInstance>) -> i32 {
    let allocated = instance.and_then(|instance| {
        let pending = pending(instance, "storage.size").and_then(|size| size.parse().ok());
        pending.max(instance.allocated_storage)
    });
    match allocated {
        Some(allocated) if storage.growth_limit > 0 && allocated >= storage.size => allocated,
        Some(allocated) if storage.growth_limit > 0 => storage.size.max(least_raise(allocated)),
        _ => storage.size,
    }
}

/// What RDS makes of a raise by less than a tenth.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>
fn least_raise(allocated: i32) -> i32 {
    allocated + (allocated + 9) / 10
}

/// Why the instance cannot have exactly the declared size.
fn refusal(storage: &Storage, instance: &DbInstance) -> Option<&'static str> {
    let allocated = instance.allocated_storage?;
    if allocated > storage.size {
        Some("storage never shrinks")
    } else if storage.growth_limit == 0 && storage.size > allocated && storage.size < least_raise(allocated) {
        Some("RDS raises storage by a tenth at least")
    } else {
        None
    }
}

/// A change to or from provisioned or magnetic storage begins with an interruption; all storage attributes go in one request.
fn change(wanted: &Wanted, instance: &DbInstance) -> Timing {
    let (from, to) = (instance.storage_type().unwrap_or_default(), wanted.declaration.storage.kind);
    let is_general = !to.is_provisioned() && ["gp2", "gp3"].contains(&from);
    if from == to.name() || is_general { Timing::OnRequest } else { Timing::Interruption }
}

/// RDS refuses a part of what belongs together: with provisioned IOPS, the size needs them too.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>
fn modify_all(request: Modify, wanted: &Wanted, instance: &DbInstance) -> Modify {
    let storage = &wanted.declaration.storage;
    let size = size(storage, Some(instance));
    let is_striped = storage.kind == StorageType::Gp3 && size >= GP3_STRIPED;
    let has_iops = storage.kind.is_provisioned() || is_striped;
    let iops = storage.iops.or_else(|| instance.iops.max(Some(GP3_BASELINE.0)));
    let throughput = storage.throughput.or_else(|| instance.storage_throughput.max(Some(GP3_BASELINE.1)));
    request
        .allocated_storage(size)
        .set_storage_type(
            (instance.storage_type() != Some(storage.kind.name())).then(|| storage.kind.name().to_owned()),
        )
        .set_iops(iops.filter(|_| has_iops))
        .set_storage_throughput(throughput.filter(|_| is_striped))
}
