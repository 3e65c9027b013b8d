//! The part of JSON Schema that the repository's own schema uses.
//!
//! The crates that know all of it would bring dozens of others, and other features of shared ones. So this knows some
//! keywords, and fails at any other.

use std::collections::BTreeMap;
use std::sync::Mutex;

use regex::Regex;
use serde_json::{Map, Value};

/// The first way in which the value is not what the schema asks for.
///
/// Panics at a schema with a keyword that is not known here.
pub fn schema_problem(value: &Value, schema: &Value) -> Option<String> {
    let keywords = match schema {
        Value::Bool(allowed) => return (!allowed).then(|| format!("{value} is not allowed")),
        schema => schema.as_object().expect("a schema is true, false or an object"),
    };
    keywords.iter().find_map(|(keyword, expected)| {
        let is_met = match keyword.as_str() {
            "$schema" | "title" | "description" | "then" => true,
            "type" => has_type(value, expected.as_str().expect("one type")),
            "const" => value == expected,
            "enum" => expected.as_array().expect("a list").contains(value),
            "minimum" => value.as_f64() >= expected.as_f64(),
            "minLength" => value.as_str().map(|text| text.chars().count() as u64) >= expected.as_u64(),
            "minProperties" => value.as_object().map(|fields| fields.len() as u64) >= expected.as_u64(),
            "pattern" => value.as_str().is_some_and(|text| pattern(expected).is_match(text)),
            "required" => {
                let fields = expected.as_array().expect("a list").iter();
                return fields
                    .map(|field| field.as_str().expect("a name"))
                    .find(|field| value.get(field).is_none())
                    .map(|field| format!("{field} is missing"));
            }
            "properties" => {
                let mut fields = expected.as_object().expect("a schema for each field").iter();
                return fields.find_map(|(name, schema)| {
                    let found = schema_problem(value.get(name)?, schema)?;
                    Some(format!("{name}: {found}"))
                });
            }
            "additionalProperties" => return additional(value, keywords),
            "allOf" => {
                return expected.as_array().expect("a list").iter().find_map(|schema| schema_problem(value, schema));
            }
            "if" => match schema_problem(value, expected) {
                None => return schema_problem(value, &keywords["then"]),
                Some(_) => true,
            },
            keyword => panic!("the schema has a keyword that is not known here: {keyword}"),
        };
        (!is_met).then(|| format!("{value} does not meet {keyword} {expected}"))
    })
}

/// A field that the schema does not name, where it allows none.
fn additional(value: &Value, keywords: &Map<String, Value>) -> Option<String> {
    assert_eq!(keywords["additionalProperties"], false, "no other value is known here");
    let mut names = value.as_object()?.keys();
    names.find(|name| keywords["properties"].get(name).is_none()).map(|name| format!("{name} is no field of it"))
}

/// Compiled once: that takes longer than to match a log of many lines.
fn pattern(pattern: &Value) -> Regex {
    static PATTERNS: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let pattern = pattern.as_str().expect("a pattern").to_owned();
    let mut patterns = PATTERNS.lock().expect("no panic while it is locked");
    let compiled = patterns.entry(pattern).or_insert_with_key(|pattern| Regex::new(pattern).expect("a valid pattern"));
    compiled.clone()
}

fn has_type(value: &Value, expected: &str) -> bool {
    match expected {
        "object" => value.is_object(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        other => panic!("the schema has a type that is not known here: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_keyword_refuses_what_it_should() {
        for (schema, met, unmet) in [
            (json!({"type": "integer"}), json!(1), json!(1.5)),
            (json!({"type": "string", "minLength": 1}), json!("é"), json!("")),
            (json!({"type": "object", "minProperties": 1}), json!({"a": 1}), json!({})),
            (json!({"const": [1]}), json!([1]), json!([2])),
            (json!({"enum": ["a", "b"]}), json!("b"), json!("c")),
            (json!({"minimum": 0}), json!(0.0), json!(-0.1)),
            (json!({"pattern": "^a+$"}), json!("aa"), json!("ab")),
            (json!({"required": ["a"]}), json!({"a": null}), json!({"b": 1})),
            (json!({"properties": {"a": false}}), json!({"b": 1}), json!({"a": 1})),
            (json!({"properties": {"a": {}}, "additionalProperties": false}), json!({"a": 1}), json!({"b": 1})),
            (json!({"allOf": [{"minimum": 1}, {"minimum": 2}]}), json!(2), json!(1)),
            (json!({"if": {"const": 1}, "then": false}), json!(2), json!(1)),
        ] {
            assert_eq!(schema_problem(&met, &schema), None, "{schema}");
            assert!(schema_problem(&unmet, &schema).is_some(), "{unmet} meets {schema}");
        }
    }
}
