//! The settings of a user pool as JSON: what goes back to AWS, and what differs.

use serde_json::{Map, Value};

/// What `DescribeUserPool` answers and `UpdateUserPool` does not take. `Name` has another name there.
const NOT_TAKEN: [&str; 15] = [
    "Id",
    "Name",
    "Arn",
    "Status",
    "CreationDate",
    "LastModifiedDate",
    "SchemaAttributes",
    "AliasAttributes",
    "UsernameAttributes",
    "UsernameConfiguration",
    "EstimatedNumberOfUsers",
    "Domain",
    "CustomDomain",
    "SmsConfigurationFailure",
    "EmailConfigurationFailure",
];

/// Settings that change by themselves.
const VOLATILE: [&str; 3] = ["CreationDate", "LastModifiedDate", "EstimatedNumberOfUsers"];

/// The request that sets everything as it is in these settings.
pub(super) fn update_request(settings: &Map<String, Value>) -> Map<String, Value> {
    let mut request = without_alias(settings);
    request.retain(|name, _| !NOT_TAKEN.contains(&name.as_str()));
    if let Some(Value::Object(tags)) = request.get_mut("UserPoolTags") {
        // Those of AWS itself can be neither set nor removed:
        // <https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html>
        tags.retain(|name, _| !name.starts_with("aws:"));
    }
    for (name, of) in [("UserPoolId", "Id"), ("PoolName", "Name")] {
        if let Some(value) = settings.get(of) {
            request.insert(name.to_owned(), value.clone());
        }
    }
    request
}

/// The settings without `UnusedAccountValidityDays`, the former name of `TemporaryPasswordValidityDays`: AWS answers both
/// and refuses a request with both, "Please use `TemporaryPasswordValidityDays` in `PasswordPolicy` instead of
/// `UnusedAccountValidityDays`". A pool that has only the former keeps it.
fn without_alias(settings: &Map<String, Value>) -> Map<String, Value> {
    let mut settings = settings.clone();
    let policy = settings.get("Policies").and_then(|policies| policies.get("PasswordPolicy"));
    if policy.is_some_and(|policy| policy.get("TemporaryPasswordValidityDays").is_some()) {
        let config = settings.get_mut("AdminCreateUserConfig").and_then(Value::as_object_mut);
        config.map(|config| config.remove("UnusedAccountValidityDays"));
    }
    settings
}

/// The names of the settings that differ, such as `SmsConfiguration.SnsRegion`. Never a value: some are secret.
pub(super) fn differences(one: &Map<String, Value>, other: &Map<String, Value>) -> Vec<String> {
    let mut names = Vec::new();
    let [one, other] = [one, other].map(|settings| {
        let mut settings = without_alias(settings);
        settings.retain(|name, _| !VOLATILE.contains(&name.as_str()));
        settings
    });
    compare("", &one, &other, &mut names);
    names
}

fn compare(path: &str, one: &Map<String, Value>, other: &Map<String, Value>, names: &mut Vec<String>) {
    let added = other.keys().filter(|name| !one.contains_key(*name));
    for name in one.keys().chain(added) {
        let full = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (value(one, name), value(other, name)) {
            // The keys of tags are the operator's own words.
            (Some(Value::Object(one)), Some(Value::Object(other))) if name != "UserPoolTags" => {
                compare(&full, one, other, names);
            }
            (one, other) if are_equal(one, other) => {}
            _ => names.push(full),
        }
    }
}

/// The value, unless it is null: both mean that there is none.
fn value<'a>(settings: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    settings.get(name).filter(|value| !value.is_null())
}

/// Whether they are the same. The lists of a pool are sets: what has an order has a `Priority`.
fn are_equal(one: Option<&Value>, other: Option<&Value>) -> bool {
    let (Some(Value::Array(one)), Some(Value::Array(other))) = (one, other) else { return one == other };
    let mut rest: Vec<&Value> = other.iter().collect();
    let mut take = |wanted: &Value| {
        rest.iter().position(|value| *value == wanted).is_some_and(|position| {
            rest.swap_remove(position);
            true
        })
    };
    one.len() == other.len() && one.iter().all(&mut take)
}

/// The settings of a request that AWS's message names, in whatever case.
pub(super) fn named_in(request: &Map<String, Value>, message: &str) -> Vec<String> {
    let message = message.to_ascii_lowercase();
    let is_word =
        |name: &str| message.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name.to_ascii_lowercase());
    request.keys().filter(|name| is_word(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("expected an object, not {value}") };
        map
    }

    #[test]
    fn everything_goes_back_but_what_is_known_not_to_be_taken() {
        let settings = json!({
            "Id": "p_1", "Name": "users", "Arn": "a", "Status": "Enabled", "CreationDate": 1.5, "LastModifiedDate": 2.5,
            "SchemaAttributes": [], "AliasAttributes": [], "UsernameAttributes": [], "UsernameConfiguration": {},
            "EstimatedNumberOfUsers": 7, "Domain": "d", "CustomDomain": "c", "SmsConfigurationFailure": "s",
            "EmailConfigurationFailure": "e", "UserPoolTags": {"a": "1", "aws:cloudformation:stack-name": "x"},
            "DeletionProtection": "ACTIVE", "Invented": {"Deep": [1, {"x": null}]}
        });
        let expected = json!({
            "UserPoolId": "p_1", "PoolName": "users", "DeletionProtection": "ACTIVE", "UserPoolTags": {"a": "1"},
            "Invented": {"Deep": [1, {"x": null}]}
        });
        assert_eq!(Value::Object(update_request(&map(settings))), expected);
    }

    #[test]
    fn of_the_two_names_of_one_time_only_the_newer_is_sent() {
        let admin = json!({"AllowAdminCreateUserOnly": true, "UnusedAccountValidityDays": 7});
        let both = json!({"AdminCreateUserConfig": admin, "Policies": {"PasswordPolicy": {"TemporaryPasswordValidityDays": 7}}});
        let request = update_request(&map(both.clone()));
        assert_eq!(request["AdminCreateUserConfig"], json!({"AllowAdminCreateUserOnly": true}));
        assert_eq!(request["Policies"], both["Policies"]);
        let former = json!({"AdminCreateUserConfig": admin, "Policies": {"PasswordPolicy": {"MinimumLength": 8}}});
        assert_eq!(update_request(&map(former))["AdminCreateUserConfig"], admin);
    }

    #[test]
    fn a_difference_is_named_and_its_value_is_not() {
        let before = json!({
            "LastModifiedDate": 1, "EstimatedNumberOfUsers": 1, "MfaConfiguration": "ON", "Gone": 1,
            "SmsConfiguration": {"ExternalId": "hunter2", "SnsRegion": "eu-central-1"},
            "UserPoolTags": {"private": "1"}, "AutoVerifiedAttributes": ["email", "phone_number"],
            "SchemaAttributes": [{"Name": "a", "Mutable": true}, {"Name": "b"}], "Twice": [1, 1, 2]
        });
        let after = json!({
            "LastModifiedDate": 2, "EstimatedNumberOfUsers": 2, "MfaConfiguration": "OFF", "New": 1, "Absent": null,
            "SmsConfiguration": {"ExternalId": "hunter3", "SnsRegion": "eu-central-1"},
            "UserPoolTags": {"private": "2"}, "AutoVerifiedAttributes": ["phone_number", "email"],
            "SchemaAttributes": [{"Name": "b"}, {"Mutable": true, "Name": "a"}], "Twice": [1, 2, 2]
        });
        let mut names = differences(&map(before), &map(after));
        names.sort();
        assert_eq!(names, ["Gone", "MfaConfiguration", "New", "SmsConfiguration.ExternalId", "Twice", "UserPoolTags"]);
    }

    #[test]
    fn a_refusal_names_the_setting_as_aws_spells_it() {
        let request = map(json!({"DcrConfiguration": 1, "Policies": 2}));
        let message = "1 validation error detected: Value at 'dcrConfiguration' failed to satisfy constraint";
        assert_eq!(named_in(&request, message), ["DcrConfiguration"]);
        assert_eq!(named_in(&request, "no identity-based policy allows it"), [] as [&str; 0]);
    }
}
