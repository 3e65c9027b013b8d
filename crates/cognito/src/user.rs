//! The user of the application that Cognito's attributes make.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::private::Private;
use crate::visible::{skeleton, visible};

/// Longest handle kept, in characters as typed and as compared: the longest user name Cognito allows. What follows a taken
/// one must still be within the 600 characters by which the database compares handles.
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_SignUp.html>
const HANDLE_MAX_CHARS: usize = 128;

/// Longest `sub` accepted, in bytes. Cognito's are UUIDs, 36 bytes; a unique index must hold it.
const SUB_MAX_BYTES: usize = 255;

/// Numbers of hexadecimal digits of `sub` that follow a taken handle: few at first, all of them in the end.
const SUFFIX_LENGTHS: [usize; 4] = [4, 8, 16, usize::MAX];

/// A user who signed up, ready to become a row: every field is text that PostgreSQL can hold, and what is public
/// identifies the person nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    cognito_user_id: String,
    display_name: String,
    handle: String,
    email: Option<String>,
}

/// The attributes do not identify a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUser {
    /// `sub` is missing or blank.
    #[error("the user attributes hold no `sub`")]
    SubMissing,
    /// `sub` is far longer than a UUID, so it is not Cognito's.
    #[error("the attribute `sub` is longer than {SUB_MAX_BYTES} bytes")]
    SubTooLong,
}

impl InvalidUser {
    /// The way out.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::SubMissing => "send the whole event as Cognito sends it: it always holds `sub`",
            Self::SubTooLong => "send the event as Cognito sends it: its `sub` is a UUID",
        }
    }
}

impl User {
    /// Makes a user from Cognito's user name and user attributes, of which only `sub` is required.
    ///
    /// - The display name is `name`, else `given_name` and `family_name`, else the handle.
    /// - The handle is `preferred_username`, else the user name unless an identity provider has given it, else made from
    ///   `sub`.
    ///
    /// Both are public, so a text counts as absent if nothing of it is visible, and if it holds an e-mail address, a
    /// phone number or an account's id. They are in NFC, without control characters.
    pub fn from_attributes(
        user_name: Option<&str>,
        attributes: &BTreeMap<String, String>,
    ) -> Result<Self, InvalidUser> {
        let cognito_user_id = attribute(attributes, "sub").ok_or(InvalidUser::SubMissing)?;
        if cognito_user_id.len() > SUB_MAX_BYTES {
            return Err(InvalidUser::SubTooLong);
        }

        let private = Private::of(attributes);
        let public = |text: &str| uncited(text).filter(|text| !private.is_in(text));
        let named = |name: &str| attributes.get(name).and_then(|value| public(value));
        let handle = named("preferred_username")
            .or_else(|| user_name.filter(|_| !private.is_federated()).and_then(public))
            .and_then(|handle| match shorten(&handle) {
                whole if whole == handle => Some(handle),
                // The first part of a text can be private where the whole is not.
                part => public(part),
            })
            .unwrap_or_else(|| format!("user-{:.8}", digits(&cognito_user_id)));
        let display_name = named("name")
            .or_else(|| join(named("given_name"), named("family_name")).and_then(|name| public(&name)))
            .unwrap_or_else(|| handle.clone());

        Ok(Self { cognito_user_id, display_name, handle, email: attribute(attributes, "email") })
    }

    /// Cognito's `sub`: the only attribute of a user that never changes.
    pub fn cognito_user_id(&self) -> &str {
        &self.cognito_user_id
    }

    /// The display name.
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// The e-mail address, if Cognito knows one.
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// The handles to try, best first: the wanted one, then, in case it is taken, the same followed by more and more
    /// of `sub`. Always the same for the same user, so that a second delivery changes nothing.
    pub fn handles(&self) -> Vec<String> {
        let digits = digits(&self.cognito_user_id);
        let suffixed = SUFFIX_LENGTHS.map(|length| [&self.handle, "-", &digits[..length.min(digits.len())]].concat());
        let mut handles: Vec<_> = std::iter::once(self.handle.clone()).chain(suffixed).collect();
        // A `sub` that is no UUID may have too few digits for different suffixes.
        handles.dedup();
        handles
    }
}

/// The attribute as the database gets it, if it is there.
pub(crate) fn attribute(attributes: &BTreeMap<String, String>, name: &str) -> Option<String> {
    attributes.get(name).and_then(|value| text(value))
}

/// The visible text without the `@` that cites a handle, such as `@ada`.
fn uncited(text: &str) -> Option<String> {
    let text = visible(text)?;
    match text.trim_start_matches(['@', '\u{FE6B}', '\u{FF20}']) {
        whole if whole == text => Some(text),
        name => visible(name),
    }
}

/// The value without surrounding white space and NUL, which PostgreSQL cannot hold, or none if it is blank.
fn text(value: &str) -> Option<String> {
    let value = value.trim_matches(|character: char| character == '\0' || character.is_whitespace());
    (!value.is_empty()).then(|| without_nul(value))
}

/// The text as PostgreSQL can hold it.
pub(crate) fn without_nul(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "") } else { text.to_owned() }
}

fn join(given: Option<String>, family: Option<String>) -> Option<String> {
    match (given, family) {
        (Some(given), Some(family)) => Some(format!("{given} {family}")),
        (given, family) => given.or(family),
    }
}

fn shorten(handle: &str) -> &str {
    let mut compared = 0;
    let fits = |character: &char| {
        // Taken apart, one character can be eighteen, though none of ASCII.
        compared += if character.is_ascii() { 1 } else { skeleton(character.encode_utf8(&mut [0; 4])).chars().count() };
        compared <= HANDLE_MAX_CHARS
    };
    let kept = handle.chars().take(HANDLE_MAX_CHARS).take_while(fits);
    &handle[..kept.map(char::len_utf8).sum()]
}

/// The digits of the UUID that `sub` is, or, whatever else it may be, its bytes: no two users have the same.
fn digits(sub: &str) -> String {
    let bytes = || sub.bytes().flat_map(|byte| [byte >> 4, byte & 15]);
    let hexadecimal = || bytes().filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    Uuid::try_parse(sub).map_or_else(|_| hexadecimal(), |uuid| uuid.simple().to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUB: &str = "5c2f8a10-9d3e-4b71-8f06-2a4be1c07d95";

    fn user(user_name: &str, attributes: &[(&str, &str)]) -> User {
        let attributes = attributes
            .iter()
            .chain(&[("sub", SUB)])
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        User::from_attributes(Some(user_name), &attributes).expect("`sub` is there")
    }

    #[track_caller]
    fn assert_named(user: &User, display_name: &str, handle: &str) {
        assert_eq!((user.display_name(), user.handles()[0].as_str()), (display_name, handle));
    }

    #[test]
    fn the_name_and_the_preferred_username_win() {
        let user = user(
            "login",
            &[
                ("name", "Ada Lovelace"),
                ("given_name", "Augusta"),
                ("preferred_username", "ada"),
                ("email", "countess@example.com"),
            ],
        );
        assert_named(&user, "Ada Lovelace", "ada");
        assert_eq!(user.email(), Some("countess@example.com"));
        assert_eq!(user.cognito_user_id(), SUB);
    }

    #[test]
    fn without_a_name_the_given_and_the_family_name_are_shown() {
        assert_named(&user("ada", &[("given_name", "Ada"), ("family_name", "Lovelace")]), "Ada Lovelace", "ada");
        assert_named(&user("ada", &[("family_name", "Lovelace")]), "Lovelace", "ada");
        assert_named(&user("ada", &[("given_name", "Ada")]), "Ada", "ada");
    }

    #[test]
    fn without_any_name_the_handle_is_shown() {
        assert_named(&user("login", &[("preferred_username", "ada"), ("email", "a@example.com")]), "ada", "ada");
        assert_named(&user("ada.l", &[("email", "countess@example.com")]), "ada.l", "ada.l");
    }

    #[test]
    fn a_user_name_that_is_chosen_may_be_the_mailbox() {
        assert_named(&user("ada", &[("email", "ada@example.com")]), "ada", "ada");
    }

    #[test]
    fn the_mailbox_is_neither_name_nor_handle() {
        assert_named(&user(SUB, &[("email", "ada@example.com")]), "user-5c2f8a10", "user-5c2f8a10");
    }

    #[test]
    fn with_nothing_but_sub_the_handle_is_made_from_it() {
        assert_named(&user(SUB, &[]), "user-5c2f8a10", "user-5c2f8a10");
        assert_eq!(user(SUB, &[]).email(), None);
    }

    #[test]
    fn an_identifier_becomes_neither_name_nor_handle_by_any_door() {
        const MADE: &str = "user-5c2f8a10";
        for identifier in ["ada.x@example.com", "+15555613706", "Google_108204268033311374519", "CONTOSO\\ada"] {
            assert_named(&user(identifier, &[]), MADE, MADE);
            for door in ["name", "given_name", "family_name", "preferred_username"] {
                assert_named(&user(SUB, &[(door, identifier)]), MADE, MADE);
            }
            assert_named(&user("ada", &[("preferred_username", identifier), ("name", identifier)]), "ada", "ada");
            assert_named(&user("ada", &[("given_name", "Ada"), ("family_name", identifier)]), "Ada", "ada");
        }
        assert_named(&user(SUB, &[("phone_number", "+441632960961")]), MADE, MADE);
        assert_named(&user(SUB, &[("given_name", "01632"), ("family_name", "96096")]), MADE, MADE);
    }

    #[test]
    fn the_user_name_of_a_federated_user_is_no_handle() {
        let identities = ("identities", r#"[{"userId": "joe", "providerName": "Okta"}]"#);
        assert_named(&user("Okta_joe", &[identities, ("name", "Joe Doe")]), "Joe Doe", "user-5c2f8a10");
        assert_named(&user("Okta_joe", &[identities, ("preferred_username", "joey")]), "joey", "joey");
        assert_named(&user("x", &[identities, ("preferred_username", "joe")]), "user-5c2f8a10", "user-5c2f8a10");
    }

    #[test]
    fn a_cited_handle_is_the_handle() {
        assert_named(&user("@ada", &[]), "ada", "ada");
        assert_named(&user("login", &[("preferred_username", "\u{ff20} ada"), ("name", "@")]), "ada", "ada");
    }

    #[test]
    fn an_identifier_that_the_cut_lays_bare_is_no_handle() {
        let handle = "1".repeat(8) + &"\u{301}".repeat(120) + "ada";
        assert_named(&user(&handle, &[]), "user-5c2f8a10", "user-5c2f8a10");
    }

    #[test]
    fn a_name_of_nothing_visible_counts_as_absent() {
        for nothing in ["\u{200b}", "\u{3164}", "\u{2800} ", "\u{202e}", "\u{e0041}", "\u{fe0f}\u{200d}"] {
            assert_named(
                &user(nothing, &[("name", nothing), ("preferred_username", nothing)]),
                "user-5c2f8a10",
                "user-5c2f8a10",
            );
        }
    }

    #[test]
    fn the_cut_leaves_no_invisible_end() {
        assert_eq!(user(&("a".repeat(127) + "\u{200d}b"), &[]).handles()[0], "a".repeat(127));
    }

    #[test]
    fn blank_attributes_count_as_absent_and_others_are_trimmed() {
        let user = user(" ada ", &[("name", " \t"), ("preferred_username", ""), ("email", "  ")]);
        assert_named(&user, "ada", "ada");
        assert_eq!(user.email(), None);
    }

    #[test]
    fn the_character_nul_is_left_out() {
        assert_named(&user("ada\0", &[("name", "A\0da")]), "Ada", "ada");
    }

    #[test]
    fn a_taken_handle_is_followed_by_more_and_more_of_sub() {
        assert_eq!(
            user("ada", &[]).handles(),
            ["ada", "ada-5c2f", "ada-5c2f8a10", "ada-5c2f8a109d3e4b71", "ada-5c2f8a109d3e4b718f062a4be1c07d95"]
        );
    }

    #[test]
    fn a_sub_that_is_no_uuid_makes_handles_distinct_as_well() {
        let last = |sub: &str| {
            let attributes = [("sub".to_owned(), sub.to_owned())].into();
            User::from_attributes(Some("ada"), &attributes).expect("`sub` is there").handles().pop()
        };
        assert_eq!(last("--").as_deref(), Some("ada-2d2d"));
        assert_ne!(last("é"), last("è"));
        assert_ne!(last("a"), last("A"));
    }

    #[test]
    fn a_handle_is_cut_to_128_characters() {
        let user = user(&"\u{1F98A}".repeat(2048), &[]);
        assert_eq!(user.handles()[0], "\u{1F98A}".repeat(128));
    }

    #[test]
    fn a_handle_is_cut_to_128_characters_as_they_are_compared() {
        let user = user(&"\u{FDFA}".repeat(128), &[]);
        assert_eq!(user.handles()[0], "\u{FDFA}".repeat(7), "each is eighteen characters, spaces included");
    }

    #[test]
    fn without_a_usable_sub_there_is_no_user() {
        let with_sub = |sub: &str| {
            let attributes = [("sub".to_owned(), sub.to_owned())].into();
            User::from_attributes(Some("ada"), &attributes).map(|_| ())
        };
        assert_eq!(User::from_attributes(Some("ada"), &BTreeMap::new()), Err(InvalidUser::SubMissing));
        assert_eq!(with_sub(" \0 "), Err(InvalidUser::SubMissing));
        assert_eq!(with_sub(&"5".repeat(256)), Err(InvalidUser::SubTooLong));
        assert_eq!(with_sub(&"5".repeat(255)), Ok(()));
    }

    /// An attribute that can become public.
    fn door() -> impl Strategy<Value = String> {
        proptest::sample::select(&["name", "given_name", "family_name", "preferred_username"][..])
            .prop_map(str::to_owned)
    }

    /// Text of any form, often that of an identifier.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[a-z]{1,8}[@\u{FF20}][a-z.]{0,8}",
            "[+(]?[0-9\u{0660}-\u{0669} ().\u{200B}-]{1,16}",
            "[\u{200B}-\u{200F}\u{FE0F}\u{3164}a ]{0,4}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_public_identifies_nobody_elsewhere(
            user_name in text(),
            attributes in proptest::collection::btree_map(door(), text(), 0..6),
            sub in any::<String>(),
        ) {
            let mut attributes = attributes;
            attributes.insert("sub".to_owned(), sub);
            let Ok(user) = User::from_attributes(Some(&user_name), &attributes) else { return Ok(()) };
            for public in [user.display_name(), &user.handles()[0]] {
                let is_number = public.chars().filter(|character| character.is_numeric()).count() >= 6
                    && !public.contains(char::is_alphabetic);
                prop_assert!(!public.contains(['@', '\u{FF20}']) && !is_number, "{:?}", public);
                prop_assert_eq!(visible(public), Some(public.to_owned()));
            }
        }

        #[test]
        fn handles_are_always_usable_distinct_and_the_same(
            user_name in proptest::option::of(any::<String>()),
            preferred in proptest::option::of(".{0,200}"),
            email in proptest::option::of(any::<String>()),
            sub in any::<String>(),
        ) {
            let optional = [("preferred_username", preferred), ("email", email), ("sub", Some(sub))];
            let attributes = optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
            let make = || User::from_attributes(user_name.as_deref(), &attributes).map(|user| user.handles());
            let Ok(handles) = make() else { return Ok(()) };
            for handle in &handles {
                prop_assert!(!handle.trim().is_empty() && !handle.contains('\0'), "{:?}", handle);
            }
            prop_assert!(handles[0].chars().count() <= HANDLE_MAX_CHARS);
            // The longest suffix is `-` and two digits for each byte of `sub`.
            let longest = HANDLE_MAX_CHARS + 1 + 2 * SUB_MAX_BYTES;
            prop_assert!(handles.iter().all(|handle| handle.chars().count() <= longest));
            let mut distinct = handles.clone();
            distinct.sort();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), handles.len());
            prop_assert_eq!(make(), Ok(handles));
        }
    }
}
