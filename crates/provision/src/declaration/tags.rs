//! The tags of the DB instance, of its security group and of its parameter group.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};

/// The most tags of one resource. The security group gets one more, its name.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.html>
const MOST: usize = 49;

/// The tag of an instance that is restored. It tells an interrupted restore from an empty instance that is being created.
pub(crate) const RESTORED_FROM: &str = "provision:restored-from";

/// Reads the tags, within the rules of RDS.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let tags = BTreeMap::<String, String>::deserialize(deserializer)?;
    if tags.len() > MOST {
        return Err(de::Error::custom(format!("{} tags are more than {MOST}", tags.len())));
    }
    match tags.iter().find_map(|(key, value)| fault(key, value)) {
        Some(fault) => Err(de::Error::custom(fault)),
        None => Ok(Some(tags)),
    }
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_Tag.html>
fn fault(key: &str, value: &str) -> Option<String> {
    let is_reserved = |text: &str| ["aws:", "rds:"].iter().any(|prefix| text.to_ascii_lowercase().starts_with(prefix));
    let is_allowed = |text: &str| {
        text.chars().all(|c| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c))
    };
    if key == RESTORED_FROM {
        Some(format!("the tag {key:?} is the one of `provision instance restore`"))
    } else if is_reserved(key) || is_reserved(value) {
        Some(format!("the tag {key:?} begins with \"aws:\" or \"rds:\", which AWS keeps for itself"))
    } else if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
        Some(format!("the tag {key:?} is too long: a key has 1 to 128 characters, a value at most 256"))
    } else if !is_allowed(key) || !is_allowed(value) {
        Some(format!("the tag {key:?} has a character other than letters, digits, spaces and _.:/=+-@"))
    } else {
        None
    }
}
