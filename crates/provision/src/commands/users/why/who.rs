//! Whom the operator means, and the search for that user in the pool.

use db::AwsError;

use super::table::Question;
use crate::aws::pool_users::{Named, Pool, PoolUser};

/// The most users whose stories are told: an address or a handle may belong to several.
pub(super) const MOST: usize = 10;

/// A user as the operator names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) text: String,
    pub(super) kind: Kind,
}

/// What the operator names a user by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sub,
    Address,
    /// A handle, a user name, or the id of a seeded row.
    Handle,
}

impl Who {
    /// What clap reads. NUL is in no argument.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("expected an e-mail address, a handle, or an id (sub)");
        }
        let kind = match uuid::Uuid::try_parse(text) {
            Ok(_) if text.len() == 36 => Kind::Sub,
            _ if text.contains('@') && !text.starts_with('@') => Kind::Address,
            _ => Kind::Handle,
        };
        Ok(Self { text: if kind == Kind::Sub { text.to_lowercase() } else { text.to_owned() }, kind })
    }

    /// Where the pool is searched, in words.
    pub(super) fn places(&self) -> &'static str {
        match self.kind {
            Kind::Sub => "by sub",
            Kind::Address => "by user name, email and preferred_username",
            Kind::Handle => "by user name and preferred_username",
        }
    }

    /// What the table is asked.
    pub(super) fn question(&self) -> Question {
        let text = || vec![self.text.clone()];
        match self.kind {
            Kind::Sub => Question { subs: text(), ..Question::default() },
            Kind::Address => Question { addresses: text(), ..Question::default() },
            Kind::Handle => Question { subs: text(), handles: text(), ..Question::default() },
        }
    }

    /// The users of the pool that this can mean, [`MOST`] and one more at most.
    pub(super) async fn find_in(&self, pool: &Pool) -> Result<Vec<PoolUser>, AwsError> {
        if self.kind == Kind::Sub {
            return Ok(find_by_sub(pool, &self.text).await?.into_iter().collect());
        }
        let mut users = Vec::new();
        if let Named::User(user) = pool.find_user(&self.text).await? {
            users.push(*user);
        }
        let attributes: &[&str] =
            if self.kind == Kind::Address { &["email", "preferred_username"] } else { &["preferred_username"] };
        let lower = self.text.to_lowercase();
        for attribute in attributes {
            let mut listed = pool.find_by(attribute, &self.text, MOST + 1).await?;
            // Cognito compares letter by letter.
            if listed.is_empty() && lower != self.text {
                listed = pool.find_by(attribute, &lower, MOST + 1).await?;
            }
            for user in listed.into_iter().take(MOST + 1) {
                if !users.iter().any(|known| known.sub() == user.sub()) {
                    users.extend(as_it_is_now(pool, user).await?);
                }
            }
        }
        users.truncate(MOST + 1);
        Ok(users)
    }
}

/// The user with this id.
pub(super) async fn find_by_sub(pool: &Pool, sub: &str) -> Result<Option<PoolUser>, AwsError> {
    // In a pool whose users sign in with an address, the id is the name as well.
    if let Named::User(user) = pool.find_user(sub).await?
        && user.sub() == Some(sub)
    {
        return Ok(Some(*user));
    }
    match pool.find_listed(sub).await? {
        Some(user) => as_it_is_now(pool, user).await,
        None => Ok(None),
    }
}

/// The list can be behind.
async fn as_it_is_now(pool: &Pool, listed: PoolUser) -> Result<Option<PoolUser>, AwsError> {
    Ok(match pool.find_user(&listed.username).await? {
        Named::User(user) if user.sub() == listed.sub() => Some(*user),
        // Another user has the name by now.
        Named::User(_) | Named::Nobody => None,
        Named::Refused => Some(listed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_an_address_and_a_handle_are_told_apart() {
        let kind = |text| Who::parse(text).map(|who| who.kind);
        assert_eq!(kind("5C2F8A10-9d3e-4b71-8f06-2a4be1c07d95"), Ok(Kind::Sub));
        assert_eq!(kind(" ada@example.com "), Ok(Kind::Address));
        for handle in ["ada", "@ada", "Google_7", "seed-ada", "5c2f8a109d3e4b718f062a4be1c07d95"] {
            assert_eq!(kind(handle), Ok(Kind::Handle), "{handle}");
        }
        assert!(kind(" ").is_err());
        assert_eq!(Who::parse("5C2F8A10-9d3e-4b71-8f06-2a4be1c07d95").map(|who| who.text.contains('C')), Ok(false));
    }
}
