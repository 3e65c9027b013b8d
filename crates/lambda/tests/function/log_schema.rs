//! Every line that the function logs, against `docs/reference/log-line.schema.json`.

use std::sync::LazyLock;

use serde_json::Value;
use testkit::schema_problem;

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
        schema_problem(&value, &SCHEMA)
    } else {
        ["timestamp", "level"].into_iter().find(|field| !value[field].is_string()).map(str::to_owned)
    };
    assert_eq!(problem, None, "in the log line {line}");
}
