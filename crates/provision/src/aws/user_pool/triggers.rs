//! The triggers of a user pool: which event calls which function.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// The setting that holds them.
const SETTING: &str = "LambdaConfig";

/// The trigger of every sign-up.
pub(crate) const POST_CONFIRMATION: &str = "PostConfirmation";

/// The trigger of every token, which has a second place in the settings.
pub(crate) const PRE_TOKEN: &str = "PreTokenGeneration";
const PRE_TOKEN_CONFIG: &str = "PreTokenGenerationConfig";

const POST_AUTHENTICATION: &str = "PostAuthentication";

/// The version of the event that a new pre-token trigger gets. The function reads only what all versions have, and AWS
/// offers the others in the plans Essentials and Plus alone:
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html>
const EVENT_VERSION: &str = "V1_0";

/// The trigger that heals a user who has no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Heal {
    /// Before each token
    PreToken,
    /// After sign-ins
    PostAuthentication,
    /// Never
    None,
}

impl Heal {
    /// The trigger, if it is one.
    fn trigger(self) -> Option<&'static str> {
        match self {
            Self::PreToken => Some(PRE_TOKEN),
            Self::PostAuthentication => Some(POST_AUTHENTICATION),
            Self::None => None,
        }
    }
}

/// The triggers, with all that the setting holds beside them.
#[derive(Clone, PartialEq)]
pub(crate) struct Triggers(Map<String, Value>);

/// A trigger that calls another function or none afterwards.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TriggerChange {
    pub(crate) trigger: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
}

/// A trigger that calls another function.
#[derive(Debug)]
pub(crate) struct Conflict {
    pub(crate) trigger: &'static str,
    pub(crate) function: String,
}

impl Triggers {
    pub(super) fn of(settings: &Map<String, Value>) -> Self {
        Self(settings.get(SETTING).and_then(Value::as_object).cloned().unwrap_or_default())
    }

    pub(super) fn put_into(&self, settings: &mut Map<String, Value>) {
        settings.insert(SETTING.to_owned(), Value::Object(self.0.clone()));
    }

    /// Each trigger with the ARN of its function, those that this program has never heard of included.
    pub(crate) fn functions(&self) -> Vec<(&str, &str)> {
        let all = self.0.iter().filter_map(|(name, value)| Some((name.as_str(), function(value)?)));
        let has_both = self.0.get(PRE_TOKEN).is_some_and(Value::is_string);
        let mut functions: Vec<_> = all.filter(|(name, _)| *name != PRE_TOKEN_CONFIG || !has_both).collect();
        functions.sort_unstable();
        functions
    }

    /// The ARN of the function that this trigger calls.
    pub(crate) fn function(&self, trigger: &str) -> Option<&str> {
        let config = || self.0.get(PRE_TOKEN_CONFIG).filter(|_| trigger == PRE_TOKEN).and_then(function);
        self.0.get(trigger).and_then(function).or_else(config)
    }

    /// Whether any trigger calls this function.
    pub(crate) fn call(&self, arn: &str) -> bool {
        self.functions().iter().any(|(_, function)| *function == arn)
    }

    /// The trigger with which this function heals.
    pub(crate) fn healing(&self, arn: &str) -> Heal {
        let heals = |heal: &Heal| heal.trigger().is_some_and(|trigger| self.function(trigger) == Some(arn));
        [Heal::PreToken, Heal::PostAuthentication].into_iter().find(heals).unwrap_or(Heal::None)
    }

    /// The same with this function attached. `heal` chooses its healing trigger; without it, that stays as it is. Another
    /// function is replaced only if that is wanted.
    pub(crate) fn with(&self, arn: &str, heal: Option<Heal>, replace: bool) -> Result<Self, Conflict> {
        let mut triggers = self.clone();
        if heal.is_some() {
            for trigger in [PRE_TOKEN, POST_AUTHENTICATION] {
                if heal.and_then(Heal::trigger) != Some(trigger) && self.function(trigger) == Some(arn) {
                    triggers.remove(trigger);
                }
            }
        }
        for trigger in [Some(POST_CONFIRMATION), heal.and_then(Heal::trigger)].into_iter().flatten() {
            if let Some(other) = self.function(trigger).filter(|other| *other != arn && !replace) {
                return Err(Conflict { trigger, function: other.to_owned() });
            }
            triggers.set(trigger, arn);
        }
        Ok(triggers)
    }

    /// The same without this function in the triggers that [`with`](Self::with) sets.
    pub(crate) fn without(&self, arn: &str) -> Self {
        let mut triggers = self.clone();
        for trigger in [POST_CONFIRMATION, PRE_TOKEN, POST_AUTHENTICATION] {
            if self.function(trigger) == Some(arn) {
                triggers.remove(trigger);
            }
        }
        triggers
    }

    /// What differs in the other ones.
    pub(crate) fn changes_to(&self, other: &Self) -> Vec<TriggerChange> {
        let names = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        let names = names.filter(|name| *name != PRE_TOKEN_CONFIG).map(String::as_str);
        // Its second place alone may differ.
        let names =
            names.chain(Some(PRE_TOKEN).filter(|name| !self.0.contains_key(*name) && !other.0.contains_key(*name)));
        let changes = names.filter_map(|name| {
            let places = |triggers: &Self| {
                let config = Some(PRE_TOKEN_CONFIG).filter(|_| name == PRE_TOKEN);
                [Some(name), config].map(|place| place.and_then(|place| triggers.0.get(place).cloned()))
            };
            let function = |triggers: &Self| triggers.function(name).map(str::to_owned);
            (places(self) != places(other)).then(|| TriggerChange {
                trigger: name.to_owned(),
                from: function(self),
                to: function(other),
            })
        });
        changes.collect()
    }

    fn set(&mut self, trigger: &str, arn: &str) {
        self.0.insert(trigger.to_owned(), Value::from(arn));
        if trigger == PRE_TOKEN {
            // AWS wants one ARN in both. The version of an existing one stays: another function may have been written for it.
            let config = self.0.entry(PRE_TOKEN_CONFIG).or_insert_with(|| json!({"LambdaVersion": EVENT_VERSION}));
            config["LambdaArn"] = Value::from(arn);
        }
    }

    fn remove(&mut self, trigger: &str) {
        self.0.remove(trigger);
        if trigger == PRE_TOKEN {
            self.0.remove(PRE_TOKEN_CONFIG);
        }
    }
}

/// The ARN of the function that a trigger calls: the value itself, or a part of it.
fn function(value: &Value) -> Option<&str> {
    let arn = value.as_str().or_else(|| value.get("LambdaArn")?.as_str());
    // Beside the triggers stands the ARN of a KMS key.
    arn.filter(|arn| arn.split(':').nth(2) == Some("lambda"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "arn:aws:lambda:eu-central-1:123456789012:function:own";
    const OTHER: &str = "arn:aws:lambda:eu-central-1:123456789012:function:other";

    fn triggers(value: &Value) -> Triggers {
        Triggers(value.as_object().expect("an object").clone())
    }

    #[test]
    fn what_is_unknown_beside_the_triggers_stays() {
        let before = triggers(&json!({"KMSKeyID": "arn:aws:kms:x:1:key/1", "Tomorrow": {"LambdaArn": OTHER, "x": 1}}));
        let Ok(after) = before.with(OWN, None, false) else { panic!("nothing is in the way") };
        let expected = json!({
            "KMSKeyID": "arn:aws:kms:x:1:key/1", "Tomorrow": {"LambdaArn": OTHER, "x": 1}, "PostConfirmation": OWN
        });
        assert_eq!(Value::Object(after.0.clone()), expected);
        assert_eq!(after.functions(), [("PostConfirmation", OWN), ("Tomorrow", OTHER)], "a key is no function");
        assert!(after.without(OWN) == before, "detached, everything is as before");
    }

    #[test]
    fn both_places_of_the_pre_token_trigger_agree_and_the_event_version_is_kept() {
        let attach = |value: Value| {
            let attached = triggers(&value).with(OWN, Some(Heal::PreToken), true);
            attached.unwrap_or_else(|conflict| panic!("{conflict:?}")).0
        };
        let new = attach(json!({}));
        assert_eq!(
            (&new[PRE_TOKEN], &new[PRE_TOKEN_CONFIG]),
            (&json!(OWN), &json!({"LambdaArn": OWN, "LambdaVersion": "V1_0"}))
        );
        for before in [json!({PRE_TOKEN: OTHER}), json!({})] {
            let mut before = before;
            before[PRE_TOKEN_CONFIG] = json!({"LambdaArn": OTHER, "LambdaVersion": "V3_0", "x": 1});
            let kept = attach(before);
            assert_eq!(kept[PRE_TOKEN], OWN);
            assert_eq!(kept[PRE_TOKEN_CONFIG], json!({"LambdaArn": OWN, "LambdaVersion": "V3_0", "x": 1}));
        }
    }

    #[test]
    fn another_function_is_replaced_only_if_that_is_wanted() {
        let config = json!({"LambdaArn": OTHER, "LambdaVersion": "V2_0"});
        for (before, heal, trigger) in [
            (json!({POST_CONFIRMATION: OTHER}), None, POST_CONFIRMATION),
            (json!({PRE_TOKEN_CONFIG: config}), Some(Heal::PreToken), PRE_TOKEN),
            (json!({POST_AUTHENTICATION: OTHER}), Some(Heal::PostAuthentication), POST_AUTHENTICATION),
        ] {
            let before = triggers(&before);
            let conflict = before.with(OWN, heal, false).err().expect("a conflict");
            assert_eq!((conflict.trigger, conflict.function.as_str()), (trigger, OTHER));
            let Ok(after) = before.with(OWN, heal, true) else { panic!("it is wanted") };
            assert_eq!(after.function(trigger), Some(OWN));
        }
        let unrelated = triggers(&json!({POST_AUTHENTICATION: OTHER, "PreSignUp": OTHER}));
        assert!(unrelated.with(OWN, Some(Heal::PreToken), false).is_ok(), "they are in nobody's way");
    }

    #[test]
    fn healing_moves_stays_and_ends() {
        let attach =
            |before: &Triggers, heal| before.with(OWN, heal, false).unwrap_or_else(|conflict| panic!("{conflict:?}"));
        let healed = attach(&triggers(&json!({})), Some(Heal::PreToken));
        assert_eq!(healed.healing(OWN), Heal::PreToken);
        assert!(attach(&healed, None) == healed, "without a word it stays");
        let moved = attach(&healed, Some(Heal::PostAuthentication));
        assert_eq!((moved.healing(OWN), moved.function(PRE_TOKEN)), (Heal::PostAuthentication, None));
        let ended = attach(&moved, Some(Heal::None));
        assert_eq!((ended.healing(OWN), ended.functions()), (Heal::None, vec![(POST_CONFIRMATION, OWN)]));
    }

    #[test]
    fn only_this_function_is_detached() {
        let before =
            json!({POST_CONFIRMATION: OTHER, PRE_TOKEN: OWN, PRE_TOKEN_CONFIG: {"LambdaArn": OWN}, "PreSignUp": OWN});
        let after = triggers(&before).without(OWN);
        assert_eq!(after.functions(), [(POST_CONFIRMATION, OTHER), ("PreSignUp", OWN)]);
        assert!(after.call(OWN), "another trigger still calls it");
    }

    #[test]
    fn a_change_of_the_second_place_alone_is_one() {
        let before = triggers(&json!({PRE_TOKEN: OWN, POST_CONFIRMATION: OWN}));
        let Ok(after) = before.with(OWN, Some(Heal::PreToken), false) else { panic!("nothing is in the way") };
        let change =
            TriggerChange { trigger: PRE_TOKEN.to_owned(), from: Some(OWN.to_owned()), to: Some(OWN.to_owned()) };
        assert_eq!(before.changes_to(&after), [change]);
        let config = triggers(&json!({PRE_TOKEN_CONFIG: {"LambdaArn": OTHER}}));
        let gone = TriggerChange { trigger: PRE_TOKEN.to_owned(), from: Some(OTHER.to_owned()), to: None };
        assert_eq!(config.changes_to(&config.without(OTHER)), [gone]);
        assert_eq!(after.changes_to(&after), []);
    }
}
