//! The storage and its encryption.

use aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder as Modify;
use aws_sdk_rds::types::DbInstance;

use super::{ATTRIBUTE, Attribute, Timing, Wanted, kms_key, pending};
use crate::declaration::{GP3_BASELINE, GP3_STRIPED, GP3_THROUGHPUT, Storage, StorageType, least_raise};

/// The way to another encryption: <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.html>
const COPY: &str =
    "an instance restored from a copy of its snapshot can have it: `aws rds copy-db-snapshot --kms-key-id`";

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
        note: |w, i| refusal(&w.declaration.storage, i).map(Into::into),
        create: |r, w| r.allocated_storage(w.declaration.storage.size),
        modify: modify_all,
    },
    Attribute {
        key: "storage.growth_limit",
        declared: |w, i| {
            let storage = &w.declaration.storage;
            // RDS has no value for "off"; a limit that is reached already has the same effect.
            let is_off = |i: &&DbInstance| {
                storage.growth_limit <= size(storage, Some(i)) && i.max_allocated_storage <= i.allocated_storage
            };
            let reached = i.filter(is_off).map(|i| i.max_allocated_storage.unwrap_or(0));
            Some(reached.unwrap_or_else(|| limit(storage, i)).to_string())
        },
        current: |i| Some(i.max_allocated_storage.unwrap_or(0).to_string()),
        timing: |w, i| {
            if limit_refusal(&w.declaration.storage, i).is_some() { Timing::Never } else { Timing::Always }
        },
        note: |w, i| {
            let storage = &w.declaration.storage;
            let is_reached = storage.growth_limit > 0 && size(storage, Some(i)) >= storage.growth_limit;
            let ends = || format!("{} GiB are there already, so RDS grows it no more", size(storage, Some(i)));
            limit_refusal(storage, i).or_else(|| is_reached.then(ends)).map(Into::into)
        },
        create: |r, w| {
            let limit = w.declaration.storage.growth_limit;
            r.set_max_allocated_storage((limit > 0).then_some(limit))
        },
        modify: |r, w, i| {
            let storage = &w.declaration.storage;
            r.max_allocated_storage(storage.growth_limit.max(size(storage, Some(i))))
        },
    },
    Attribute {
        key: "storage.iops",
        declared: |w, i| iops(&w.declaration.storage, i).map(|iops| iops.to_string()),
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
        note: |_, _| Some("a reboot puts it in force: `provision instance reboot`".into()),
        create: |r, w| {
            let is_declared = w.declaration.storage.dedicated_log_volume;
            r.set_dedicated_log_volume(is_declared.then_some(true))
        },
        modify: |r, w, _| r.dedicated_log_volume(w.declaration.storage.dedicated_log_volume),
    },
    Attribute {
        key: "encryption.enabled",
        declared: |w, _| Some(w.declaration.encryption.enabled.to_string()),
        current: |i| i.storage_encrypted.map(|value| value.to_string()),
        timing: |_, _| Timing::Never,
        note: |w, _| w.declaration.encryption.enabled.then_some(COPY.into()),
        create: |r, w| r.storage_encrypted(w.declaration.encryption.enabled),
        ..ATTRIBUTE
    },
    Attribute {
        key: "encryption.kms_key",
        declared: |w, i| kms_key(w.declaration.encryption.kms_key.as_ref(), i.and_then(|i| i.kms_key_id.as_deref())),
        current: |i| i.kms_key_id.clone(),
        timing: |_, _| Timing::Never,
        note: |_, _| Some(COPY.into()),
        create: |r, w| r.set_kms_key_id(w.declaration.encryption.kms_key.clone()),
        ..ATTRIBUTE
    },
];

/// The size that should be there, in GiB. While RDS may grow it, the declared size is the least.
fn size(storage: &Storage, instance: Option<&DbInstance>) -> i32 {
    let allocated = instance.and_then(|instance| Some((instance, instance.allocated_storage?)));
    match allocated.filter(|_| storage.growth_limit > 0) {
        Some((_, allocated)) if allocated >= storage.size => allocated,
        Some((instance, allocated)) => {
            let least = storage.size.max(least_raise(allocated));
            if pending_number(instance, "storage.size") == Some(storage.size) { storage.size } else { least }
        }
        None => storage.size,
    }
}

fn pending_number(instance: &DbInstance, key: &str) -> Option<i32> {
    pending(instance, key).and_then(|number| number.parse().ok())
}

/// The limit of growth that should be there, in GiB: never less than the size.
fn limit(storage: &Storage, instance: Option<&DbInstance>) -> i32 {
    if storage.growth_limit == 0 { 0 } else { storage.growth_limit.max(size(storage, instance)) }
}

/// Why the instance cannot have exactly the declared size.
fn refusal(storage: &Storage, instance: &DbInstance) -> Option<&'static str> {
    let (allocated, size) = (instance.allocated_storage?, size(storage, Some(instance)));
    if allocated > size {
        Some("storage never shrinks")
    } else if storage.growth_limit == 0 && size > allocated && size < least_raise(allocated) {
        Some("RDS raises storage by a tenth at least")
    } else {
        None
    }
}

/// Why RDS would refuse the declared limit of growth: it wants a tenth more than what is allocated.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html>
fn limit_refusal(storage: &Storage, instance: &DbInstance) -> Option<String> {
    let (limit, size) = (storage.growth_limit, size(storage, Some(instance)));
    let least = least_raise(size);
    let is_refused = limit > size && limit < least;
    is_refused.then(|| format!("for {size} GiB, growth_limit must be {least} GiB at least, or 0"))
}

/// The IOPS that should be there. RDS rounds up what raises them by less than a tenth, so up to a tenth more is as it should
/// be. What is queued is, if it is what RDS makes of the declared ones.
fn iops(storage: &Storage, instance: Option<&DbInstance>) -> Option<i32> {
    let declared = storage.iops?;
    let Some(instance) = instance else { return Some(declared) };
    let current = instance.iops.unwrap_or(0);
    if (declared..=least_raise(declared)).contains(&current) {
        return Some(current);
    }
    let is_rounded = |queued: &i32| current < declared && *queued == declared.max(least_raise(current));
    Some(pending_number(instance, "storage.iops").filter(is_rounded).unwrap_or(declared))
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
    // What is not declared is kept, as far as the type can have it.
    let kept = || Some(storage.kind.limit_iops(instance.iops.unwrap_or(0), size));
    let iops = iops(storage, Some(instance)).or_else(kept);
    // At most a quarter of the IOPS: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html
    let most = iops.map(|iops| GP3_THROUGHPUT.min(iops / 4));
    let kept = || instance.storage_throughput.max(Some(GP3_BASELINE.1)).min(most);
    let throughput = storage.throughput.or_else(kept);
    request
        .allocated_storage(size)
        .set_storage_type(
            (instance.storage_type() != Some(storage.kind.name())).then(|| storage.kind.name().to_owned()),
        )
        .set_iops(iops.filter(|_| has_iops))
        .set_storage_throughput(throughput.filter(|_| is_striped))
}
