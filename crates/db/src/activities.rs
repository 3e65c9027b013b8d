//! The table `activities`: messages of users that expire.
//!
//! An expired activity counts as missing: it is not shown, and cannot be replied to.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tokio_postgres::types::{Json, ToSql, Type};
use tokio_postgres::{GenericClient, Row};
use unicode_segmentation::UnicodeSegmentation;
use uuid::Uuid;

use crate::Error;
use crate::row::Columns;

/// The longest message, in characters as readers count them: Unicode's extended grapheme clusters.
pub const MESSAGE_LIMIT: usize = 280;

/// The longest message in code points, as the table checks it: room for 280 emoji that are made of ten.
const CODE_POINT_LIMIT: usize = 2800;

/// The times to live, by the name that callers use, in hours. Not in days, because a day has 23 or 25 hours when clocks
/// change.
const TTLS: [(&str, i32); 7] =
    [("30-days", 720), ("7-days", 168), ("3-days", 72), ("1-day", 24), ("12-hours", 12), ("3-hours", 3), ("1-hour", 1)];

/// An activity and who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Primary key.
    pub uuid: Uuid,
    /// The author's display name.
    pub display_name: String,
    /// The author's handle.
    pub handle: String,
    /// The author's message.
    pub message: String,
    /// The number of replies.
    pub replies_count: i32,
    /// The number of reposts.
    pub reposts_count: i32,
    /// The number of users who like it.
    pub likes_count: i32,
    /// The activity that this one replies to.
    pub reply_to_activity_uuid: Option<Uuid>,
    /// Time of expiry: UTC, RFC 3339, in microseconds.
    pub expires_at: String,
    /// Time of creation: UTC, RFC 3339, in microseconds.
    pub created_at: String,
}

/// An activity that is not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The author.
    pub author: Author,
    /// The message, of at most [`MESSAGE_LIMIT`] characters.
    pub message: String,
    /// Time to live: `30-days`, `7-days`, `3-days`, `1-day`, `12-hours`, `3-hours` or `1-hour`.
    pub ttl: String,
    /// The activity that it replies to.
    pub reply_to: Option<Uuid>,
}

/// The author of an activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// By handle, regardless of case.
    Handle(String),
    /// By `users.uuid`.
    Uuid(Uuid),
}

/// The reason why a draft became no activity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// All problems of the draft.
    #[error("{}", list(.0))]
    Invalid(BTreeSet<Problem>),
    /// The database could not be used.
    #[error(transparent)]
    Database(#[from] Error),
}

/// A problem of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Problem {
    /// `user_handle_blank`: the author's handle is blank.
    UserHandleBlank,
    /// `user_not_found`: there is no such user.
    UserNotFound,
    /// `message_blank`: nothing in the message is visible.
    MessageBlank,
    /// `message_exceed_max_chars`: the message is longer than [`MESSAGE_LIMIT`].
    MessageExceedMaxChars,
    /// `ttl_blank`: the time to live is missing.
    TtlBlank,
    /// `ttl_unknown`: the time to live is none of the seven.
    TtlUnknown,
    /// `reply_to_not_found`: there is no such activity to reply to, or it has expired.
    ReplyToNotFound,
}

/// An activity with its replies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thread {
    /// The activity.
    pub activity: Activity,
    /// Replies, oldest first.
    pub replies: Vec<Activity>,
}

/// The newest activities, or those before a [`Cursor`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The activities, newest first.
    pub activities: Vec<Activity>,
    /// The place where the next page begins, if this one is full.
    pub next: Option<Cursor>,
}

/// The place between two pages: the last activity of the page before. Written as `<created_at>,<uuid>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Cursor {
    created_at: String,
    uuid: Uuid,
}

/// A text that is no [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the `next` of the page before")]
pub struct InvalidCursor;

/// Writes an activity, in one statement. A reply raises the `replies_count` of what it replies to.
///
/// Fails with [`CreateError::Invalid`], which has every [`Problem`] of the draft, not just the first; with
/// [`Error::SchemaMissing`] before the schema is loaded, and [`Error::ConnectionLost`] when the session breaks.
pub async fn create(client: &impl GenericClient, draft: &Draft) -> Result<Activity, CreateError> {
    let mut problems = draft.problems();
    let (handle, uuid) = match &draft.author {
        Author::Handle(handle) => (Some(handle.trim()), None),
        Author::Uuid(uuid) => (None, Some(uuid)),
    };
    // Without hours, the statement only checks that author and parent exist.
    let hours = hours(&draft.ttl).filter(|_| problems.is_empty());
    let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
        (&handle, Type::TEXT),
        (&uuid, Type::UUID),
        (&draft.message, Type::TEXT),
        (&hours, Type::INT4),
        (&draft.reply_to, Type::UUID),
    ];
    let create = include_str!("../sql/activities/create.sql");
    let rows = client.query_typed(create, &parameters).await.map_err(Error::from)?;
    let row = rows.first().expect("there is always one row");
    if !row.column::<bool>("has_author")? && !problems.contains(&Problem::UserHandleBlank) {
        problems.insert(Problem::UserNotFound);
    }
    if !row.column::<bool>("has_parent")? {
        problems.insert(Problem::ReplyToNotFound);
    }
    if !problems.is_empty() {
        return Err(CreateError::Invalid(problems));
    }
    // The parent existed when the statement began, and may have expired before its row was locked.
    let Json(created) = row
        .column::<Option<Json<Activity>>>("activity")?
        .ok_or_else(|| CreateError::Invalid(BTreeSet::from([Problem::ReplyToNotFound])))?;
    Ok(created)
}

/// Reads at most `limit` activities, newest first, without the expired ones. Activities that are written or expire
/// between two pages neither repeat nor hide others. Reads the rows of the page, and the expired ones among them.
///
/// Fails with [`Error::SchemaMissing`] before the schema is loaded, and [`Error::ConnectionLost`] when the session
/// breaks.
pub async fn home(client: &impl GenericClient, limit: u16, before: Option<&Cursor>) -> Result<Page, Error> {
    let created_at = before.map_or("infinity", |cursor| &cursor.created_at);
    let uuid = before.map_or(Uuid::max(), |cursor| cursor.uuid);
    let rows = client
        .query_typed(
            concat!(include_str!("../sql/activities/activity.sql"), include_str!("../sql/activities/home.sql")),
            &[(&created_at, Type::TEXT), (&uuid, Type::UUID), (&i64::from(limit), Type::INT8)],
        )
        .await?;
    let activities = rows.iter().map(activity).collect::<Result<Vec<Activity>, Error>>()?;
    let last = activities.last().filter(|_| activities.len() == usize::from(limit));
    let next = last.map(|last| Cursor { created_at: last.created_at.clone(), uuid: last.uuid });
    Ok(Page { activities, next })
}

/// Reads the activity with its replies, unless it is missing or has expired.
///
/// Fails as [`home`] does.
pub async fn get(client: &impl GenericClient, uuid: Uuid) -> Result<Option<Thread>, Error> {
    let statement = concat!(include_str!("../sql/activities/activity.sql"), include_str!("../sql/activities/get.sql"));
    let rows = client.query_typed(statement, &[(&uuid, Type::UUID)]).await?;
    let mut activities = rows.iter().map(activity).collect::<Result<Vec<Activity>, Error>>()?.into_iter();
    let found = activities.next().filter(|activity| activity.uuid == uuid);
    Ok(found.map(|activity| Thread { activity, replies: activities.collect() }))
}

/// The hours of this time to live.
fn hours(ttl: &str) -> Option<i32> {
    TTLS.iter().find(|(name, _)| *name == ttl.trim()).map(|(_, hours)| *hours)
}

/// PostgreSQL has built the JSON.
fn activity(row: &Row) -> Result<Activity, Error> {
    let Json(activity) = row.column("activity")?;
    Ok(activity)
}

impl Draft {
    /// The problems that show without the database.
    fn problems(&self) -> BTreeSet<Problem> {
        let mut problems = BTreeSet::new();
        if matches!(&self.author, Author::Handle(handle) if cognito::is_blank(handle)) {
            problems.insert(Problem::UserHandleBlank);
        }
        if cognito::is_blank(&self.message) {
            problems.insert(Problem::MessageBlank);
        } else if self.message.graphemes(true).nth(MESSAGE_LIMIT).is_some()
            || self.message.chars().nth(CODE_POINT_LIMIT).is_some()
        {
            problems.insert(Problem::MessageExceedMaxChars);
        }
        if self.ttl.trim().is_empty() {
            problems.insert(Problem::TtlBlank);
        } else if hours(&self.ttl).is_none() {
            problems.insert(Problem::TtlUnknown);
        }
        problems
    }
}

impl Problem {
    /// The word for programs, which never changes.
    pub fn code(self) -> &'static str {
        match self {
            Self::UserHandleBlank => "user_handle_blank",
            Self::UserNotFound => "user_not_found",
            Self::MessageBlank => "message_blank",
            Self::MessageExceedMaxChars => "message_exceed_max_chars",
            Self::TtlBlank => "ttl_blank",
            Self::TtlUnknown => "ttl_unknown",
            Self::ReplyToNotFound => "reply_to_not_found",
        }
    }

    /// The rule that the draft breaks.
    fn rule(self) -> &'static str {
        match self {
            Self::UserHandleBlank => "name the author",
            Self::UserNotFound => "the author must be a user",
            Self::MessageBlank => "write a message",
            Self::MessageExceedMaxChars => "write at most 280 characters",
            Self::TtlBlank | Self::TtlUnknown => "choose 30-days, 7-days, 3-days, 1-day, 12-hours, 3-hours or 1-hour",
            Self::ReplyToNotFound => "reply to an activity that has not expired",
        }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code(), self.rule())
    }
}

fn list(problems: &BTreeSet<Problem>) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Display for Cursor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.created_at, self.uuid)
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (created_at, uuid) = text.split_once(',').ok_or(InvalidCursor)?;
        let uuid = uuid.parse().map_err(|_| InvalidCursor)?;
        humantime::parse_rfc3339(created_at).map_err(|_| InvalidCursor)?;
        Ok(Self { created_at: created_at.to_owned(), uuid })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::*;

    fn problems(handle: &str, message: &str, ttl: &str) -> Vec<&'static str> {
        let author = Author::Handle(handle.to_owned());
        let draft = Draft { author, message: message.to_owned(), ttl: ttl.to_owned(), reply_to: None };
        draft.problems().into_iter().map(Problem::code).collect()
    }

    #[test]
    fn all_problems_of_a_draft_are_found() {
        assert_eq!(problems(" ", "\n", ""), ["user_handle_blank", "message_blank", "ttl_blank"]);
        assert_eq!(problems("ada", &"x".repeat(281), "2-days"), ["message_exceed_max_chars", "ttl_unknown"]);
    }

    #[test]
    fn a_text_of_invisible_characters_is_blank() {
        for text in ["\u{200b}", "\u{202e}", "\u{feff}\u{2060} \n", "\u{ad}", "\u{3164}", "\u{2800}", "\u{e0041}"] {
            assert_eq!(
                problems(text, text, "1-day"),
                ["user_handle_blank", "message_blank"],
                "{}",
                text.escape_unicode()
            );
        }
        for text in ["-", "👩\u{200d}🚀", "\u{202e}a", "\u{fffd}"] {
            assert!(problems(text, text, "1-day").is_empty(), "{}", text.escape_unicode());
        }
    }

    #[test]
    fn each_time_to_live_is_known() {
        for ttl in ["30-days", "7-days", "3-days", "1-day", "12-hours", "3-hours", "1-hour"] {
            assert!(problems("ada", "hello", ttl).is_empty(), "{ttl}");
        }
    }

    #[test]
    fn characters_are_counted_as_readers_count_them() {
        for character in ["é", "e\u{301}", "李", "🦀", "👨‍👩‍👧‍👦", "🇩🇪", "\r\n"] {
            let most = format!("x{}", character.repeat(279));
            assert!(problems("ada", &most, "1-day").is_empty(), "280 characters with {character:?} are refused");
            assert_eq!(problems("ada", &format!("{most}x"), "1-day"), ["message_exceed_max_chars"], "{character:?}");
        }
    }

    #[test]
    fn a_character_with_thousands_of_marks_is_too_long() {
        assert_eq!(problems("ada", &format!("e{}", "\u{301}".repeat(2800)), "1-day"), ["message_exceed_max_chars"]);
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let text = "2026-01-02T03:04:05.678901Z,00000000-0000-4000-8000-000000000001";
        assert_eq!(text.parse::<Cursor>().expect("a cursor").to_string(), text);
        let at = |time: &str| format!("{time},00000000-0000-4000-8000-000000000001");
        let times = ["2026-01-02", "infinity", "2026-02-30T00:00:00Z", "9999-99-99T99:99:99.999999Z"].map(at);
        for wrong in ["", ",", &text[..30]].into_iter().chain(times.iter().map(String::as_str)) {
            assert_eq!(wrong.parse::<Cursor>(), Err(InvalidCursor), "{wrong:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn every_cursor_is_read_as_it_was_written(seconds in 0_u64..4_000_000_000, micros in 0_u32..1_000_000, uuid: u128) {
            let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, micros * 1000);
            let created_at = humantime::format_rfc3339_micros(time).to_string();
            let cursor = Cursor { created_at, uuid: Uuid::from_u128(uuid) };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        }
    }
}
