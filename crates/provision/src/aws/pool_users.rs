//! The users of a Cognito user pool, as they are read.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::error::ProvideErrorMetadata;
use aws_sdk_cognitoidentityprovider::types::{AttributeType, LambdaConfigType, UserPoolType, UserType};
use db::AwsError;

use super::user_pool::no_such_pool;
use super::{Aws, Explain};
use crate::error::Problem;

/// The most users that one page can have.
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html>
pub(crate) const PAGE: i32 = 60;

/// The statuses of users who are to have a row, unless others are asked for: each of these could sign in once.
pub(crate) const STATUSES: [&str; 3] = ["CONFIRMED", "EXTERNAL_PROVIDER", "RESET_REQUIRED"];

/// The last second of the year 9999, after 1970. PostgreSQL's times end later, and those of AWS do not end.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// A user pool, and the client that reads it.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    client: Client,
    pub(crate) id: String,
}

/// A user of a pool.
#[derive(Clone, Debug)]
pub(crate) struct PoolUser {
    pub(crate) username: String,
    /// Such as `CONFIRMED`.
    pub(crate) status: String,
    pub(crate) enabled: bool,
    pub(crate) created_at: SystemTime,
    pub(crate) modified_at: SystemTime,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// The answer to the question for a name.
#[derive(Debug)]
pub(crate) enum Named {
    User(Box<PoolUser>),
    Nobody,
    /// `AdminGetUser` takes no such name, though a user of the list may have it: it takes 1 to 128 letters, marks, symbols,
    /// digits and punctuation.
    /// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminGetUser.html>
    Refused,
}

/// How users come to a pool, as far as its settings tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    /// The ARN of the function that the trigger of every sign-up calls.
    pub(crate) post_confirmation: Option<String>,
    /// Whether users of another directory are taken over when they sign in, for which that trigger is not called.
    pub(crate) migrates: bool,
    /// Whether nobody can sign up, so that administrators have created all users but the federated ones.
    pub(crate) is_by_administrators: bool,
}

/// A page of the list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) users: Vec<PoolUser>,
    /// The next page's. Without one this was the last; a page with one can be empty.
    pub(crate) token: Option<String>,
}

impl PoolUser {
    /// Cognito's id. Every user has one.
    pub(crate) fn sub(&self) -> Option<&str> {
        self.attributes.get("sub").map(String::as_str)
    }
}

impl Pool {
    pub(crate) fn new(aws: &Aws, id: &str) -> Self {
        Self { client: aws.cognito.clone(), id: id.to_owned() }
    }

    /// The error where there is no such pool.
    pub(crate) fn missing(&self) -> Problem {
        no_such_pool(&self.id, self.client.config().region().map(ToString::to_string).as_deref())
    }

    /// About how many users the pool has: AWS counts them now and then. None if there is no such pool.
    pub(crate) async fn estimate(&self) -> Result<Option<u64>, AwsError> {
        let pool = self.describe().await?;
        Ok(pool.map(|pool| u64::try_from(pool.estimated_number_of_users).unwrap_or_default()))
    }

    /// The page with this token, or the first one; with a status, only users of that one. None if AWS refuses the token: they
    /// expire, after a time that AWS does not tell.
    pub(crate) async fn list_users(&self, token: Option<&str>, status: Option<&str>) -> Result<Option<Page>, AwsError> {
        let filter = status.map(|status| format!("cognito:user_status = \"{status}\""));
        let request = self.client.list_users().user_pool_id(&self.id).limit(PAGE).set_filter(filter);
        let answer = request.set_pagination_token(token.map(str::to_owned)).send().await;
        // The second one is moto's.
        let is_about_token = |code| matches!(code, Some("InvalidParameterException" | "InvalidToken"));
        if token.is_some() && answer.as_ref().is_err_and(|error| is_about_token(error.code())) {
            return Ok(None);
        }
        let page = answer.explain("cognito-idp:ListUsers")?;
        let users = page.users.unwrap_or_default().into_iter().map(PoolUser::from).collect();
        Ok(Some(Page { users, token: page.pagination_token.filter(|token| !token.is_empty()) }))
    }

    /// The user by this name, read from the pool itself and not from the list.
    pub(crate) async fn find_user(&self, username: &str) -> Result<Named, AwsError> {
        let answer = self.client.admin_get_user().user_pool_id(&self.id).username(username).send().await;
        match answer.as_ref().err().and_then(ProvideErrorMetadata::code) {
            Some("UserNotFoundException") => return Ok(Named::Nobody),
            Some("InvalidParameterException") => return Ok(Named::Refused),
            _ => {}
        }
        let user = answer.explain("cognito-idp:AdminGetUser")?;
        Ok(Named::User(Box::new(PoolUser {
            username: user.username,
            status: user.user_status.map_or_else(String::new, |status| status.as_str().to_owned()),
            enabled: user.enabled,
            created_at: time(user.user_create_date),
            modified_at: time(user.user_last_modified_date),
            attributes: attributes(user.user_attributes),
        })))
    }

    /// The user with this id, as the list has it. A pool need not accept the id as a name.
    pub(crate) async fn find_listed(&self, sub: &str) -> Result<Option<PoolUser>, AwsError> {
        Ok(self.find_by("sub", sub, 1).await?.into_iter().next())
    }

    /// The users whose attribute has this value, as the list has them, and of those not many more than `most`. AWS refuses a
    /// filter that is too long, which is that of no user.
    pub(crate) async fn find_by(&self, attribute: &str, value: &str, most: usize) -> Result<Vec<PoolUser>, AwsError> {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let (mut users, mut token) = (Vec::new(), None);
        loop {
            let is_first = token.is_none();
            let filter = format!("{attribute} = \"{quoted}\"");
            let request = self.client.list_users().user_pool_id(&self.id).filter(filter);
            let answer = request.set_pagination_token(token).send().await;
            let is_refused = |error: &_| ProvideErrorMetadata::code(error) == Some("InvalidParameterException");
            if is_first && answer.as_ref().is_err_and(is_refused) {
                return Ok(users);
            }
            let page = answer.explain("cognito-idp:ListUsers")?;
            users.extend(page.users.unwrap_or_default().into_iter().map(PoolUser::from));
            match page.pagination_token {
                Some(next) if !next.is_empty() && users.len() < most => token = Some(next),
                _ => return Ok(users),
            }
        }
    }

    /// How users come to the pool. None if there is no such pool.
    pub(crate) async fn admission(&self) -> Result<Option<Admission>, AwsError> {
        let Some(pool) = self.describe().await? else { return Ok(None) };
        let function = |of: fn(LambdaConfigType) -> Option<String>| {
            pool.lambda_config.clone().and_then(of).filter(|arn| !arn.is_empty())
        };
        Ok(Some(Admission {
            post_confirmation: function(|triggers| triggers.post_confirmation),
            migrates: function(|triggers| triggers.user_migration).is_some(),
            is_by_administrators: pool
                .admin_create_user_config
                .is_some_and(|config| config.allow_admin_create_user_only),
        }))
    }

    async fn describe(&self) -> Result<Option<UserPoolType>, AwsError> {
        let answer = self.client.describe_user_pool().user_pool_id(&self.id).send().await;
        if answer.as_ref().is_err_and(|error| error.code() == Some("ResourceNotFoundException")) {
            return Ok(None);
        }
        Ok(answer.explain("cognito-idp:DescribeUserPool")?.user_pool)
    }
}

impl From<UserType> for PoolUser {
    fn from(user: UserType) -> Self {
        Self {
            username: user.username.unwrap_or_default(),
            status: user.user_status.map_or_else(String::new, |status| status.as_str().to_owned()),
            enabled: user.enabled,
            created_at: time(user.user_create_date),
            modified_at: time(user.user_last_modified_date),
            attributes: attributes(user.attributes),
        }
    }
}

/// The time, or the nearest one from 1970 to 9999.
fn time(time: Option<impl TryInto<SystemTime>>) -> SystemTime {
    time.and_then(|time| time.try_into().ok()).unwrap_or(UNIX_EPOCH).clamp(UNIX_EPOCH, UNIX_EPOCH + LAST)
}

fn attributes(attributes: Option<Vec<AttributeType>>) -> BTreeMap<String, String> {
    let attributes = attributes.unwrap_or_default().into_iter();
    attributes.filter_map(|attribute| Some((attribute.name, attribute.value?))).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_cognitoidentityprovider::primitives::DateTime;

    use super::*;

    #[test]
    fn a_time_that_postgresql_cannot_hold_is_the_nearest_that_it_can() {
        let last = UNIX_EPOCH + LAST;
        assert_eq!(humantime::format_rfc3339(last).to_string(), "9999-12-31T23:59:59Z");
        for (seconds, expected) in [
            (900_000_000_000_000.5, last),
            (-900_000_000_000_000.5, UNIX_EPOCH),
            (1.5, UNIX_EPOCH + Duration::from_millis(1500)),
        ] {
            assert_eq!(time(Some(DateTime::from_secs_f64(seconds))), expected, "{seconds}");
        }
    }
}
