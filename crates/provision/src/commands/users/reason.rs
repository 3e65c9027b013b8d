//! Why a user has no row, as far as the pool and the rows tell.

use std::time::SystemTime;

use crate::aws::pool_users::PoolUser;

/// The words for people, by the word for programs.
const REASONS: [(&str, &str); 6] = [
    ("federated", "signed in through an identity provider, and the trigger failed or was not attached"),
    ("linked", "linked to a profile of an identity provider, for which Cognito calls no trigger"),
    ("admin_created", "created by an administrator, for which Cognito calls no trigger, and without a password yet"),
    ("reset_required", "imported, for which Cognito calls no trigger, or told to reset the password"),
    ("before_trigger", "created before the trigger wrote its first row"),
    ("trigger", "the trigger failed, or Cognito did not call it (created by an administrator, migrated)"),
];

/// The reason why this user has no row. `first_as_of` is when the first row was written, if that is known.
pub(super) fn reason(user: &PoolUser, first_as_of: Option<SystemTime>) -> &'static str {
    match user.status.as_str() {
        "EXTERNAL_PROVIDER" => "federated",
        "FORCE_CHANGE_PASSWORD" => "admin_created",
        "RESET_REQUIRED" => "reset_required",
        _ if user.attributes.get("identities").is_some_and(|identities| !identities.trim().is_empty()) => "linked",
        _ if first_as_of.is_some_and(|first| user.created_at < first) => "before_trigger",
        _ => "trigger",
    }
}

/// The reason in words.
pub(super) fn in_words(reason: &str) -> &str {
    REASONS.iter().find(|(key, _)| *key == reason).map_or(reason, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_reason_is_the_most_specific_that_can_be_told() {
        let first = UNIX_EPOCH + Duration::from_secs(1000);
        for (status, identities, created, expected) in [
            ("EXTERNAL_PROVIDER", "[{}]", 2000, "federated"),
            ("CONFIRMED", "[{}]", 2000, "linked"),
            ("FORCE_CHANGE_PASSWORD", "", 10, "admin_created"),
            ("RESET_REQUIRED", "", 10, "reset_required"),
            ("CONFIRMED", "", 999, "before_trigger"),
            ("CONFIRMED", "", 1000, "trigger"),
        ] {
            let user = PoolUser {
                username: "ada".to_owned(),
                status: status.to_owned(),
                enabled: true,
                created_at: UNIX_EPOCH + Duration::from_secs(created),
                modified_at: UNIX_EPOCH,
                attributes: [("identities".to_owned(), identities.to_owned())].into(),
            };
            let found = reason(&user, Some(first));
            assert_eq!(found, expected, "{status} {identities} {created}");
            assert_ne!(in_words(found), found, "each reason has words");
        }
    }
}
