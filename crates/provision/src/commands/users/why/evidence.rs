//! What the function's log, the queue and its dead letters say of the users.

use std::time::{Duration, SystemTime};

use super::note::Notes;
use super::story::{Call, LogState, Story, Waiting};
use crate::aws::Aws;
use crate::aws::function::{FunctionName, find_log_group};
use crate::aws::log::{self, Line, Search};
use crate::cli::Context;
use crate::prompt::progress;
use crate::queue::QueueArgs;
use crate::queue::dead_letters::{DeadLetter, End, read};

/// The places, as notes name them.
const LOG: &str = "log";
const DEAD_LETTERS: &str = "dead letters";

/// The most lines of the log for all users together.
const MOST_LINES: usize = 10_000;

/// The most dead letters that are read, as `provision queue show` does.
const MOST_LETTERS: usize = 1000;

/// How long before and after a user's dates an invocation can have been the user's.
const AROUND: Duration = Duration::from_mins(1);

/// Adds what the function has logged of the users since then.
pub(super) async fn read_log(
    aws: &Aws,
    function: &FunctionName,
    since: SystemTime,
    stories: &mut [Story],
    notes: &mut Notes,
) -> anyhow::Result<LogState> {
    let subs: Vec<&str> = stories.iter().map(|story| story.sub.as_str()).filter(|sub| is_uuid(sub)).collect();
    if subs.is_empty() {
        return Ok(LogState::Unread);
    }
    let pattern = log::any_of(subs);
    let found = notes.unless("function", find_log_group(aws, function).await.map_err(Into::into))?;
    if found == Some(None) {
        let problem = format!("there is no function {function}, or it lies in another region");
        notes.add("function", problem, "correct --function, or choose another region with --region");
    }
    let group = found.flatten().unwrap_or_else(|| function.default_log_group());
    let search = Search { group: &group, since, until: None, pattern: &pattern, limit: MOST_LINES };
    let found = match notes.unless(LOG, log::read(aws, search, progress).await.map_err(Into::into))? {
        None => return Ok(LogState::Unread),
        Some(None) => return Ok(LogState::Missing),
        Some(Some(found)) => found,
    };
    if !found.is_complete {
        notes.add(LOG, "the log has more lines than are read at once", "narrow it with --since");
    }
    for Line { at, report, .. } in found.lines {
        let Some(report) = report else { continue };
        let is_of = |story: &&mut Story| report.sub.as_ref().is_some_and(|sub| sub.eq_ignore_ascii_case(&story.sub));
        if let Some(story) = stories.iter_mut().find(is_of) {
            story.calls.push(Call { at, report });
        }
    }
    for story in stories.iter_mut() {
        let Some(user) = story.user.as_ref().filter(|_| story.row.is_none() && story.calls.is_empty()) else {
            continue;
        };
        let (since, until) = (user.created_at.max(since) - AROUND, Some(user.modified_at + AROUND));
        let search = Search { group: &group, since, until, pattern: &log::cut_off(), limit: MOST_LINES };
        let found = notes.unless(LOG, log::read(aws, search, progress).await.map_err(Into::into))?.flatten();
        let lines = found.map(|found| found.lines).unwrap_or_default();
        story.cut_off_at = lines.iter().rev().find(|line| line.is_cut_off).map(|line| line.at);
    }
    Ok(LogState::Read { since })
}

/// Adds the users' dead letters. Returns what waits, and the options that name the queue in another command line.
pub(super) async fn read_queue(
    context: &Context,
    args: &QueueArgs,
    stories: &mut [Story],
    notes: &mut Notes,
) -> anyhow::Result<Option<(Waiting, String)>> {
    let Some(queue) = notes.unless("queue", args.find(context).await)? else { return Ok(None) };
    let mut waiting = Waiting { name: queue.name.clone(), events: queue.total(), are_letters_read: false };
    let options = args.options(&queue);
    let Some(letters) = notes.unless(DEAD_LETTERS, args.find_dead_letters(context, &queue).await)? else {
        return Ok(Some((waiting, options)));
    };
    let (mut is_complete, mut seen) = (letters.in_flight == 0, 0);
    let reading = read(&letters, async |reading| {
        loop {
            let messages = reading.next().await?;
            if messages.is_empty() {
                return Ok(());
            }
            seen += messages.len();
            for letter in messages.iter().map(DeadLetter::of) {
                let is_of =
                    |story: &&mut Story| letter.sub.as_ref().is_some_and(|sub| sub.eq_ignore_ascii_case(&story.sub));
                if let Some(story) = stories.iter_mut().find(is_of) {
                    story.letters.push(letter);
                }
            }
            if seen >= MOST_LETTERS {
                is_complete = false;
                return Ok(());
            }
        }
    });
    let ended = notes.unless(DEAD_LETTERS, reading.await)?;
    waiting.are_letters_read = is_complete && ended == Some(End::Reached);
    if ended.is_some() && !waiting.are_letters_read {
        let problem = "not all dead letters were read";
        notes.add(DEAD_LETTERS, problem, "look at them with `provision queue show`, once no other reader has them");
    }
    Ok(Some((waiting, options)))
}

/// Whether the function logs the text as a `sub`.
fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}
