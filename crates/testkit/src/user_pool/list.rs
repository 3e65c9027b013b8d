//! `ListUsers`. <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html>

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::State;
use super::answer::{Profile, Refusal, json};
use super::filter::Filter;
use super::generated::mix;
use super::page_token::{PageToken, digest_of_text};
use super::rules::{Lifetime, Moment};
use super::user::User;

/// "Valid Range: Minimum value of 0. Maximum value of 60."
const PAGE: usize = 60;

/// How many users one request looks at, so that each answer is quick. AWS looks at so many bytes, which gives the same
/// picture: a page with few users, or none, and a token.
const LOOKS: usize = 2_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListUsers {
    #[serde(default)]
    filter: String,
    limit: Option<i64>,
    pagination_token: Option<String>,
    attributes_to_get: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page<'a> {
    users: Vec<Profile<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination_token: Option<String>,
}

impl State {
    pub(super) fn list_users(&mut self, request: &ListUsers) -> Result<String, Refusal> {
        let limit = limit(request.limit)?;
        let filter = Filter::parse(&request.filter)?;
        let now = self.moment();
        let query = digest_of_text(mix(self.seed, 4), &format!("{}\n{:?}", request.filter, request.attributes_to_get));
        let token = request.pagination_token.as_deref().map(|text| self.open_token(text, query, now)).transpose()?;
        let page = token.map_or(0, |token| token.page);

        let range = self.directory.range_of_subs(filter.as_ref().map_or("", Filter::sub_prefix));
        let (first, last) = (token.map_or(*range.start(), |token| token.key), *range.end());
        let wanted = self.page_size(first, page, limit);
        let mut users: Vec<Arc<User>> = Vec::new();
        let mut next = Some(first);
        let mut entries = self.directory.listed(first..=last, now).take(LOOKS);
        let mut looks = 0;
        while users.len() < wanted {
            let Some((key, user)) = entries.next() else {
                if looks < LOOKS {
                    next = None;
                }
                break;
            };
            looks += 1;
            next = key.checked_add(1).filter(|next| *next <= last);
            users.extend(user.filter(|user| filter.as_ref().is_none_or(|filter| filter.matches(user))));
            if next.is_none() {
                break;
            }
        }
        drop(entries);
        let profiles = users.iter().map(|user| Profile::listed(user, request.attributes_to_get.as_deref()));
        let users = profiles.collect::<Result<_, _>>()?;
        let token = next.map(|key| PageToken {
            key,
            page: page + 1,
            query,
            issued_ms: self.clock.now_ms(),
            issued_requests: now.requests,
            generation: self.token_generation,
        });
        Ok(json(&Page { users, pagination_token: token.map(|token| token.seal(self.seed)) }))
    }

    /// "This operation might return fewer items than you specify in the Limit parameter without having reached the end
    /// of the full list. If the response contains a `PaginationToken`, then there are more results."
    /// <https://docs.aws.amazon.com/sdk-for-kotlin/api/latest/cognitoidentityprovider/aws.sdk.kotlin.services.cognitoidentityprovider.model/-list-users-request/index.html>
    fn page_size(&self, first: u128, page: u64, limit: usize) -> usize {
        let place = u64::try_from(first >> 64).expect("64 bits");
        let chance = mix(mix(self.seed, place), page);
        match self.rules.short_pages {
            0 => limit,
            often if !chance.is_multiple_of(often) => limit,
            _ if (chance >> 48).is_multiple_of(3) => 0,
            _ => usize::try_from(1 + (chance >> 16) % limit as u64).expect("at most the limit"),
        }
    }

    fn open_token(&self, text: &str, query: u64, now: Moment) -> Result<PageToken, Refusal> {
        let is_alive = |token: &PageToken| {
            token.query == query
                && token.generation == self.token_generation
                && match self.rules.token_lifetime {
                    Lifetime::Unlimited => true,
                    Lifetime::Time(time) => {
                        u128::from(self.clock.now_ms().saturating_sub(token.issued_ms)) <= time.as_millis()
                    }
                    Lifetime::Requests(requests) => now.requests.saturating_sub(token.issued_requests) <= requests,
                }
        };
        PageToken::open(text, self.seed).filter(is_alive).ok_or_else(|| {
            // AWS's words, also for a token of another request: <https://github.com/aws/aws-sdk-js/issues/3705>.
            let id = uuid::Uuid::from_u64_pair(self.seed, now.requests);
            Refusal::parameter(format!("Paging marker {text} is invalid for request {id}"))
        })
    }
}

fn limit(limit: Option<i64>) -> Result<usize, Refusal> {
    let (value, bound) = match limit {
        None | Some(0) => return Ok(PAGE),
        Some(limit @ ..0) => (limit, "greater than or equal to 0"),
        Some(limit @ 61..) => (limit, "less than or equal to 60"),
        Some(limit) => return Ok(usize::try_from(limit).expect("at most 60")),
    };
    let problem = format!("failed to satisfy constraint: Member must have value {bound}");
    Err(Refusal::parameter(format!("1 validation error detected: Value '{value}' at 'limit' {problem}")))
}
