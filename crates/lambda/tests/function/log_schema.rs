//! Every line that the function logs, against `docs/reference/log-line.schema.json`.
//!
//! The crates that know all of JSON Schema would bring dozens of others, and other features of shared ones. So this knows
//! the keywords that the schema uses, and fails at any other.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../docs/reference/log-line.schema.json")).expect("the schema is JSON")
});

/// Fails unless the line is text, or a diagnostic as Lambda reads it, or a report as the schema describes it.
pub(crate) fn check(line: &str) {
    if !line.starts_with('{') {
        return;
    }
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON, {error}: {line}"));
    let problem = if value.get("outcome").is_some() {
        problem(&value, &SCHEMA)
    } else {
        ["timestamp", "level"].into_iter().find(|field| !value[field].is_string()).map(str::to_owned)
    };
    assert_eq!(problem, None, "in the log line {line}");
}

/// The first way in which the value is not what the schema asks for.
fn problem(value: &Value, schema: &Value) -> Option<String> {
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
            "pattern" => {
                let pattern = Regex::new(expected.as_str().expect("a pattern")).expect("a valid pattern");
                value.as_str().is_some_and(|text| pattern.is_match(text))
            }
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
                    let found = problem(value.get(name)?, schema)?;
                    Some(format!("{name}: {found}"))
                });
            }
            "additionalProperties" => return additional(value, keywords),
            "allOf" => return expected.as_array().expect("a list").iter().find_map(|schema| problem(value, schema)),
            "if" if problem(value, expected).is_none() => return problem(value, &keywords["then"]),
            "if" => true,
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
            assert_eq!(problem(&met, &schema), None, "{schema}");
            assert!(problem(&unmet, &schema).is_some(), "{unmet} meets {schema}");
        }
    }
}
