//! The events in `events/`, and the rows they must lead to.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Serialize;

/// An event, and the row that must stand in `users` when all samples were sent in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// File name without `.json`.
    pub name: &'static str,
    /// The file's content.
    pub event: String,
    /// The row of the event's user; none if the event is of a machine.
    pub row: Option<SampleRow>,
}

/// The columns of a row that an event decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SampleRow {
    /// Cognito's `sub`.
    pub cognito_user_id: &'static str,
    /// The name to show.
    pub display_name: &'static str,
    /// The handle.
    pub handle: &'static str,
    /// The e-mail address.
    pub email: Option<&'static str>,
}

const fn row(
    cognito_user_id: &'static str,
    display_name: &'static str,
    handle: &'static str,
    email: Option<&'static str>,
) -> SampleRow {
    SampleRow { cognito_user_id, display_name, handle, email }
}

/// In the order in which they are sent. The address of the first user changes at `confirm-forgot-password`, and the only
/// event of `token-generation-new-password-challenge`'s user is that one.
const ROWS: [(&str, Option<SampleRow>); 15] = {
    const ADA: SampleRow =
        row("5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95", "Ada Lovelace", "ada", Some("ada.lovelace@example.com"));
    const GRACE: SampleRow = row("e3a4c8b2-7011-70d6-9a55-0c1d2e3f4a5b", "Grace Hopper", "user-e3a4c8b2", None);
    const EMMY: SampleRow =
        row("03b4f852-50a1-7074-1a2b-9d0c8e7f6a51", "Emmy Noether", "user-03b4f852", Some("emmy@example.com"));
    const LISE: SampleRow =
        row("c4d5e6f7-0819-4a2b-9c3d-4e5f60718293", "Lise Meitner", "lise", Some("lise@example.com"));
    [
        ("confirm-sign-up", Some(ADA)),
        ("confirm-sign-up-phone", Some(GRACE)),
        (
            "confirm-sign-up-only-sub",
            Some(row("b19d77f4-2c5a-4e08-93ce-6f0a8d4b2e17", "user-b19d77f4", "user-b19d77f4", None)),
        ),
        ("confirm-sign-up-federated", Some(EMMY)),
        (
            "confirm-sign-up-custom-attributes",
            Some(row("7d8e9f01-a2b3-4c4d-8e5f-60718293a4b5", "Mary Somerville", "mary", Some("mary@example.com"))),
        ),
        (
            "confirm-sign-up-names",
            Some(row(
                "1f6c0d3a-84b2-4e97-a5d0-c3b2a1908f7e",
                "Со́фья \"Sonya\" O'Ковале́вская; 李 🦀",
                "софья",
                Some("sofya+test@example.com"),
            )),
        ),
        (
            "confirm-sign-up-taken-handle",
            Some(row("9a0b1c2d-3e4f-4051-a263-748596a7b8c9", "ADA", "ADA-9a0b", Some("another.ada@example.com"))),
        ),
        ("confirm-forgot-password", Some(ADA)),
        ("post-authentication", Some(ADA)),
        ("token-generation-authentication", Some(ADA)),
        ("token-generation-refresh-tokens", Some(ADA)),
        ("token-generation-hosted-auth", Some(EMMY)),
        ("token-generation-authenticate-device", Some(GRACE)),
        ("token-generation-new-password-challenge", Some(LISE)),
        ("token-generation-client-credentials", None),
    ]
};

/// Every event in `events/`, in the order to send them.
///
/// Fails when a file there has no row here, or the other way round.
pub fn samples() -> anyhow::Result<Vec<Sample>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    let files: BTreeSet<String> = fs::read_dir(&directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect())
        .context("cannot list events/")?;
    let known: BTreeSet<String> = ROWS.iter().map(|(name, _)| format!("{name}.json")).collect();
    ensure!(files == known, "events/ holds {files:?}, but rows are expected for {known:?}");

    ROWS.into_iter()
        .map(|(name, row)| {
            let event = fs::read_to_string(directory.join(name).with_extension("json"))?;
            Ok(Sample { name, event, row })
        })
        .collect()
}
