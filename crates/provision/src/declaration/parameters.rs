//! The parameters of the parameter group.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use toml::{Table, Value};

/// What is set unless the declaration says otherwise: no connection without TLS.
pub(super) fn defaults() -> BTreeMap<String, String> {
    [("rds.force_ssl".to_owned(), "1".to_owned())].into()
}

/// Reads names and values as people write them: also numbers, booleans and lists, and an unquoted name with a dot, which
/// TOML takes for a table.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let mut parameters = defaults();
    collect("", Table::deserialize(deserializer)?, &mut parameters).map_err(de::Error::custom)?;
    Ok(parameters)
}

fn collect(prefix: &str, table: Table, parameters: &mut BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        match value {
            Value::Table(table) => collect(&format!("{name}."), table, parameters)?,
            value => {
                let text =
                    text(&value).ok_or_else(|| format!("{name} is not a text, a number, a boolean or a list"))?;
                parameters.insert(name, text);
            }
        }
    }
    Ok(())
}

/// As RDS writes it: a boolean as 1 or 0, a list with commas.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(value) => Some(i32::from(*value).to_string()),
        Value::Array(values) => Some(values.iter().map(text).collect::<Option<Vec<_>>>()?.join(",")),
        Value::Table(_) | Value::Datetime(_) => None,
    }
}
