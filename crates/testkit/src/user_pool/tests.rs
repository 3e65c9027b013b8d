use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::retry::RetryConfig;
use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Builder, Config, Region};
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::operation::list_users::ListUsersOutput;
use aws_sdk_cognitoidentityprovider::types::UserType;
use serde_json::{Value, json};

use super::*;

/// The SDK's client without a network. It tries nothing again.
fn client(pool: &UserPool) -> Client {
    Client::from_conf(config().http_client(pool.http_client()).build())
}

fn config() -> Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .retry_config(RetryConfig::disabled())
        .allow_no_auth()
}

/// A pool without rates, which each pass would meet.
fn pool_of(count: usize) -> UserPool {
    let pool = UserPool::new(1);
    pool.change_rules(|rules| rules.speed = 1e6);
    pool.fill(count);
    pool
}

/// The attribute that a change is about, and the change.
type Change = (&'static str, fn(&UserPool));

/// An answer, or AWS's code and words.
type Answer<T> = Result<T, (String, String)>;

#[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
fn refusal<E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug>(error: SdkError<E, R>) -> (String, String) {
    let code = error.code().unwrap_or_else(|| panic!("no answer of AWS: {error:?}")).to_owned();
    (code, error.message().unwrap_or_default().to_owned())
}

async fn page(pool: &UserPool, filter: Option<&str>, token: Option<String>) -> Answer<ListUsersOutput> {
    let request = client(pool).list_users().user_pool_id(pool.id());
    let request = request.set_filter(filter.map(str::to_owned)).set_pagination_token(token);
    request.send().await.map_err(refusal)
}

/// The sizes of a pass's pages, and its users.
async fn pass(pool: &UserPool, filter: Option<&str>) -> (Vec<usize>, Vec<UserType>) {
    let (mut sizes, mut users, mut token) = (Vec::new(), Vec::new(), None);
    loop {
        let page = page(pool, filter, token).await.expect("a page");
        sizes.push(page.users().len());
        users.extend_from_slice(page.users());
        token = page.pagination_token;
        if token.is_none() {
            return (sizes, users);
        }
    }
}

fn usernames(users: &[UserType]) -> Vec<&str> {
    users.iter().map(|user| user.username().expect("a username")).collect()
}

async fn get(pool: &UserPool, name: &str) -> Answer<String> {
    let answer = client(pool).admin_get_user().user_pool_id(pool.id()).username(name).send().await;
    answer.map(|user| user.username).map_err(refusal)
}

#[tokio::test]
async fn a_pass_lists_each_user_once_although_pages_are_short_or_empty() {
    let pool = pool_of(5_000);
    pool.change_rules(|rules| rules.short_pages = 3);
    let (sizes, users) = pass(&pool, None).await;
    let expected: BTreeSet<_> = (0..5_000).map(|number| format!("user-{number}")).collect();
    assert_eq!(users.len(), 5_000, "no user twice");
    assert_eq!(usernames(&users).into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), expected);
    assert!(sizes.iter().any(|size| (1..60).contains(size)) && sizes.contains(&60), "{sizes:?}");
    assert!(sizes[..sizes.len() - 1].contains(&0), "an empty page before the end in {sizes:?}");
}

#[tokio::test]
async fn the_order_is_stable_and_neither_that_of_creation_nor_that_of_the_sub() {
    let pool = pool_of(300);
    let (_, users) = pass(&pool, None).await;
    let subs: Vec<_> = users.iter().map(|user| user.attributes().iter().find(|one| one.name() == "sub")).collect();
    let by_creation: Vec<_> = (0..300).map(|number| format!("user-{number}")).collect();
    assert_ne!(usernames(&users), by_creation);
    assert!(!subs.is_sorted_by_key(|sub| sub.and_then(|sub| sub.value().map(str::to_owned))), "{subs:?}");
    pool.change_rules(|rules| rules.short_pages = 1);
    assert_eq!(pass(&pool, None).await.1, users, "other pages, the same order");
    assert_eq!(pass(&pool_of(300), None).await.1.len(), 300);
    assert_eq!(usernames(&pass(&pool_of(300), None).await.1), usernames(&users), "the same seed, the same order");
}

#[tokio::test]
async fn a_pass_is_not_disturbed_by_users_who_come_go_or_change() {
    let pool = pool_of(600);
    let (mut seen, mut token) = (BTreeMap::<String, usize>::new(), None);
    for round in 0.. {
        let page = page(&pool, None, token).await.expect("a page");
        for name in usernames(page.users()) {
            *seen.entry(name.to_owned()).or_default() += 1;
        }
        token = page.pagination_token;
        if token.is_none() {
            break;
        }
        pool.sign_up(&format!("new-{round}"), &[]);
        pool.delete(&format!("user-{}", 2 * round));
        pool.rename(&format!("user-{}", 2 * round + 1), "renamed");
    }
    assert!(seen.values().all(|times| *times == 1), "twice: {seen:?}");
    let stayed = pool.users().into_iter().filter(|user| user.username.starts_with("user-"));
    let missed: Vec<_> = stayed.filter(|user| !seen.contains_key(&user.username)).collect();
    assert_eq!(missed, []);
}

#[tokio::test]
async fn a_page_has_at_most_60_users() {
    let pool = pool_of(200);
    pool.change_rules(|rules| rules.short_pages = 0);
    let limited = async |limit| {
        let answer = client(&pool).list_users().user_pool_id(pool.id()).limit(limit).send().await;
        answer.map(|page| page.users().len()).map_err(refusal)
    };
    assert_eq!((limited(0).await, limited(1).await, limited(60).await), (Ok(60), Ok(1), Ok(60)));
    for (limit, bound) in [(61, "less than or equal to 60"), (-1, "greater than or equal to 0")] {
        let (code, message) = limited(limit).await.expect_err("it is refused");
        assert_eq!(code, "InvalidParameterException");
        assert!(message.ends_with(&format!("Member must have value {bound}")), "{message}");
    }
}

#[tokio::test]
async fn a_filter_compares_one_attribute_wholly_or_its_beginning() {
    let pool = pool_of(0);
    let ada = pool.sign_up("ada", &[("email", "ada@example.com"), ("custom:plan", "trial"), ("name", "A \"B\" = c\\")]);
    pool.confirm("ada");
    pool.admin_create("adam", &[("preferred_username", "ada")]);
    pool.disable("adam");
    for (filter, expected) in [
        ("", vec!["ada", "adam"]),
        ("username ^= \"ad\"", vec!["ada", "adam"]),
        ("username=\"ada\"", vec!["ada"]),
        ("username = \"Ada\"", vec![]),
        ("\"email\" = \"ada@example.com\"", vec!["ada"]),
        ("preferred_username ^= \"a\"", vec!["adam"]),
        ("name = \"A \\\"B\\\" = c\\\\\"", vec!["ada"]),
        ("cognito:user_status = \"force_change_password\"", vec!["adam"]),
        ("status = \"Enabled\"", vec!["ada"]),
        ("status = \"Disabled\"", vec!["adam"]),
        ("status = \"enabled\"", vec![]),
        (&format!("sub = \"{}\"", ada.sub), vec!["ada"]),
        (&format!("sub ^= \"{}\"", &ada.sub[..10]), vec!["ada"]),
        ("sub ^= \"nothing\"", vec![]),
    ] {
        let (_, users) = pass(&pool, Some(filter)).await;
        assert_eq!(BTreeSet::from_iter(usernames(&users)), BTreeSet::from_iter(expected), "{filter}");
    }
}

#[tokio::test]
async fn a_filter_that_cognito_does_not_know_is_refused() {
    let pool = pool_of(1);
    let long = format!("name = \"{}\"", "a".repeat(256));
    for filter in [
        "custom:plan = \"trial\"",
        "email_verified = \"true\"",
        "username = ada",
        "username",
        "username != \"ada\"",
        "username = \"a\" and name = \"b\"",
        "username = \"a\"b\"",
        &long,
    ] {
        let (code, _) = page(&pool, Some(filter), None).await.expect_err(filter);
        assert_eq!(code, "InvalidParameterException", "{filter}");
    }
}

#[tokio::test]
async fn the_shards_by_sub_are_a_pool_together() {
    let pool = pool_of(3_000);
    let mut count = 0;
    for digit in "0123456789abcdef".chars() {
        let (_, users) = pass(&pool, Some(&format!("sub ^= \"{digit}\""))).await;
        assert!(users.iter().flat_map(UserType::attributes).filter(|one| one.name() == "sub").count() == users.len());
        count += users.len();
    }
    assert_eq!(count, 3_000);
}

#[tokio::test]
async fn a_filter_that_few_users_of_a_large_pool_match_has_empty_pages() {
    let pool = pool_of(20_000);
    let (sizes, users) = pass(&pool, Some("email = \"user-7@example.com\"")).await;
    assert_eq!(usernames(&users), ["user-7"]);
    assert!(sizes.len() > 5, "{sizes:?}");
}

#[tokio::test]
async fn a_million_users_are_filled_and_a_shard_of_them_is_listed() {
    let pool = pool_of(1_000_000);
    pool.change_rules(|rules| rules.short_pages = 0);
    let (sizes, users) = pass(&pool, Some("sub ^= \"a5\"")).await;
    let expected = (0..1_000_000).filter(|number| generated::sub(1, *number).as_bytes()[0] == 0xa5).count();
    assert_eq!((users.len(), sizes.len()), (expected, expected.div_ceil(60)));
    assert!(expected > 3_000, "{expected}");
    assert_eq!((pool.user_count(), page(&pool, None, None).await.expect("a page").users().len()), (1_000_000, 60));
}

#[tokio::test]
async fn an_attribute_that_a_listed_user_lacks_is_an_error_when_it_is_asked_for() {
    let pool = pool_of(0);
    pool.change_rules(|rules| rules.short_pages = 0);
    pool.sign_up("ada", &[("email", "ada@example.com")]);
    let ask = async || {
        let request = client(&pool).list_users().user_pool_id(pool.id());
        request.attributes_to_get("sub").attributes_to_get("email").send().await.map_err(refusal)
    };
    assert_eq!(ask().await.expect("both are there").users()[0].attributes().len(), 2);
    pool.sign_up("grace", &[]);
    let refused = ("InvalidParameterException".into(), "One or more requested attributes do not exist.".into());
    assert_eq!(ask().await.expect_err("one lacks it"), refused);
}

#[tokio::test]
async fn a_token_is_worth_nothing_in_another_pool_with_another_filter_or_after_a_change() {
    let pool = pool_of(200);
    let token = page(&pool, None, None).await.expect("a page").pagination_token.expect("more");
    let other = UserPool::new(2);
    other.fill(200);
    for answer in [
        page(&pool, Some("status = \"Enabled\""), Some(token.clone())).await,
        page(&other, None, Some(token.clone())).await,
        page(&pool, None, Some(token.replace(&token[20..22], "AA"))).await,
        page(&pool, None, Some("token".to_owned())).await,
    ] {
        let (code, message) = answer.expect_err("it is refused");
        assert_eq!(code, "InvalidParameterException");
        assert!(message.starts_with("Paging marker ") && message.contains(" is invalid for request "), "{message}");
    }
    let again = page(&pool, None, Some(token.clone())).await.expect("a page");
    assert_eq!(again.users(), page(&pool, None, Some(token)).await.expect("a page").users(), "a token works twice");
}

#[tokio::test(start_paused = true)]
async fn tokens_expire_by_time_by_requests_and_on_request() {
    let pool = pool_of(200);
    let token = async || page(&pool, None, None).await.expect("a page").pagination_token;
    let is_valid = async |token| page(&pool, None, token).await.is_ok();

    pool.change_rules(|rules| rules.token_lifetime = Lifetime::Time(Duration::from_mins(1)));
    let first = token().await;
    tokio::time::advance(Duration::from_mins(1)).await;
    assert!(is_valid(first.clone()).await);
    tokio::time::advance(Duration::from_millis(2)).await;
    assert!(!is_valid(first).await);

    pool.change_rules(|rules| rules.token_lifetime = Lifetime::Requests(2));
    let second = token().await;
    assert!(is_valid(second.clone()).await && is_valid(second.clone()).await);
    assert!(!is_valid(second).await);

    pool.change_rules(|rules| rules.token_lifetime = Lifetime::Unlimited);
    let (third, before) = (token().await, token().await);
    assert!(is_valid(third.clone()).await);
    pool.expire_tokens();
    assert!(!is_valid(third).await && !is_valid(before).await && is_valid(token().await).await);
}

#[tokio::test(start_paused = true)]
async fn list_users_sees_a_change_later_and_admin_get_user_at_once() {
    let pool = pool_of(0);
    pool.change_rules(|rules| rules.short_pages = 0);
    let listed = async || usernames(&pass(&pool, None).await.1).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let enabled = async || pass(&pool, None).await.1.iter().filter(|user| user.enabled()).count();
    pool.sign_up("ada", &[]);
    pool.change_rules(|rules| rules.lag = Lag::Requests(2));
    pool.sign_up("grace", &[]);
    pool.delete("ada");
    assert_eq!(get(&pool, "grace").await.as_deref(), Ok("grace"));
    assert_eq!(get(&pool, "ada").await.expect_err("she is deleted").0, "UserNotFoundException");
    assert_eq!(pool.user_count(), 1);
    assert_eq!((listed().await, listed().await), (["ada".to_owned()].into(), ["ada".to_owned()].into()));
    assert_eq!(listed().await, ["grace".to_owned()].into());

    pool.change_rules(|rules| rules.lag = Lag::Time(Duration::from_secs(5)));
    pool.disable("grace");
    tokio::time::advance(Duration::from_secs(4)).await;
    pool.enable("grace");
    assert_eq!(enabled().await, 1, "neither is seen");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(enabled().await, 0, "the first is seen");
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(enabled().await, 1, "the second is seen");
}

#[tokio::test]
async fn a_filled_user_is_changed_with_the_same_lag() {
    let pool = pool_of(100);
    pool.change_rules(|rules| (rules.lag, rules.short_pages) = (Lag::Requests(1), 0));
    pool.disable("user-5");
    pool.delete("user-6");
    let filter = Some("username ^= \"user-\"");
    let page_of_all = async || page(&pool, filter, None).await.expect("a page").pagination_token;
    page_of_all().await;
    let users = pass(&pool, filter).await.1;
    assert_eq!(users.len(), 99);
    assert_eq!(usernames(&users.into_iter().filter(|user| !user.enabled()).collect::<Vec<_>>()), ["user-5"]);
    assert_eq!(pool.user_count(), 99);
}

#[tokio::test(start_paused = true)]
async fn requests_over_the_rate_are_refused_until_time_passes() {
    let pool = UserPool::new(1);
    pool.sign_up("ada", &[]);
    // Asks until it is refused.
    let lists = async || {
        let mut passed = 0;
        loop {
            match page(&pool, None, None).await {
                Ok(_) => passed += 1,
                Err(refused) => {
                    assert_eq!(refused, ("TooManyRequestsException".to_owned(), "Rate exceeded".to_owned()));
                    return passed;
                }
            }
        }
    };
    assert_eq!(lists().await, 30);
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(lists().await, 15);
    pool.change_rules(|rules| rules.speed = 10.0);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(lists().await, 300, "no more than one second's requests are saved");
    pool.change_rules(|rules| rules.speed = 1.0);
    for _ in 0..120 {
        get(&pool, "ada").await.expect("it has a rate of its own");
    }
    assert_eq!(get(&pool, "ada").await.expect_err("121").0, "TooManyRequestsException");
    assert_eq!(pool.request_count("ListUsers", "200"), 345);
    assert_eq!(pool.request_count("ListUsers", "TooManyRequestsException"), 3);
    assert_eq!(pool.request_count("AdminGetUser", "200"), 120);
}

#[tokio::test]
async fn requests_fail_as_a_test_wants_and_are_counted() {
    let pool = pool_of(1);
    for (failure, code) in [
        (Failure::Throttled, "TooManyRequestsException"),
        (Failure::Internal, "InternalErrorException"),
        (Failure::ExpiredCredentials, "ExpiredTokenException"),
    ] {
        pool.fail_next("ListUsers", failure, 2);
        get(&pool, "user-0").await.expect("it is another action");
        assert_eq!(page(&pool, None, None).await.expect_err("the first").0, code);
        assert_eq!(page(&pool, None, None).await.expect_err("the second").0, code);
        page(&pool, None, None).await.expect("the third");
        assert_eq!(pool.request_count("ListUsers", code), 2);
    }
    pool.fail_next("*", Failure::Closed, 100);
    let closed = client(&pool).list_users().user_pool_id(pool.id()).send().await.expect_err("no answer");
    assert!(matches!(closed, SdkError::DispatchFailure(_)), "{closed:?}");
    pool.fail_no_more();
    page(&pool, None, None).await.expect("as usual");
}

#[tokio::test]
async fn a_server_answers_the_sdk_closes_and_stalls() {
    let pool = pool_of(70);
    let [(_, endpoint), ..] = pool.serve().expect("a server");
    let client = Client::from_conf(config().endpoint_url(endpoint).build());
    let list = || client.list_users().user_pool_id(pool.id());
    let pages = list().into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    assert_eq!(pages.expect("all pages").len(), 70);

    pool.fail_next("ListUsers", Failure::Closed, 1);
    let closed = list().send().await.expect_err("no answer");
    assert!(matches!(closed, SdkError::DispatchFailure(_)), "{closed:?}");
    pool.fail_next("ListUsers", Failure::Stalled, 1);
    let answer = list();
    tokio::select! {
        answer = answer.send() => panic!("{answer:?}"),
        () = pool.until_stalled() => {}
    }
    assert_eq!(pool.request_count("ListUsers", "closed"), 1);
    assert_eq!(pool.request_count("ListUsers", "stalled"), 1);
}

#[tokio::test]
async fn a_request_for_another_pool_or_of_another_action_is_refused() {
    let pool = pool_of(1);
    let other = client(&pool).list_users().user_pool_id("eu-central-1_other").send().await.map_err(refusal);
    assert_eq!(other.expect_err("another pool").0, "ResourceNotFoundException");
    let groups = client(&pool).list_groups().user_pool_id(pool.id()).send().await.map_err(refusal);
    assert_eq!(groups.expect_err("another action").0, "UnknownOperationException");
    let described = client(&pool).describe_user_pool().user_pool_id(pool.id()).send().await.expect("it is known");
    assert_eq!(described.user_pool().expect("the pool").estimated_number_of_users(), 1);
}

#[tokio::test]
async fn a_federated_user_has_a_name_also_where_users_sign_in_with_an_address() {
    let pool = UserPool::with_email_sign_in(1);
    pool.federated("Google", "108", &[("email", "emmy@example.com")]);
    assert_eq!(pool.user("google_108").map(|user| user.username).as_deref(), Some("google_108"));
    assert_eq!(get(&pool, "google_108").await.ok().as_deref(), Some("google_108"));
}

#[tokio::test]
async fn a_test_may_do_something_before_and_after_each_request() {
    let pool = pool_of(0);
    let meanwhile = {
        let pool = pool.clone();
        move |stage, action: &str| {
            assert_eq!(action, "ListUsers");
            drop(pool.sign_up(if stage == Stage::Asked { "ada" } else { "grace" }, &[]));
            std::future::ready(())
        }
    };
    let client = Client::from_conf(config().http_client(pool.http_client_with(meanwhile)).build());
    let page = client.list_users().user_pool_id(pool.id()).send().await.expect("a page");
    let names: Vec<_> = page.users().iter().filter_map(|user| user.username()).collect();
    assert_eq!(names, ["ada"], "who comes after the answer is in no answer");
    assert_eq!(pool.user_count(), 2);
}

#[tokio::test]
async fn admin_get_user_finds_names_and_aliases_and_a_sub_where_the_rules_say_so() {
    let pool = pool_of(0);
    let ada = pool.sign_up("ada", &[("email", "ada@example.com"), ("preferred_username", "countess")]);
    pool.federated("Google", "108", &[("email", "emmy@example.com")]);
    let emmy = pool.user("google_108").expect("she is there");
    let finds = async |name: &str| get(&pool, name).await.ok();
    assert_eq!(
        (finds("ada").await.as_deref(), finds("google_108").await.as_deref()),
        (Some("ada"), Some("google_108"))
    );
    for name in ["ada@example.com", "countess", &ada.sub, &emmy.sub, "grace"] {
        assert_eq!(finds(name).await, None, "{name}");
    }
    pool.change_rules(|rules| rules.aliases = &["email", "preferred_username"]);
    assert_eq!((finds("countess").await.as_deref(), finds("ada@example.com").await), (Some("ada"), None));
    pool.confirm("ada");
    assert_eq!(finds("ada@example.com").await.as_deref(), Some("ada"), "the address is verified");
    pool.change_rules(|rules| rules.sub_finds_local_users = true);
    assert_eq!((finds(&ada.sub).await.as_deref(), finds(&emmy.sub).await), (Some("ada"), None));

    let by_address = UserPool::with_email_sign_in(1);
    by_address.fill(3);
    let grace = by_address.sign_up("grace@example.com", &[]);
    assert_eq!(grace.username, grace.sub);
    for name in ["grace@example.com", &grace.sub] {
        assert_eq!(get(&by_address, name).await.as_ref(), Ok(&grace.sub));
    }
    let filled = by_address.user("user-2@example.com").expect("it is filled");
    assert_eq!((get(&by_address, "user-2@example.com").await, filled.username), (Ok(filled.sub.clone()), filled.sub));
}

#[tokio::test]
async fn both_actions_say_the_same_of_a_user() {
    let pool = pool_of(1);
    pool.rename("user-0", "ada");
    let user = pool.user("user-0").expect("it is filled");
    let got = client(&pool).admin_get_user().user_pool_id(pool.id()).username("user-0").send().await.expect("a user");
    let listed = pass(&pool, None).await.1.remove(0);
    assert_eq!((got.user_attributes(), got.user_status()), (listed.attributes(), listed.user_status()));
    assert_eq!((got.enabled(), got.user_create_date()), (listed.enabled(), listed.user_create_date()));
    assert_eq!(got.user_last_modified_date(), listed.user_last_modified_date());
    // The SDK reads a date as a float.
    let modified = got.user_last_modified_date().expect("a date").as_secs_f64();
    assert!((modified - answer::seconds(user.modified_ms)).abs() < 1e-4, "{modified} and {}", user.modified_ms);
    let attributes: BTreeMap<_, _> = got.user_attributes().iter().map(|one| (one.name(), one.value())).collect();
    assert_eq!(attributes["sub"], Some(user.sub.as_str()));
    assert_eq!(attributes["preferred_username"], Some("ada"));
}

#[test]
fn only_confirmations_and_the_first_federated_sign_in_fire_post_confirmation() {
    let pool = pool_of(0);
    let source = |event: &str| serde_json::from_str::<Value>(event).expect("JSON")["triggerSource"].clone();
    let status = |name: &str| pool.user(name).expect("the user is there").status;

    pool.sign_up("ada", &[("email", "ada@example.com")]);
    assert_eq!(status("ada"), Status::Unconfirmed);
    assert_eq!(source(&pool.confirm("ada")), "PostConfirmation_ConfirmSignUp");
    assert_eq!(source(&pool.confirm_forgot_password("ada")), "PostConfirmation_ConfirmForgotPassword");
    pool.sign_up("mary", &[("email", "mary@example.com")]);
    assert_eq!(source(&pool.admin_confirm("mary")), "PostConfirmation_ConfirmSignUp");
    assert_eq!(pool.user("mary").expect("she is there").get("email_verified"), Some("false"));
    let first = pool.federated("Google", "108", &[("name", "Emmy")]).expect("the first sign-in fires it");
    assert_eq!(source(&first), "PostConfirmation_ConfirmSignUp");
    assert_eq!(pool.federated("Google", "108", &[("name", "Noether")]), None);
    assert_eq!(pool.user("google_108").expect("she is there").get("name"), Some("Noether"));
    assert_eq!(status("google_108"), Status::ExternalProvider);

    pool.admin_create("made", &[]);
    assert_eq!(status("made"), Status::ForceChangePassword);
    pool.set_password("made");
    pool.migrate("migrated", &[]);
    assert_eq!((status("made"), status("migrated")), (Status::Confirmed, Status::Confirmed));
    pool.import("imported", &[("email", "imported@example.com")]);
    assert_eq!(status("imported"), Status::ResetRequired);
    pool.confirm_forgot_password("imported");
    assert_eq!(status("imported"), Status::Confirmed);
}

#[test]
fn an_event_has_the_form_of_the_samples() {
    let pool = pool_of(0);
    pool.sign_up("ada", &[("email", "ada@example.com"), ("name", "Ada")]);
    let event: Value = serde_json::from_str(&pool.confirm("ada")).expect("JSON");
    let sub = pool.user("ada").expect("she is there").sub;
    let expected = json!({
        "version": "1",
        "region": "eu-central-1",
        "userPoolId": pool.id(),
        "userName": "ada",
        "callerContext": { "awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "4f1g23a12312exampleclient" },
        "triggerSource": "PostConfirmation_ConfirmSignUp",
        "request": { "userAttributes": {
            "sub": sub,
            "cognito:user_status": "CONFIRMED",
            "email_verified": "true",
            "name": "Ada",
            "email": "ada@example.com",
        } },
        "response": {},
    });
    assert_eq!(event, expected);
}

#[test]
fn each_way_to_tokens_has_its_event_in_each_version() {
    let pool = pool_of(0);
    for version in 1..=3 {
        pool.change_rules(|rules| rules.token_event_version = version);
        for source in TokenSource::ALL {
            let name = format!("{source:?}-{version}");
            pool.admin_create(&name, &[("email", "ada@example.com")]);
            if source != TokenSource::NewPasswordChallenge {
                pool.set_password(&name);
            }
            let event: Value = serde_json::from_str(&pool.token(&name, source)).expect("JSON");
            assert_eq!(event["triggerSource"], format!("TokenGeneration_{source:?}"));
            assert_eq!(event["version"], version.to_string());
            assert_eq!(event["request"].get("scopes").is_some(), version > 1);
            assert_eq!(event["response"].get("claimsOverrideDetails").is_some(), version == 1);
            assert_eq!(event["request"]["groupConfiguration"]["groupsToOverride"], json!([]));
            assert_eq!(event["request"]["userAttributes"]["cognito:user_status"], "CONFIRMED");
            assert_eq!(pool.user(&name).expect("the user is there").status, Status::Confirmed);
        }
    }
}

#[test]
fn every_change_renews_the_date_and_leaves_the_rest() {
    let pool = pool_of(1);
    let changes: [Change; 7] = [
        ("preferred_username", |pool| pool.rename("user-0", "ada")),
        ("email", |pool| pool.change_address("user-0", "ada@example.com")),
        ("email_verified", |pool| pool.verify("user-0")),
        ("identities", |pool| pool.link("user-0", "Google", "108")),
        ("identities", |pool| pool.link("user-0", "Facebook", "9")),
        ("", |pool| pool.disable("user-0")),
        ("", |pool| pool.enable("user-0")),
    ];
    for (attribute, change) in changes {
        let before = pool.user("user-0").expect("it is there");
        change(&pool);
        let after = pool.user("user-0").expect("it is there");
        assert!(after.modified_ms > before.modified_ms, "{attribute}");
        assert_eq!((after.created_ms, &after.sub), (before.created_ms, &before.sub));
        assert!(attribute.is_empty() || after.get(attribute) != before.get(attribute), "{attribute}");
        if attribute == "email" {
            assert_eq!(after.get("email_verified"), Some("false"));
        }
    }
    let identities = pool.user("user-0").expect("it is there").get("identities").map(str::to_owned);
    let identities: Value = serde_json::from_str(&identities.expect("they are linked")).expect("JSON");
    assert_eq!((&identities[0]["providerName"], &identities[1]["userId"]), (&json!("Google"), &json!("9")));
}

#[test]
fn a_user_who_signs_up_again_under_a_name_has_another_sub() {
    let pool = pool_of(1);
    let before = pool.user("user-0").expect("it is filled");
    pool.delete("user-0");
    assert_eq!(pool.user("user-0"), None);
    let after = pool.sign_up("user-0", &[("email", "user-0@example.com")]);
    assert_ne!(after.sub, before.sub);
    assert_eq!((pool.user("user-0@example.com"), pool.user(&before.sub)), (Some(after), None));
    assert_eq!((pool.user_count(), pool.users().len()), (1, 1));
}

#[test]
#[should_panic(expected = "only an unconfirmed user can be confirmed")]
fn a_verb_that_cognito_would_refuse_panics() {
    let pool = pool_of(1);
    pool.confirm("user-0");
}
