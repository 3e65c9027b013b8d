//! The values that a declaration may hold, one function a type.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, de};

use super::Password;

pub(super) fn between<'de, D: Deserializer<'de>, const LOW: i32, const HIGH: i32>(
    deserializer: D,
) -> Result<i32, D::Error> {
    let value = i32::deserialize(deserializer)?;
    let allowed = LOW..=HIGH;
    if allowed.contains(&value) {
        Ok(value)
    } else {
        Err(de::Error::custom(format!("{value} is not from {LOW} to {HIGH}")))
    }
}

/// A text for which `is_valid` holds, else an error that names the allowed ones.
fn text<'de, D: Deserializer<'de>>(
    deserializer: D,
    allowed: &str,
    is_valid: impl FnOnce(&str) -> bool,
) -> Result<String, D::Error> {
    let value = String::deserialize(deserializer)?;
    if is_valid(&value) { Ok(value) } else { Err(de::Error::custom(format!("{value:?} is not {allowed}"))) }
}

/// Of a DB instance.
pub(super) fn identifier<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "1 to 63 lower-case letters, digits and single hyphens, a letter first", |value| {
        value.len() <= 63
            && value.starts_with(|c: char| c.is_ascii_lowercase())
            && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !value.contains("--")
            && !value.ends_with('-')
    })
}

pub(super) fn engine_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "a version of PostgreSQL from 13 on, such as \"17\" or \"17.5\"", |value| {
        // Extended Support has versions such as 13.22-rds.20250814.
        let (version, suffix) = value.split_once('-').unwrap_or((value, "x"));
        let is_suffix = |c: char| c.is_ascii_alphanumeric() || c == '.';
        // RDS knows a version in one form: 17.4 is neither 017.4 nor 17.04.
        let number = |part: &str| part.parse::<u32>().ok().filter(|number| number.to_string() == part);
        let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
        number(major).is_some_and(|major| major >= 13)
            && number(minor).is_some()
            && !suffix.is_empty()
            && suffix.chars().all(is_suffix)
    })
}

/// A text that is there. AWS takes an empty one for none, or refuses it after other things are created.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    filled(String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

fn filled(value: String) -> Result<String, String> {
    if value.is_empty() {
        Err("an empty text is no value; leave the key out".to_owned())
    } else if value.trim() != value {
        Err(format!("{value:?} begins or ends with white space"))
    } else {
        Ok(value)
    }
}

/// A name that AWS keeps in lower case.
pub(super) fn folded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(present(deserializer)?.map(|name| name.to_ascii_lowercase()))
}

/// A text, or a list of texts, each once.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = match toml::Value::deserialize(deserializer)? {
        toml::Value::String(one) => vec![one],
        value => value.try_into().map_err(|_| de::Error::custom("expected a text or a list of texts"))?,
    };
    let values: Result<Vec<String>, String> = values.into_iter().map(filled).collect();
    values.map(unique).map_err(de::Error::custom)
}

/// AWS reports each value once, in any order.
fn unique(mut values: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
    values
}

/// The logs that RDS for PostgreSQL exports, each once.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>
pub(super) fn logs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let logs = Vec::<String>::deserialize(deserializer)?;
    match logs.iter().find(|log| !["postgresql", "upgrade", "iam-db-auth-error"].contains(&log.as_str())) {
        Some(log) => Err(de::Error::custom(format!("{log:?} is not postgresql, upgrade or iam-db-auth-error"))),
        None => Ok(unique(logs)),
    }
}

pub(super) fn class<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "a DB instance class, such as \"db.t4g.micro\"", |value| {
        value.starts_with("db.") && value.split('.').count() == 3 && value.split('.').all(|part| !part.is_empty())
    })
}

/// Of a database or its master user.
pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, "1 to 63 letters, digits and underscores, a letter first", |value| {
        (1..=63).contains(&value.len())
            && value.starts_with(|c: char| c.is_ascii_alphabetic())
            && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

pub(super) fn password<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Password, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "managed" => Ok(Password::Managed),
        "given" => Ok(Password::Given),
        _ => Err(de::Error::custom("a password must not be in this file; write \"managed\" or \"given\"")),
    }
}

pub(super) fn insights_days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let value = i32::deserialize(deserializer)?;
    let is_valid = value == 7 || value == 731 || (value % 31 == 0 && (31..=713).contains(&value));
    if is_valid {
        Ok(value)
    } else {
        Err(de::Error::custom(format!("{value} is not 7, a multiple of 31 up to 713, or 731")))
    }
}

pub(super) fn monitoring_interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let value = i32::deserialize(deserializer)?;
    let is_valid = [0, 1, 5, 10, 15, 30, 60].contains(&value);
    if is_valid { Ok(value) } else { Err(de::Error::custom(format!("{value} is not 0, 1, 5, 10, 15, 30 or 60"))) }
}
