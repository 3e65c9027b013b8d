//! What identifies a person elsewhere and must not become public: e-mail addresses, phone numbers, and account ids of
//! identity providers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
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
const PHONE_WORDS: [&str; 9] = ["call", "callto", "cell", "context", "fax", "mobile", "phone", "sms", "tel"];

/// Words between a phone number and an extension. Alone before digits they may begin a name, such as `x123456`.
const EXTENSION_WORDS: [&str; 5] = ["ext", "extension", "extn", "isub", "x"];

/// Names of identity providers that begin a federated user's name, in lower case: Cognito's own, and the usual ones of
/// OIDC and SAML providers.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-identity-federation.html>
const PROVIDERS: [&str; 10] =
    ["adfs", "auth0", "azuread", "entraid", "loginwithamazon", "oidc", "okta", "onelogin", "saml", "signinwithapple"];

/// Those whose names begin chosen names as well, such as `google_fan`.
const FAMOUS_PROVIDERS: [&str; 3] = ["facebook", "google", "microsoft"];

/// Notations of an address's `@` that no chosen name has: percent-encoded, of HTML, of those who fear robots, and Entra's,
/// which writes a guest's `@` as `_`, and marks it.
const AT_SIGNS: [&str; 12] =
    ["@", "%40", "&#64;", "&#064;", "&#x40;", "&#x0040;", "&commat;", "(at)", "[at]", "{at}", "<at>", "#ext#"];

/// Encodings of a full stop.
const FULL_STOPS: [&str; 6] = ["%2e", "&#46;", "&#046;", "&#x2e;", "&#x002e;", "&period;"];

/// Base64 with both alphabets once `-` and `_` are replaced, and with or without the `=` at its end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Longest id, in bytes: the longest attribute that Cognito keeps.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html>
const ID_MAX_BYTES: usize = 2048;

/// Fewest letters and digits of a random id. Okta's, the shortest known, have 20.
const OPAQUE_MIN_CHARS: usize = 20;

/// Fewest of one with capital letters, small letters and digits in several groups: those of 192 bits and more.
const LONG_OPAQUE_MIN_CHARS: usize = 32;

/// The identifiers of one person that the attributes name. Others are known by their form.
pub(crate) struct Private {
    /// The address without `dot`, and as it is.
    addresses: Option<[Address; 2]>,
    phone_digits: String,
    /// Each identity's id, alone and after its provider's name, as [`skeleton`]s in lower case.
    accounts: Vec<String>,
    is_federated: bool,
}

/// An e-mail address: letters and digits of the mailbox, without a tag after `+`, and of the domain.
struct Address {
    mailbox: String,
    domain: String,
}

/// An element of the attribute `identities`. Google's ids have been sent as numbers too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Identity {
    provider_name: Value,
    user_id: Value,
}

impl Address {
    fn read(text: &str) -> Option<Self> {
        let (mailbox, domain) = text.rsplit_once('@')?;
        let untagged = mailbox.split('+').next().map(letters_and_digits).filter(|untagged| !untagged.is_empty());
        let mailbox = untagged.unwrap_or_else(|| letters_and_digits(mailbox));
        let domain = letters_and_digits(domain);
        (!mailbox.is_empty() && !domain.is_empty()).then_some(Self { mailbox, domain })
    }

    fn without_dot(&self) -> Self {
        Self { mailbox: without_dot(&self.mailbox), domain: without_dot(&self.domain) }
    }

    fn len(&self) -> usize {
        self.mailbox.len() + self.domain.len()
    }

    /// Whether both stand in the text, neither within the other.
    fn is_in(&self, text: &str) -> bool {
        let Self { mailbox, domain } = self;
        let is_beside = |(at, _)| text[..at].contains(mailbox) || text[at + domain.len()..].contains(mailbox);
        !mailbox.is_empty() && !domain.is_empty() && text.match_indices(domain).any(is_beside)
    }
}

impl Private {
    pub(crate) fn of(attributes: &BTreeMap<String, String>) -> Self {
        let attribute = |name: &str| attributes.get(name).map_or("", String::as_str);
        let identities = Some(attribute("identities").trim()).filter(|identities| !identities.is_empty());
        let read = identities.map(serde_json::from_str::<Vec<Identity>>);
        let has_identity = read.as_ref().is_some_and(|read| !matches!(read, Ok(none) if none.is_empty()));
        let accounts = read.and_then(Result::ok).unwrap_or_default().into_iter().flat_map(
            |Identity { provider_name, user_id }| {
                let (provider, id) = (text(&provider_name), text(&user_id));
                [format!("{provider}_{id}"), id].map(|account| folded(&account))
            },
        );
        Self {
            addresses: Address::read(&folded(attribute("email"))).map(|address| [address.without_dot(), address]),
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
            || is_encoded_address(&skeleton)
            || self.has_own_address(&folded)
            || is_phone_number(&folded)
            || self.has_own_phone_number(&folded)
            || self.accounts.contains(&folded)
            || self.is_account_at_famous_provider(&folded)
            || is_account(&skeleton)
    }

    /// Returns whether the person's own address stands in the text, in whatever notation: its mailbox and its domain, in
    /// either order. The mailbox alone may be a chosen name.
    fn has_own_address(&self, text: &str) -> bool {
        let Some([undotted, address]) = &self.addresses else { return false };
        // Most names are shorter than an address.
        if text.len() < undotted.len() {
            return false;
        }
        let text = letters_and_digits(&without_full_stops(text));
        address.is_in(&text) || undotted.is_in(&without_dot(&text))
    }

    /// Returns whether the person's own phone number stands in the text, in whatever notation. Other digits may stand
    /// beside it; its beginning may be missing, or a 0 in place of the country's code.
    fn has_own_phone_number(&self, text: &str) -> bool {
        let end = &self.phone_digits[self.phone_digits.len().saturating_sub(PHONE_MIN_DIGITS)..];
        let is_whole = |part| digits(part) == self.phone_digits;
        !end.is_empty()
            && digits(text).contains(end)
            && (end.len() == PHONE_MIN_DIGITS || text.split(char::is_alphabetic).any(is_whole))
    }

    /// Returns whether an account's name or id stands after the name of a provider that chosen names begin with too.
    fn is_account_at_famous_provider(&self, text: &str) -> bool {
        text.split_once('_').is_some_and(|(provider, id)| {
            FAMOUS_PROVIDERS.contains(&provider) && (self.is_federated || id.contains(char::is_numeric))
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.as_number().map(ToString::to_string).unwrap_or_default(), str::to_owned)
}

fn folded(text: &str) -> String {
    skeleton(text).to_lowercase()
}

/// The decimal digits of every script, as those of ASCII.
fn digits(text: &str) -> String {
    text.chars().filter_map(digit).collect()
}

/// Unicode keeps the ten digits of a script together, 0 first, which is a policy since version 6.3.
/// <https://www.unicode.org/policies/stability_policy.html>
fn digit(character: char) -> Option<char> {
    if character.is_ascii() {
        return Some(character).filter(char::is_ascii_digit);
    }
    let is_digit =
        |character| CodePointMapData::<GeneralCategory>::new().get(character) == GeneralCategory::DecimalNumber;
    let smaller = (0..u32::from(character)).rev().map_while(char::from_u32).take_while(|&smaller| is_digit(smaller));
    let value = || smaller.fold(0, |value, _| (value + 1) % 10);
    is_digit(character).then(value).and_then(|value| char::from_digit(value, 10))
}

fn letters_and_digits(text: &str) -> String {
    text.chars()
        .filter(|character| character.is_alphanumeric())
        .map(|character| digit(character).unwrap_or(character))
        .collect()
}

fn without_full_stops(text: &str) -> Cow<'_, str> {
    let replaced = || FULL_STOPS.iter().fold(text.to_owned(), |text, code| text.replace(code, ""));
    if has_code(text, &FULL_STOPS) { replaced().into() } else { text.into() }
}

/// The text without `dot`: `example dot com` has three letters more, which a domain or a mailbox may have of its own.
fn without_dot(text: &str) -> String {
    text.replace("dot", "")
}

/// An e-mail address, a user principal name, alone or within other text.
fn is_address(text: &str) -> bool {
    has_code(text, &AT_SIGNS)
}

/// Whether one of the codes stands in the text: each begins with a punctuation mark, which few names have.
fn has_code(text: &str, codes: &[&str]) -> bool {
    let mut marks = text.match_indices(|character: char| character.is_ascii_punctuation());
    marks.any(|(at, _)| codes.iter().any(|code| text[at..].starts_with(code)))
}

/// An e-mail address in base64, alone or after other text.
fn is_encoded_address(text: &str) -> bool {
    let is_encoded = |part: &str| {
        let part = part.trim_end_matches('=').replace('-', "+").replace('_', "/");
        let decoded = BASE64.decode(part).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.is_some_and(|text| {
            !text.contains(char::is_control)
                && text.split_once('@').is_some_and(|(mailbox, domain)| !mailbox.is_empty() && !domain.is_empty())
        })
    };
    // The bits of `@`, 01000000, are a `Q` at their beginning or an `A`, `B`, `C` or `D` at their end.
    let has_at = |part: &&str| part.contains(['A', 'B', 'C', 'D', 'Q']);
    let is_sign =
        |character: char| matches!(character, '+' | '/' | '-' | '_' | '=') || character.is_ascii_alphanumeric();
    let mut parts = text.split(|character| !is_sign(character)).filter(has_at);
    parts.any(|whole| {
        let mut words = whole.split(['-', '_']).filter(|word| word.len() < whole.len()).filter(has_at);
        is_encoded(whole) || words.any(is_encoded)
    })
}

fn is_phone_number(text: &str) -> bool {
    let count = |text: &str| text.chars().filter(|character| character.is_numeric()).count();
    let words = || text.split(|character: char| !character.is_alphabetic()).filter(|word| !word.is_empty());
    let is_phone_word = |word: &str| PHONE_WORDS.contains(&word);
    let is_extension = |word: &str| EXTENSION_WORDS.contains(&word);
    let is_after_number = || {
        let number = text.split(char::is_alphabetic).next().unwrap_or_default();
        count(number) >= PHONE_MIN_DIGITS
    };
    count(text) >= PHONE_MIN_DIGITS
        && (words().all(|word| is_phone_word(word) || is_extension(word))
            && (!words().any(is_extension) || words().any(is_phone_word) || is_after_number())
            || text.split(char::is_alphabetic).any(|part| count(part) >= EMBEDDED_PHONE_MIN_DIGITS))
}

/// An account's name or id at a provider: `CONTOSO\jane`, `auth0|5f7c…`, whatever stands after a provider's name, such as
/// `Okta_joe`, and an [`is_id`], alone or after any word, such as `Corp_1082…`.
fn is_account(text: &str) -> bool {
    let is_between_words = |(at, _): (usize, &str)| {
        let mut around = [text[..at].chars().next_back(), text[at..].chars().nth(1)].into_iter();
        around.all(|character| character.is_some_and(char::is_alphanumeric))
    };
    let is_provider = |(name, _): (&str, &str)| PROVIDERS.iter().any(|provider| name.eq_ignore_ascii_case(provider));
    let words = std::iter::once(0).chain(text.match_indices('_').map(|(at, _)| at + 1));
    text.match_indices(['\\', '|']).any(is_between_words)
        || text.split_once('_').is_some_and(is_provider)
        || text.len() <= ID_MAX_BYTES && words.into_iter().any(|at| is_id(&text[at..]))
}

/// An id that a program has made: `amzn1.account.…`, `001234.….0815`, an address of a page, a UUID, another long random one.
fn is_id(id: &str) -> bool {
    const AMAZONS: &str = "amzn1.";
    id.contains("://")
        || id.get(..AMAZONS.len()).is_some_and(|start| start.eq_ignore_ascii_case(AMAZONS))
        || Uuid::try_parse(id).is_ok()
        || is_apples(id)
        || is_hexadecimal(id)
        || is_opaque(id)
}

/// Apple's ids: a number, a hexadecimal one, a number.
fn is_apples(id: &str) -> bool {
    let Some((first, rest)) = id.split_once('.') else { return false };
    let Some((middle, last)) = rest.split_once('.') else { return false };
    let is_number = |part: &str| part.len() >= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    is_number(first) && is_number(last) && middle.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A long hexadecimal number, in groups or not. Of 16 random hexadecimal digits, 10 are decimal on average.
fn is_hexadecimal(id: &str) -> bool {
    let is_digit = |character: &char| character.is_ascii_hexdigit();
    id.chars().all(|character| is_digit(&character) || "-._:{}()".contains(character))
        && id.chars().filter(is_digit).count() >= 16
        && digits(id).len() >= 4
}

/// Letters and digits in no order, as in base64 and base62. Words and the years after them are shorter, or change seldom
/// between capital letters, small letters and digits: they have one number, and each begins with one capital letter.
fn is_opaque(id: &str) -> bool {
    if id.len() < OPAQUE_MIN_CHARS {
        return false;
    }
    let is_of_base64 = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(&byte));
    let signs: Vec<u8> = id.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let has = |kind: fn(&u8) -> bool| signs.iter().any(kind);
    let changes = |kind: fn(&u8) -> (bool, bool)| signs.windows(2).filter(|two| kind(&two[0]) != kind(&two[1])).count();
    let groups = |kind: fn(&u8) -> bool, least: usize| {
        signs
            .chunk_by(|one, next| kind(one) == kind(next))
            .filter(|group| kind(&group[0]) && group.len() >= least)
            .count()
    };
    let numbers = groups(u8::is_ascii_digit, 1);
    let is_mixed = numbers >= 2 || numbers == 1 && groups(u8::is_ascii_uppercase, 2) >= 2;
    let is_long = signs.len() >= LONG_OPAQUE_MIN_CHARS;
    is_of_base64
        && signs.len() >= OPAQUE_MIN_CHARS
        && (changes(|sign| (sign.is_ascii_digit(), false)) >= 4
            || changes(|sign| (sign.is_ascii_digit(), sign.is_ascii_uppercase())) * 2 >= signs.len()
            || is_long && is_mixed && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase))
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
    fn the_persons_own_address_is_private_in_every_notation() {
        let ada = private(&[("email", "Ada.X@example.com")]);
        let notations = [
            "ada.x-at-example.com",
            "ada_x_example_com",
            "ada.x_example.com",
            "ada.x.at.example.com",
            "ada.x(at)example.com",
            "ada.x&#64;example.com",
            "example.com_ada.x",
            "ADA X EXAMPLE COM",
            "ada\u{ff0e}x at example\u{3002}com",
            "adaxexamplecom",
            "ada.x at example dot com",
            "ada (dot) x -at- example [dot] com",
            "adaDotX at exampleDotCom",
            "ada&#46;x-at-example&period;com",
            "ada%2Ex-at-example%2Ecom",
            "I am ada.x, at example.com!",
            "YWRhLnhAZXhhbXBsZS5jb20=",
            "YWRhLnhAZXhhbXBsZS5jb20",
        ];
        assert_private(&ada, &notations);
        assert_public(&ada, &["ada.x", "ada x", "adax", "example.com", "ada.x of example", "ada of example.com"]);
        let dot = private(&[("email", "dot@dotdot.com")]);
        assert_private(&dot, &["dot at dotdot dot com", "dot_dotdot_com"]);
        assert_public(&dot, &["dot", "dotty", "dot com"]);

        let tagged = private(&[("email", "ada.x+news@example.com")]);
        assert_private(&tagged, &["ada.x-at-example.com", "ada.x_news_example.com"]);
        let digits = private(&[("email", "ada1815@example.com")]);
        assert_private(&digits, &["ada١٨١٥ example com"]);
        // Both are in the text, though not both at once.
        assert_public(&private(&[("email", "example@example.com")]), &["example.com", "example"]);
        assert_public(&private(&[("email", "jane@corp.io")]), &["jane", "jane_corporation"]);
        for email in ["", "@", "ada", "ada@", "@example.com", "+@.", "\u{200b}@\u{200b}"] {
            assert_public(&private(&[("email", email)]), &["ada", "ada of example.com"]);
        }
    }

    #[test]
    fn any_address_is_private_in_base64_and_other_codes() {
        let codes = [
            "amFuZUBjb3JwLmlv",
            "YUBi",
            "amFuZUBjb3Jw",
            "amFuZUBjb3JwLmlvLg==",
            "amFuZUBjb3JwLmlvLg",
            "fn5-QGV4YW1wbGUuY29t",
            "fn5+QGV4YW1wbGUuY29t",
            "Pz8_PkBleGFtcGxlLmNvbQ",
            "Pz8/PkBleGFtcGxlLmNvbQ==",
            "0LDQtNCwQNC_0YDQuNC80LXRgC7RgNGE",
            "user_amFuZUBjb3JwLmlv",
            "mail: amFuZUBjb3JwLmlv!",
            "jane&#x40;corp.io",
            "jane&commat;corp.io",
            "jane [at] corp.io",
        ];
        assert_private(&private(&[]), &codes);
        assert_public(&private(&[]), &["adalovelace", "lovelace", "QGFkYQ", "YWRh"]);
    }

    #[test]
    fn an_address_in_base64_is_private_wherever_its_at_sign_stands() {
        for mailbox in 1..10 {
            for domain in 1..10 {
                let address = format!("{}@{}", "~".repeat(mailbox), "?".repeat(domain));
                let code = BASE64.encode(&address);
                let signs = [code.clone(), code.replace('+', "-"), code.replace('/', "_"), code.replace('=', "")];
                assert_private(&private(&[]), &signs.each_ref().map(String::as_str));
            }
        }
    }

    #[test]
    fn every_code_begins_with_a_punctuation_mark() {
        for code in AT_SIGNS.iter().chain(&FULL_STOPS) {
            assert!(code.starts_with(|character: char| character.is_ascii_punctuation()), "{code}");
        }
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
        assert_private(&ada, &["ada 960961", "ada-01632960961", "ada960961x", "x960961", "ext 960961"]);
        assert_private(&ada, &["ada3 960961", "ada 960961 3", "ada 7, 01632 960-961 x3", "ada 960 or 961"]);
        assert_private(&ada, &["علي ٩٦٠٩٦١", "अदा ९६०९६१", "ada ９６０９６１", "ada 𝟵𝟲𝟬𝟵𝟲𝟭", "ada 9६٠961"]);
        assert_private(&private(&[("phone_number", "+٤٤١٦٣٢٩٦٠٩٦١")]), &["ada 960961"]);
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
            "Okta_joe",
            "auth0_joe",
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
    fn what_follows_a_famous_provider_is_private_with_a_digit_or_of_a_federated_user() {
        let names = ["google_fan", "facebook_mom", "Microsoft_Mike"];
        assert_public(&private(&[]), &names);
        assert_private(&private(&[("cognito:user_status", "EXTERNAL_PROVIDER")]), &names);
        assert_private(&private(&[]), &["Google_1082", "facebook_ada1", "microsoft_٤٢"]);
    }

    #[test]
    fn the_digits_of_every_script_are_those_of_ascii() {
        for ten in ["0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "๐๑๒๓๔๕๖๗๘๙", "𝟘𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠𝟡", "𞥐𞥑𞥒𞥓𞥔𞥕𞥖𞥗𞥘𞥙"]
        {
            assert_eq!(digits(ten), "0123456789", "{ten}");
        }
        assert_eq!(digits("a²Ⅷ五-"), "");
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
            "x123456",
            "ext123456",
            "TheGreatestProgrammerOfAllTimeSince1815",
            "Ada-Marie-Louise-Wilhelmine-Charlotte-2nd",
        ];
        assert_public(&private(&[]), &names);
    }
}
