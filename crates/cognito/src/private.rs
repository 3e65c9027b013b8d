//! What identifies a person elsewhere and must not become public: e-mail addresses, phone numbers, and account ids of
//! identity providers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::visible::skeleton;

/// Fewest digits of a text without letters that count as a phone number. The shortest subscriber numbers have 6.
const PHONE_MIN_DIGITS: usize = 6;

/// Fewest digits within other text that do: an area's number and a subscriber's. Fewer may be a year or a favourite
/// number.
const EMBEDDED_PHONE_MIN_DIGITS: usize = 9;

/// Words that stand beside a phone number, most of them from RFC 3966.
const PHONE_WORDS: [&str; 14] = [
    "call",
    "callto",
    "cell",
    "context",
    "ext",
    "extension",
    "extn",
    "fax",
    "isub",
    "mobile",
    "phone",
    "sms",
    "tel",
    "x",
];

/// Names of identity providers that begin a federated user's name, in lower case: Cognito's own, and the usual ones of
/// OIDC and SAML providers.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-identity-federation.html>
const PROVIDERS: [&str; 13] = [
    "adfs",
    "auth0",
    "azuread",
    "entraid",
    "facebook",
    "google",
    "loginwithamazon",
    "microsoft",
    "oidc",
    "okta",
    "onelogin",
    "saml",
    "signinwithapple",
];

/// Longest id, in bytes: the longest attribute that Cognito keeps.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html>
const ID_MAX_BYTES: usize = 2048;

/// Fewest letters and digits of a random id. Okta's, the shortest known, have 20.
const OPAQUE_MIN_CHARS: usize = 20;

/// Fewest of one with capital letters, small letters and digits, in any order: those of 192 bits and more.
const LONG_OPAQUE_MIN_CHARS: usize = 32;

/// The identifiers of one person that the attributes name. Others are known by their form.
pub(crate) struct Private {
    phone_digits: String,
    /// Each identity's id, alone and after its provider's name, as [`skeleton`]s in lower case.
    accounts: Vec<String>,
    is_federated: bool,
}

/// An element of the attribute `identities`. Google's ids have been sent as numbers too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Identity {
    provider_name: Value,
    user_id: Value,
}

impl Private {
    pub(crate) fn of(attributes: &BTreeMap<String, String>) -> Self {
        let attribute = |name: &str| attributes.get(name).map_or("", String::as_str);
        let identities = attribute("identities").trim();
        let read: Result<Vec<Identity>, _> = serde_json::from_str(identities);
        let has_identity = !identities.is_empty() && read.as_ref().map_or(true, |read| !read.is_empty());
        let accounts = read.unwrap_or_default().into_iter().flat_map(|Identity { provider_name, user_id }| {
            let (provider, id) = (text(&provider_name), text(&user_id));
            [format!("{provider}_{id}"), id].map(|account| folded(&account))
        });
        Self {
            phone_digits: digits(&skeleton(attribute("phone_number"))),
            accounts: accounts.filter(|account| !account.is_empty()).collect(),
            is_federated: has_identity || attribute("cognito:user_status") == "EXTERNAL_PROVIDER",
        }
    }

    /// Returns whether an identity provider knows the person. Cognito then makes the user name of the account's id.
    pub(crate) fn is_federated(&self) -> bool {
        self.is_federated
    }

    /// Returns whether the text is an identifier, or holds an address or a phone number.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let skeleton = skeleton(text);
        let folded = skeleton.to_lowercase();
        is_address(&folded)
            || is_phone_number(&folded)
            || self.has_own_phone_number(&folded)
            || self.accounts.contains(&folded)
            || is_account(&skeleton)
    }

    /// Returns whether the person's own phone number stands in the text, in whatever notation.
    fn has_own_phone_number(&self, text: &str) -> bool {
        text.split(char::is_alphabetic).map(digits).any(|digits| {
            // A national notation has a 0 in place of the country's code.
            let national = digits.trim_start_matches('0');
            !digits.is_empty() && digits == self.phone_digits
                || national.len() >= PHONE_MIN_DIGITS && self.phone_digits.ends_with(national)
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.as_number().map(ToString::to_string).unwrap_or_default(), str::to_owned)
}

fn folded(text: &str) -> String {
    skeleton(text).to_lowercase()
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// An e-mail address, a user principal name, alone or within other text; Entra writes a guest's `@` as `_`, and marks it.
fn is_address(text: &str) -> bool {
    ["@", "%40", "#ext#"].iter().any(|mark| text.contains(mark))
}

fn is_phone_number(text: &str) -> bool {
    let count = |text: &str| text.chars().filter(|character| character.is_numeric()).count();
    let words = text.split(|character: char| !character.is_alphabetic()).filter(|word| !word.is_empty());
    count(text) >= PHONE_MIN_DIGITS && words.into_iter().all(|word| PHONE_WORDS.contains(&word))
        || text.split(char::is_alphabetic).any(|part| count(part) >= EMBEDDED_PHONE_MIN_DIGITS)
}

/// An account's name or id at a provider: `CONTOSO\jane`, `auth0|5f7c…`, whatever stands after a provider's name, such as
/// `Okta_joe`, and an [`is_id`], alone or after any word, such as `Corp_1082…`.
fn is_account(text: &str) -> bool {
    let is_within = |mark: char| {
        let is_between_words = |(at, _)| {
            let mut around = [text[..at].chars().next_back(), text[at..].chars().nth(1)].into_iter();
            around.all(|character| character.is_some_and(char::is_alphanumeric))
        };
        text.char_indices().filter(|&(_, character)| character == mark).any(is_between_words)
    };
    let provider = text.split_once('_').map(|(provider, _)| provider.to_ascii_lowercase());
    let words = std::iter::once(0).chain(text.match_indices('_').map(|(at, _)| at + 1));
    is_within('\\')
        || is_within('|')
        || provider.is_some_and(|provider| PROVIDERS.contains(&provider.as_str()))
        || text.len() <= ID_MAX_BYTES && words.into_iter().any(|at| is_id(&text[at..]))
}

/// An id that a program has made: `amzn1.account.…`, `001234.….0815`, an address of a page, a UUID, another long random one.
fn is_id(id: &str) -> bool {
    id.contains("://")
        || id.to_ascii_lowercase().starts_with("amzn1.")
        || Uuid::try_parse(id).is_ok()
        || is_apples(id)
        || is_hexadecimal(id)
        || is_opaque(id)
}

/// Apple's ids: a number, a hexadecimal one, a number.
fn is_apples(id: &str) -> bool {
    let parts: Vec<&str> = id.split('.').collect();
    let is_number = |part: &str| part.len() >= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(parts[..], [first, middle, last]
        if is_number(first) && is_number(last) && middle.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A long hexadecimal number, in groups or not. Of 16 random hexadecimal digits, 10 are decimal on average.
fn is_hexadecimal(id: &str) -> bool {
    let is_digit = |character: &char| character.is_ascii_hexdigit();
    id.chars().all(|character| is_digit(&character) || "-._:{}()".contains(character))
        && id.chars().filter(is_digit).count() >= 16
        && digits(id).len() >= 4
}

/// Letters and digits in no order, as in base64 and base62. Words and the years after them are shorter, or change seldom
/// between capital letters, small letters and digits.
fn is_opaque(id: &str) -> bool {
    let is_of_base64 = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(&byte));
    let signs: Vec<u8> = id.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let has = |kind: fn(&u8) -> bool| signs.iter().any(kind);
    let changes = |kind: fn(&u8) -> (bool, bool)| signs.windows(2).filter(|two| kind(&two[0]) != kind(&two[1])).count();
    let is_long = signs.len() >= LONG_OPAQUE_MIN_CHARS;
    is_of_base64
        && signs.len() >= OPAQUE_MIN_CHARS
        && (changes(|sign| (sign.is_ascii_digit(), false)) >= 4
            || changes(|sign| (sign.is_ascii_digit(), sign.is_ascii_uppercase())) * 2 >= signs.len()
            || is_long && has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private(attributes: &[(&str, &str)]) -> Private {
        Private::of(&attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[track_caller]
    fn assert_private(private: &Private, texts: &[&str]) {
        for text in texts {
            assert!(private.is_in(text), "{text:?} should be private");
        }
    }

    #[track_caller]
    fn assert_public(private: &Private, texts: &[&str]) {
        for text in texts {
            assert!(!private.is_in(text), "{text:?} should be public");
        }
    }

    #[test]
    fn an_address_is_private_in_every_notation() {
        let notations = [
            "ada.x@example.com",
            "ychhajed+69@cartasite.example",
            "JANE@CONTOSO.COM",
            "jane_contoso.com#EXT#@tenant.onmicrosoft.com",
            "jane_contoso.com#EXT#",
            "ada＠example.com",
            "ada﹫example.com",
            "ada\u{200b}@\u{200b}example.com",
            "mailto:ada@example.com",
            "ada%40example.com",
            "\"ada lovelace\"@example.com",
            "Ada <ada@example.com>",
            "ада@пример.рф",
            "ada@localhost",
            "Okta_joe@corp.example",
            "CONTOSO\\jane",
            "contoso＼jane",
        ];
        assert_private(&private(&[]), &notations);
    }

    #[test]
    fn a_phone_number_is_private_in_every_notation() {
        let notations = [
            "+15555613706",
            "00441632960961",
            "01632 960 961",
            "(01632) 960-961",
            "1.555.561.3706",
            "01632/960961",
            "tel:+44-1632-960961",
            "tel:863-1234;phone-context=+1-914-555",
            "+44 1632 960961 ext. 12",
            "+44 1632 960961 x12",
            "☎ 960961",
            "960961",
            "123‑456",
            "+４４１６３２９６０９６１",
            "٠١٢٣٤٥٦٧٨٩",
            "+44\u{200b}1632\u{2060}960961",
            "Ada, 01632 960961",
            "ada441632960961",
        ];
        assert_private(&private(&[]), &notations);
    }

    #[test]
    fn the_persons_own_phone_number_is_private_within_other_text() {
        let ada = private(&[("phone_number", "+441632960961")]);
        assert_private(&ada, &["ada 960961", "ada-01632960961", "ada960961x"]);
        assert_private(&private(&[("phone_number", "+12345")]), &["12345", "ada12345"]);
        assert_public(&ada, &["ada 61", "ada 123456"]);
        assert_public(&private(&[("phone_number", "")]), &["ada", "12"]);
    }

    #[test]
    fn the_account_at_an_identity_provider_is_private() {
        let ids = [
            "Google_108204268033311374519",
            "google_108204268033311374519",
            "Facebook_10158123456789012",
            "SignInWithApple_001234.abc.0815",
            "signinwithapple_001234.0a1b2c3d4e5f60718293a4b5c6d7e8f9.0815",
            "LoginWithAmazon_amzn1.account.AEXAMPLE",
            "AzureAD_jane",
            "AzureAD_AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "Okta_00uixa271s6x7qt8I0h7",
            "Our_SAML_5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95",
            "Corp_108204268033311374519",
            "108204268033311374519",
            "001234.0a1b2c3d4e5f60718293a4b5c6d7e8f9.0815",
            "001234.abc.0815",
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "google-oauth2|ada",
            "amzn1.account.AEXAMPLE",
            "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "dGhpcyBpcyBhIHRlc3QgdG9rZW4",
            "00uixa271s6x7qt8I0h7",
            "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95",
            "5C2F8A109D3E4B718F062A4BE1C07D95",
            "{5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95}",
            "urn:uuid:5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95",
            "(5c2f8a10_9d3e_4b71_8f06_2a4be1c07d95)",
            "S-1-5-21-3623811015-3361044348-30300820-1013",
            "https://id.example.com/ada",
        ];
        assert_private(&private(&[]), &ids);
    }

    #[test]
    fn an_id_that_identities_names_is_private_whatever_its_form() {
        let identities = r#"[{"userId": "Ada.L", "providerName": "Corp"}, {"userId": 1815, "providerName": null}]"#;
        let ada = private(&[("identities", identities)]);
        assert_private(&ada, &["ada.l", "corp_ada.l", "1815"]);
        assert_public(&ada, &["ada", "corp"]);
        assert!(ada.is_federated());
    }

    #[test]
    fn identities_or_the_status_says_that_the_user_is_federated() {
        for (identities, is_federated) in [("", false), (" ", false), ("[]", false), ("[{}]", true), ("{", true)] {
            assert_eq!(private(&[("identities", identities)]).is_federated(), is_federated, "{identities:?}");
        }
        for (status, is_federated) in [("EXTERNAL_PROVIDER", true), ("CONFIRMED", false)] {
            assert_eq!(private(&[("cognito:user_status", status)]).is_federated(), is_federated, "{status}");
        }
    }

    #[test]
    fn chosen_names_are_public() {
        let names = [
            "ada",
            "ada_lovelace",
            "ada_1815",
            "ada.lovelace",
            "Ada Lovelace (1815-1852)",
            "googly_eyes",
            "TheRealAdaLovelace1815",
            "ada_lovelace_fanclub_1815",
            "Wolfeschlegelsteinhausenbergerdorff",
            "Louis XVI, 4th of 10",
            "¯\\_(ツ)_/¯",
            "'; drop table users; -- \\ $1",
            "Ada | Countess",
            "cafe-decade-facade",
            "12345",
            "x",
            "Со́фья",
            "李小龍",
            "🦀",
            "user-5c2f8a10",
        ];
        assert_public(&private(&[]), &names);
    }
}
