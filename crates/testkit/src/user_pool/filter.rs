//! The filter of `ListUsers`: one attribute, `=` or `^=` (begins with), a value in quotation marks.
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html#CognitoUserPools-ListUsers-request-Filter>

use super::answer::Refusal;
use super::user::User;

/// The attributes that can be searched. Custom attributes cannot.
const SEARCHABLE: [&str; 10] = [
    "username",
    "email",
    "phone_number",
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "cognito:user_status",
    "status",
    "sub",
];

#[derive(Debug)]
pub(super) struct Filter {
    attribute: &'static str,
    is_prefix: bool,
    value: String,
}

impl Filter {
    /// None for an empty text: it selects all users.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, Refusal> {
        if text.len() > 256 {
            let problem = "failed to satisfy constraint: Member must have length less than or equal to 256";
            return Err(Refusal::parameter(format!("1 validation error detected: Value at 'filter' {problem}")));
        }
        if text.trim().is_empty() {
            return Ok(None);
        }
        // AWS documents no words for it.
        let unreadable = || Refusal::parameter("Error while parsing filter.");
        let (left, right) = text.split_once('=').ok_or_else(unreadable)?;
        let (left, is_prefix) = left.strip_suffix('^').map_or((left, false), |left| (left, true));
        let quoted = right.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(unreadable)?;
        let value = unescape(quoted).ok_or_else(unreadable)?;
        let name = left.trim().trim_matches('"');
        let attribute = SEARCHABLE.into_iter().find(|attribute| *attribute == name);
        let attribute = attribute.ok_or_else(|| Refusal::parameter(format!("Invalid search attribute: {name}")))?;
        Ok(Some(Self { attribute, is_prefix, value }))
    }

    pub(super) fn matches(&self, user: &User) -> bool {
        match self.attribute {
            "username" => self.compare(&user.username),
            "status" => self.compare(if user.enabled { "Enabled" } else { "Disabled" }),
            // "called Status in the Console; case-insensitive"
            "cognito:user_status" => {
                let value = self.value.to_uppercase();
                Self { value, ..*self }.compare(user.status.as_str())
            }
            attribute => user.get(attribute).is_some_and(|value| self.compare(value)),
        }
    }

    /// How the `sub` of every match begins.
    pub(super) fn sub_prefix(&self) -> &str {
        if self.attribute == "sub" { &self.value } else { "" }
    }

    fn compare(&self, value: &str) -> bool {
        if self.is_prefix { value.starts_with(&self.value) } else { value == self.value }
    }
}

/// The text between the quotation marks. None if one in it is not escaped.
fn unescape(quoted: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
    Some(text)
}
