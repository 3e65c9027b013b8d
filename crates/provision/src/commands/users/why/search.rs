//! The search for the users whom the operator means: in the pool, and in the table.

use std::collections::BTreeSet;

use cognito::UserEvent;

use super::note::Notes;
use super::story::{Other, Story};
use super::table::{self, Answer, Question, Row};
use super::who::{Kind, MOST, Who, find_by_sub};
use crate::aws::pool_users::{Pool, PoolUser};
use crate::target::Target;

/// What was found.
pub(super) struct Found {
    /// The users, each without what logs and queues say. At least one, who may be nobody.
    pub(super) stories: Vec<Story>,
    pub(super) is_pool_readable: bool,
    pub(super) answer: Answer,
}

/// Looks for the users, of whom the `answer` has what the table knows without the pool.
pub(super) async fn find(
    pool: &Pool,
    target: &Target,
    who: &Who,
    mut answer: Answer,
    notes: &mut Notes,
) -> anyhow::Result<Found> {
    let searched = notes.unless("user pool", who.find_in(pool).await.map_err(Into::into))?;
    let mut is_pool_readable = searched.is_some();
    let mut users = searched.unwrap_or_default();
    if !users.is_empty() {
        answer = table::look(target, &question(pool, who, &users)).await?;
    }
    // Rows of users whom the pool has under another address or handle by now.
    let (mut others, mut are_found) = (BTreeSet::new(), false);
    let unknown = answer.rows.iter().filter(|row| !row.is_seeded() && !has_sub(&users, &row.sub)).take(MOST);
    for row in unknown.cloned().collect::<Vec<Row>>() {
        if !is_pool_readable {
            break;
        }
        match notes.unless("user pool", find_by_sub(pool, &row.sub).await.map_err(Into::into))? {
            Some(Some(user)) if is_meant(&row, who) => {
                users.push(user);
                are_found = true;
            }
            Some(Some(_)) => drop(others.insert(row.sub)),
            Some(None) => {}
            None => is_pool_readable = false,
        }
    }
    if are_found {
        answer = table::look(target, &question(pool, who, &users)).await?;
    }
    if users.len() > MOST {
        users.truncate(MOST);
        notes.add("user pool", format!("more than {MOST} users fit; the others are left out"), "name one by its sub");
    }
    if answer.are_tombstones_hidden {
        let problem = "this login may not read cognito.forgotten, so whether a user was forgotten is unknown";
        notes.add("table", problem, "grant select on cognito.forgotten to it");
    }
    if !answer.is_public_users && who.kind == Kind::Handle {
        let problem = "in a table of your own, rows are found by sub and address, and not by handle";
        notes.add("table", problem, "name the user by sub or address");
    }
    Ok(Found { stories: stories(pool, who, &users, &answer, &others), is_pool_readable, answer })
}

/// One story for each user of the pool, and for each row that is meant and whose user the pool does not have.
fn stories(pool: &Pool, who: &Who, users: &[PoolUser], answer: &Answer, others: &BTreeSet<String>) -> Vec<Story> {
    let is_user = |sub: &str| has_sub(users, sub);
    let of_users = users.iter().map(|user| {
        let sub = user.sub().unwrap_or(&user.username);
        let rows = answer.rows.iter().filter(|row| !is_user(&row.sub) && !others.contains(&row.sub));
        Story {
            sub: sub.to_owned(),
            user: Some(user.clone()),
            row: answer.rows.iter().find(|row| row.sub == sub).cloned(),
            others: rows.filter_map(|row| other(pool, user, row)).collect(),
            forgotten_at: answer.tombstones.get(sub).copied(),
            ..Story::default()
        }
    });
    let mut stories: Vec<Story> = of_users.collect();
    for row in answer.rows.iter().filter(|row| is_meant(row, who) && !is_user(&row.sub)).take(MOST) {
        // One that waits for one of the users is told of there.
        let is_told = stories.iter().any(|story| story.others.iter().any(|other| other.row.sub == row.sub));
        if !row.is_seeded() || !is_told {
            let forgotten_at = answer.tombstones.get(&row.sub).copied();
            stories.push(Story { sub: row.sub.clone(), row: Some(row.clone()), forgotten_at, ..Story::default() });
        }
    }
    if stories.is_empty() {
        let sub = if who.kind == Kind::Sub { who.text.clone() } else { String::new() };
        stories.push(Story { forgotten_at: answer.tombstones.get(&sub).copied(), sub, ..Story::default() });
    }
    stories
}

/// The other row, if it has the user's address or handle. A seeded one is linked by a verified address alone.
fn other(pool: &Pool, user: &PoolUser, row: &Row) -> Option<Other> {
    let (email, is_verified) = UserEvent::address_of(&user.attributes);
    let has_address = email.is_some() && email == row.email && (is_verified || !row.is_seeded());
    let has_handle = handle(pool, user).is_some_and(|handle| row.handles.contains(&handle));
    (has_address || has_handle).then(|| Other { row: row.clone(), has_address, has_handle })
}

fn question(pool: &Pool, who: &Who, users: &[PoolUser]) -> Question {
    let mut question = who.question();
    question.subs.extend(users.iter().filter_map(|user| user.sub().map(str::to_owned)));
    question.addresses.extend(users.iter().filter_map(|user| UserEvent::address_of(&user.attributes).0));
    question.handles.extend(users.iter().filter_map(|user| handle(pool, user)));
    question
}

/// The handle that the user gets if nobody has it.
fn handle(pool: &Pool, user: &PoolUser) -> Option<String> {
    // The time is no part of it.
    let event = UserEvent::of_pool_user(&pool.id, &user.username, user.attributes.clone(), user.modified_at).ok()?;
    event.handle().map(str::to_owned)
}

fn has_sub(users: &[PoolUser], sub: &str) -> bool {
    users.iter().any(|user| user.sub() == Some(sub))
}

/// Whether the operator has named this row, and not only a user with whom it shares something.
fn is_meant(row: &Row, who: &Who) -> bool {
    match who.kind {
        Kind::Sub => row.sub == who.text,
        Kind::Address => row.email.as_ref().is_some_and(|email| email.to_lowercase() == who.text.to_lowercase()),
        Kind::Handle => row.sub == who.text || row.handles.contains(&who.text),
    }
}
