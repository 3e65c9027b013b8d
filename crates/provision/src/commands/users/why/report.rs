//! The result: each user's story, and its verdict.

use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use serde::Serialize;

use super::note::Note;
use super::story::{Deployment, Entry, Story};
use super::verdict::Verdict;
use super::wording::{Wording, rfc3339, time};
use crate::target::{Server, Target};
use crate::terminal::harmless;

/// The most lines of one user's log that are shown, which are the newest.
const MOST_LINES: usize = 50;

/// What is known of the users whom the operator means.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pool: String,
    database: String,
    #[serde(flatten)]
    server: Server,
    #[serde(serialize_with = "rfc3339")]
    now: SystemTime,
    users: Vec<User>,
    /// Where the stories have gaps.
    notes: Vec<Note>,
}

#[derive(Debug, Serialize)]
struct User {
    /// None for nobody.
    sub: Option<String>,
    /// Cognito's, such as `CONFIRMED`.
    status: Option<String>,
    enabled: Option<bool>,
    has_row: bool,
    #[serde(flatten)]
    verdict: Verdict,
    timeline: Vec<Entry>,
    /// Lines of the log that the timeline leaves out.
    earlier_lines: usize,
}

impl Report {
    pub(super) fn of(
        stories: Vec<Story>,
        deployment: &Deployment,
        wording: &Wording<'_>,
        target: &Target,
        notes: Vec<Note>,
    ) -> Self {
        Self {
            pool: wording.pool.to_owned(),
            database: target.login.dbname.clone(),
            server: target.server(),
            now: deployment.now,
            users: stories.into_iter().map(|story| User::of(story, deployment, wording)).collect(),
            notes,
        }
    }

    /// Whether something is to be done for one of the users.
    pub(super) fn differs(&self) -> bool {
        self.users.iter().any(|user| user.verdict.next.is_some())
    }
}

impl User {
    fn of(mut story: Story, deployment: &Deployment, wording: &Wording<'_>) -> Self {
        let verdict = Verdict::of(&story, deployment, wording);
        let earlier_lines = story.calls.len().saturating_sub(MOST_LINES);
        story.calls.drain(..earlier_lines);
        Self {
            timeline: story.timeline(deployment, wording),
            sub: Some(&story.sub).filter(|sub| !sub.is_empty()).map(|sub| wording.sub(sub)),
            status: story.user.as_ref().map(|user| user.status.clone()),
            enabled: story.user.as_ref().map(|user| user.enabled),
            has_row: story.row.is_some(),
            verdict,
            earlier_lines,
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { pool, database, server, users, notes, .. } = self;
        write!(f, "pool {}, {} on {}", harmless(pool), harmless(database), harmless(server))?;
        if users.len() > 1 {
            write!(f, ": {} users", users.len())?;
        }
        for Note { place, problem, remedy } in notes {
            write!(f, "\nnote: {place}: {}\n  hint: {}", harmless(problem), harmless(remedy))?;
        }
        users.iter().try_for_each(|user| write!(f, "\n\n{user}"))
    }
}

impl Display for User {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { sub, verdict, timeline, earlier_lines, .. } = self;
        if let Some(sub) = sub {
            writeln!(f, "user {}", harmless(sub))?;
        }
        if *earlier_lines > 0 {
            writeln!(f, "  {earlier_lines} earlier lines of the log are not shown")?;
        }
        for Entry { at, source, event } in timeline {
            writeln!(f, "  {}  {source:12}  {}", time(*at), harmless(event))?;
        }
        let Verdict { cause, why, hint, next } = verdict;
        write!(f, "cause: {} ({cause})", harmless(why))?;
        if let Some(hint) = hint {
            write!(f, "\nhint:  {}", harmless(hint))?;
        }
        write!(f, "\nnext:  {}", harmless(next.as_deref().unwrap_or("nothing to do")))
    }
}
