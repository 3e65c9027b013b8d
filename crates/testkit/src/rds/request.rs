//! A request in the query protocol of Amazon RDS, EC2 and STS: a form with dotted names.
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;

/// A request as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Such as `rds`: the service that the request was signed for.
    pub service: String,
    /// Such as `ModifyDBInstance`.
    pub action: String,
    /// Everything else, under the names of the form, such as `Tags.Tag.1.Key`.
    pub parameters: BTreeMap<String, String>,
}

impl Request {
    /// Reads a request's `Authorization` header and body. None if it is not in the query protocol.
    pub(crate) fn parse(authorization: &str, body: &[u8]) -> Option<Self> {
        // "AWS4-HMAC-SHA256 Credential=KEY/20261125/eu-central-1/rds/aws4_request, …"
        let service = authorization.split("Credential=").nth(1)?.split('/').nth(3)?.to_owned();
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " ")).decode_utf8().map(Cow::into_owned).unwrap_or_default()
        };
        let fields = std::str::from_utf8(body).ok()?.split('&').filter_map(|field| field.split_once('='));
        let mut parameters: BTreeMap<_, _> = fields.map(|(name, value)| (decode(name), decode(value))).collect();
        parameters.remove("Version");
        Some(Self { service, action: parameters.remove("Action")?, parameters })
    }

    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Whether a switch is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// The list of this name, which is empty if it was not sent.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.entries(name).into_iter().filter_map(|entry| self.get(&entry).map(str::to_owned)).collect()
    }

    /// The first value of the filter of this name.
    pub(super) fn filter(&self, name: &str) -> Option<String> {
        let filters = self.entries("Filters").into_iter();
        let mut named = filters.filter(|entry| self.get(&format!("{entry}.Name")) == Some(name));
        self.get(&format!("{}.Values.Value.1", named.next()?)).map(str::to_owned)
    }

    /// Whether there is a parameter, or a list, of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names().contains(name)
    }

    /// The first part of each parameter's name.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.parameters.keys().filter_map(|name| name.split('.').next()).collect()
    }

    /// The pairs of two fields in a list of structures.
    pub(super) fn pairs(&self, name: &str, key: &str, value: &str) -> Vec<(String, String)> {
        let pair = |entry: String| {
            let key = self.get(&format!("{entry}.{key}"))?.to_owned();
            Some((key, self.get(&format!("{entry}.{value}")).unwrap_or_default().to_owned()))
        };
        self.entries(name).into_iter().filter_map(pair).collect()
    }

    /// The names of a list's entries in their order, such as `Tags.Tag.1`.
    pub(crate) fn entries(&self, name: &str) -> Vec<String> {
        let of_list = self.parameters.keys().filter(|key| key.split('.').next() == Some(name));
        let mut entries: Vec<(usize, String)> = of_list
            .filter_map(|key| {
                let mut end = 0;
                for part in key.split('.') {
                    end += part.len();
                    if let Ok(number) = part.parse() {
                        return Some((number, key[..end].to_owned()));
                    }
                    end += 1;
                }
                None
            })
            .collect();
        entries.sort();
        entries.dedup();
        entries.into_iter().map(|(_, entry)| entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str) -> Request {
        let authorization = "AWS4-HMAC-SHA256 Credential=ada/20261125/eu-central-1/rds/aws4_request, Signature=x";
        Request::parse(authorization, body.as_bytes()).expect("a request")
    }

    #[test]
    fn a_form_is_read_with_its_lists_in_order() {
        let names: Vec<_> = (1..=11).map(|number| format!("&Groups.Group.{number}=sg-{number}")).collect();
        let request = request(&format!("Action=Do&Version=1&Text=a%20b%2Bc+d{}", names.concat()));
        assert_eq!((request.service.as_str(), request.action.as_str()), ("rds", "Do"));
        assert_eq!(request.get("Text"), Some("a b+c d"));
        assert_eq!(request.list("Groups")[9..], ["sg-10", "sg-11"]);
        assert!(request.has("Groups") && !request.has("Group"));
    }

    #[test]
    fn structures_in_a_list_are_read_as_pairs() {
        let request = request("Action=Do&Tags.Tag.1.Key=a&Tags.Tag.1.Value=1&Tags.Tag.2.Key=b");
        let expected = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())];
        assert_eq!(request.pairs("Tags", "Key", "Value"), expected);
    }
}
