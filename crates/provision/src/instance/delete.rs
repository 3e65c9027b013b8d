//! `provision instance delete`

use std::fmt::{self, Display, Formatter};

use anyhow::ensure;
use serde::Serialize;

use super::deployed::require_instance;
use super::snapshot::dated_name;
use super::wait::wait;
use crate::aws::{Aws, Explain};
use crate::talk::{confirm, say};

/// How to delete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deletion {
    /// Keep nothing of the data.
    pub(crate) skip_snapshot: bool,
    /// Turn deletion protection off first.
    pub(crate) unprotect: bool,
    /// Wait until it is gone.
    pub(crate) patient: bool,
    /// The operator has agreed beforehand.
    pub(crate) agreed: bool,
}

/// What is left of an instance.
#[derive(Debug, Serialize)]
pub(crate) struct Deleted {
    identifier: String,
    final_snapshot: Option<String>,
}

pub(crate) async fn delete(aws: &Aws, identifier: &str, deletion: Deletion) -> anyhow::Result<Deleted> {
    let Deletion { skip_snapshot, unprotect, patient, agreed } = deletion;
    let instance = require_instance(aws, identifier).await?;
    let is_protected = instance.deletion_protection == Some(true);
    ensure!(
        !is_protected || unprotect,
        "{identifier} is protected from deletion; add --unprotect to turn that off first"
    );

    let final_snapshot = if skip_snapshot { None } else { Some(dated_name(identifier)?) };
    let kept = match &final_snapshot {
        Some(name) => format!("A snapshot {name} will be kept."),
        None => "NOTHING of its data will be kept.".to_owned(),
    };
    let host = instance.endpoint().and_then(|endpoint| endpoint.address()).unwrap_or("no endpoint yet");
    confirm(&format!("This deletes the DB instance {identifier} ({host}). {kept}"), identifier, agreed)?;

    if is_protected {
        let request = aws.rds.modify_db_instance().db_instance_identifier(identifier).deletion_protection(false);
        request.apply_immediately(true).send().await.explain("rds:ModifyDBInstance")?;
        say(&format!("{identifier} is no longer protected from deletion"));
    }
    let request = aws.rds.delete_db_instance().db_instance_identifier(identifier).skip_final_snapshot(skip_snapshot);
    request.set_final_db_snapshot_identifier(final_snapshot.clone()).send().await.explain("rds:DeleteDBInstance")?;
    if patient {
        wait(aws, identifier, "deleted").await?;
    }
    Ok(Deleted { identifier: identifier.to_owned(), final_snapshot })
}

impl Display for Deleted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} is deleted", self.identifier)?;
        match &self.final_snapshot {
            Some(name) => write!(
                f,
                "; to have it back: aws rds restore-db-instance-from-db-snapshot --db-instance-identifier {} \
                 --db-snapshot-identifier {name}",
                self.identifier
            ),
            None => write!(f, ", and nothing of its data is left"),
        }
    }
}
