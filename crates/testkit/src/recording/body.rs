//! The parameters in a request's body, in each protocol.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The texts of a JSON document, under dotted names.
pub(crate) fn of_json(body: &[u8]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    collect_texts(None, &serde_json::from_slice(body)?, &mut texts);
    Ok(texts)
}

/// Adds the texts of a document under dotted names, such as `SmsConfiguration.SnsCallerArn`, and `tasks.0` in a list.
fn collect_texts(name: Option<&str>, value: &Value, texts: &mut BTreeMap<String, String>) {
    match (name, value) {
        (Some(name), Value::String(text)) => drop(texts.insert(name.to_owned(), text.clone())),
        (_, Value::Object(fields)) => {
            for (field, value) in fields {
                let name = name.map_or_else(|| field.clone(), |name| format!("{name}.{field}"));
                collect_texts(Some(&name), value, texts);
            }
        }
        (Some(name), Value::Array(values)) => {
            for (number, value) in values.iter().enumerate() {
                collect_texts(Some(&format!("{name}.{number}")), value, texts);
            }
        }
        _ => {}
    }
}

/// The fields of a form.
pub(super) fn of_form(body: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8().map(Cow::into_owned);
    let fields = body.split('&').filter_map(|field| field.split_once('='));
    fields.map(|(name, value)| Ok((decode(name)?, decode(value)?))).collect()
}
