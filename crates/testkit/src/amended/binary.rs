//! The protocol in which the SDK asks Amazon CloudWatch: paths name the operation, bodies are CBOR.
//! <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>

use ciborium::Value as Cbor;
use serde_json::{Map, Value};

/// The tag of a time, in seconds since the Unix epoch. <https://www.rfc-editor.org/rfc/rfc8949#section-3.4.2>
const TIME: u64 = 1;

/// The service, under the name that its JSON has, and the operation that a path names, if it is in this protocol.
pub(super) fn target(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/service/")?.split_once("/operation/")
}

/// Reads a body.
pub(super) fn decode(body: &[u8]) -> anyhow::Result<Value> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    Ok(json(ciborium::from_reader(body)?))
}

/// Writes a body.
pub(super) fn encode(value: &Value) -> Vec<u8> {
    let mut body = Vec::new();
    ciborium::into_writer(&cbor(None, value), &mut body).expect("a vector takes everything");
    body
}

fn json(value: Cbor) -> Value {
    match value {
        Cbor::Text(text) => text.into(),
        Cbor::Bool(truth) => truth.into(),
        Cbor::Float(number) => number.into(),
        Cbor::Integer(number) => i64::try_from(number).map_or(Value::Null, Value::from),
        Cbor::Tag(_, value) => json(*value),
        Cbor::Array(values) => values.into_iter().map(json).collect(),
        Cbor::Map(fields) => {
            let fields = fields.into_iter().filter_map(|(name, value)| Some((name.into_text().ok()?, json(value))));
            Value::Object(fields.collect())
        }
        _ => Value::Null,
    }
}

/// JSON says neither that a number is a time, nor that it may have a fraction: the names of CloudWatch's fields do.
fn cbor(name: Option<&str>, value: &Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(truth) => Cbor::Bool(*truth),
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Number(number) => {
            let is_whole = name.is_some_and(|name| name.ends_with("Period"));
            let number = match number.as_i64().filter(|_| is_whole) {
                Some(number) => Cbor::Integer(number.into()),
                None => Cbor::Float(number.as_f64().unwrap_or_default()),
            };
            let is_time = name.is_some_and(|name| name.contains("Timestamp"));
            if is_time { Cbor::Tag(TIME, Box::new(number)) } else { number }
        }
        Value::Array(values) => Cbor::Array(values.iter().map(|value| cbor(name, value)).collect()),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| (Cbor::Text(name.clone()), cbor(Some(name), value));
            Cbor::Map(fields.iter().map(field).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_the_same_there_and_back_and_times_are_tagged() {
        let answer = json!({"Label": "Throttles", "Timestamps": [1_795_675_979.0], "Values": [3.0], "Period": 60});
        let body = encode(&answer);
        assert_eq!(decode(&body).expect("CBOR"), answer);
        let Cbor::Map(fields) = ciborium::from_reader(body.as_slice()).expect("CBOR") else { panic!("a map") };
        let times = fields.iter().find(|(name, _)| name.as_text() == Some("Timestamps")).expect("the times");
        assert!(times.1.as_array().is_some_and(|times| times[0].is_tag()), "{times:?}");
    }

    #[test]
    fn a_path_names_the_service_and_the_operation() {
        let path = "/service/GraniteServiceVersion20100801/operation/GetMetricData";
        assert_eq!(target(path), Some(("GraniteServiceVersion20100801", "GetMetricData")));
        assert_eq!(target("/2015-03-31/functions"), None);
    }
}
