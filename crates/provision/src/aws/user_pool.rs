//! Amazon Cognito: a user pool's settings, all of them, and the change of its triggers.
//!
//! `UpdateUserPool` resets each setting that the request leaves out, and AWS adds settings faster than its SDKs. So the
//! settings are kept as the JSON that AWS answers, and go back as they came:
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserPool.html>

mod settings;
mod triggers;

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use aws_sdk_cognitoidentityprovider::error::ProvideErrorMetadata;
use db::{AwsCause, AwsError};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

pub(crate) use self::triggers::{Conflict, Heal, POST_CONFIRMATION, PRE_TOKEN, TriggerChange, Triggers};
use super::body::{self, KeptBody};
use super::{Aws, Explain, Place};
use crate::error::Problem;
use crate::prompt::{Consent, progress};

/// The pause before a change that another one was in the way of.
pub(super) const PAUSE: Duration = Duration::from_secs(5);

/// The way out where another change is in progress for too long.
pub(super) const LATER: &str = "run this again in a moment, or give it more time with --timeout";

/// A user pool as AWS describes it. Has no `Debug`: settings can hold an external id and messages.
pub(crate) struct UserPool {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arn: String,
    /// The `UserPool` in the answer of `DescribeUserPool`.
    settings: Map<String, Value>,
    /// The answer of `GetUserPoolMfaConfig`, which has what the settings lack.
    mfa: Map<String, Value>,
}

impl UserPool {
    pub(crate) fn triggers(&self) -> Triggers {
        Triggers::of(&self.settings)
    }

    /// The account and the region that the pool lies in.
    pub(crate) fn place(&self) -> anyhow::Result<Place> {
        Place::of_arn(&self.arn).context("AWS returned no ARN of the user pool")
    }

    /// Its name with id, account and region, for questions.
    pub(crate) fn in_full(&self) -> anyhow::Result<String> {
        Ok(format!("the user pool {} ({}; {})", self.name, self.id, self.place()?))
    }

    /// Fails for a replica, which takes its settings from the pool in the region that the id begins with.
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-multi-region.html>
    pub(crate) fn ensure_primary(&self) -> anyhow::Result<()> {
        let region = self.place()?.region;
        let primary = region_of(&self.id);
        ensure!(
            primary == region,
            Problem::new(
                format!("the user pool {} in {region} is a replica, whose settings are read-only", self.id),
                format!("change it in its own region: add --region {primary}")
            )
        );
        Ok(())
    }

    /// The names of the settings that differ between the two.
    fn differences(&self, other: &Self) -> Vec<String> {
        let mut names = settings::differences(&self.settings, &other.settings);
        names.extend(settings::differences(&self.mfa, &other.mfa));
        names.sort();
        names.dedup();
        names
    }

    /// The same pool with other triggers.
    fn with(&self, triggers: &Triggers) -> Self {
        let Self { id, name, arn, settings, mfa } = self;
        let mut settings = settings.clone();
        triggers.put_into(&mut settings);
        Self { id: id.clone(), name: name.clone(), arn: arn.clone(), settings, mfa: mfa.clone() }
    }
}

/// The region that the id of a user pool begins with.
fn region_of(id: &str) -> &str {
    id.split_once('_').map_or(id, |(region, _)| region)
}

/// The problem that the region `here` has no user pool with this id.
pub(super) fn no_such_pool(id: &str, here: Option<&str>) -> Problem {
    let here = here.unwrap_or_default();
    let problem = format!("there is no user pool {id} in {here} in this account");
    let remedy = if region_of(id) == here {
        "correct the id (`aws cognito-idp list-user-pools --max-results 60` lists the ids), or choose another --profile"
            .to_owned()
    } else {
        format!("look in the region that its id begins with: add --region {}", region_of(id))
    };
    Problem::new(problem, remedy)
}

/// The user pool with this id.
pub(crate) async fn read_user_pool(aws: &Aws, id: &str) -> anyhow::Result<UserPool> {
    let body = KeptBody::default();
    let request = aws.cognito.describe_user_pool().user_pool_id(id).customize().interceptor(body.clone());
    let answer = request.send().await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("ResourceNotFoundException")) {
        bail!(no_such_pool(id, aws.region().as_deref()));
    }
    answer.explain("cognito-idp:DescribeUserPool")?;
    let Some(Value::Object(settings)) = body.read()?.remove("UserPool") else { bail!("AWS returned no user pool") };

    let body = KeptBody::default();
    let request = aws.cognito.get_user_pool_mfa_config().user_pool_id(id).customize().interceptor(body.clone());
    request.send().await.explain("cognito-idp:GetUserPoolMfaConfig")?;
    let text = |name: &str| {
        let text = settings.get(name).and_then(Value::as_str);
        text.map(str::to_owned).with_context(|| format!("AWS returned no {name} of the user pool"))
    };
    Ok(UserPool { id: text("Id")?, name: text("Name")?, arn: text("Arn")?, mfa: body.read()?, settings })
}

/// A change of the triggers that failed.
pub(crate) struct FailedChange {
    pub(crate) error: anyhow::Error,
    /// Whether AWS may have made the change, or make it yet: it has not answered that it refuses it.
    pub(crate) is_open: bool,
}

impl FailedChange {
    fn open(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), is_open: true }
    }
}

/// A change that was not asked for.
impl From<anyhow::Error> for FailedChange {
    fn from(error: anyhow::Error) -> Self {
        Self { error, is_open: false }
    }
}

/// Gives the pool these triggers. All else stays as it was in `pool`, or the change is undone.
///
/// While another change of the pool is in progress, it is waited for until the `deadline`.
pub(crate) async fn change_triggers(
    aws: &Aws,
    pool: &UserPool,
    triggers: &Triggers,
    deadline: Option<Instant>,
    _consent: &Consent,
) -> Result<(), FailedChange> {
    let read = async || read_user_pool(aws, &pool.id).await.map_err(FailedChange::open);
    let wanted = pool.with(triggers);
    loop {
        let current = read_user_pool(aws, &pool.id).await?;
        ensure_unchanged(pool, &current)?;
        let Err(error) = update(aws, &wanted).await else { break };
        if error.is_busy && deadline.is_none_or(|deadline| Instant::now() < deadline) {
            progress("another change of the user pool is in progress; waiting for its end");
            sleep(PAUSE).await;
        } else if error.is_refusal() {
            return Err(error.explained().into());
        } else if read().await?.triggers() == *triggers {
            // Only the answer was lost.
            break;
        } else {
            return Err(FailedChange::open(error.explained()));
        }
    }
    let mut changed = read().await?;
    if !settings::differences(&pool.mfa, &changed.mfa).is_empty() {
        set_mfa(aws, pool).await.map_err(FailedChange::open)?;
        changed = read().await?;
    }
    let differences = wanted.differences(&changed);
    if differences.is_empty() {
        return Ok(());
    }
    Err(undo(aws, pool, &differences.join(", ")).await)
}

/// Fails if the pool was changed since it was read.
fn ensure_unchanged(pool: &UserPool, current: &UserPool) -> anyhow::Result<()> {
    let mut differences = pool.differences(current);
    let date = "LastModifiedDate";
    if pool.settings.get(date) != current.settings.get(date) {
        differences.push(date.to_owned());
    }
    ensure!(
        differences.is_empty(),
        Problem::new(
            format!(
                "the user pool {} was changed meanwhile ({}), so nothing was done",
                pool.id,
                differences.join(", ")
            ),
            "run this again; it works on the pool as it is then"
        )
    );
    Ok(())
}

/// Sets everything back after a change that had other effects, and returns the error that says so.
async fn undo(aws: &Aws, pool: &UserPool, names: &str) -> FailedChange {
    let id = &pool.id;
    let outcome: anyhow::Result<UserPool> = async {
        update(aws, pool).await.map_err(|refused| refused.explained())?;
        let restored = read_user_pool(aws, id).await?;
        if settings::differences(&pool.mfa, &restored.mfa).is_empty() {
            return Ok(restored);
        }
        set_mfa(aws, pool).await?;
        read_user_pool(aws, id).await
    }
    .await;
    let by_hand = "set what the error names in the Cognito console, and compare the rest of the pool's settings there";
    match outcome {
        Err(error) => FailedChange::open(
            Problem::new(
                format!("with the trigger, {names} of the user pool {id} changed too, and it could not be undone"),
                by_hand,
            )
            .because(error),
        ),
        Ok(restored) => {
            let left = pool.differences(&restored).join(", ");
            let (problem, remedy) = if left.is_empty() {
                let problem = format!(
                    "with the trigger, {names} of the user pool {id} changed too, so all of it was set back to what it was"
                );
                let remedy = "if the pool was changed at the same moment, make both changes again, one after the \
                              other; else change the trigger in the Cognito console (Extensions, Lambda triggers)";
                (problem, remedy)
            } else {
                let problem = format!(
                    "with the trigger, {names} of the user pool {id} changed too; it was undone, but for {left}"
                );
                (problem, by_hand)
            };
            anyhow::Error::from(Problem::new(problem, remedy)).into()
        }
    }
}

/// A request that changes the pool and failed.
struct Refused {
    error: AwsError,
    /// Whether another change is in progress.
    is_busy: bool,
    /// The settings that AWS names in its refusal.
    names: Vec<String>,
}

impl Refused {
    /// Whether AWS has answered that it does nothing.
    fn is_refusal(&self) -> bool {
        !self.error.is_transient() && self.error.code().is_some()
    }

    fn explained(self) -> anyhow::Error {
        let Self { error, is_busy, names } = self;
        if is_busy {
            let problem = "another change of the user pool is in progress, so nothing was changed";
            return Problem::new(problem, LATER).because(error).into();
        }
        if names.is_empty() || error.cause() != AwsCause::Other {
            return error.into();
        }
        let problem =
            format!("Cognito refuses the settings of the user pool, so nothing was changed: {}", names.join(", "));
        let remedy = "correct what AWS names in the Cognito console, or change the trigger there (Extensions, Lambda \
                      triggers), which sends no other setting";
        Problem::new(problem, remedy).because(error).into()
    }
}

/// Sends all settings of the pool.
async fn update(aws: &Aws, pool: &UserPool) -> Result<(), Box<Refused>> {
    let request = settings::update_request(&pool.settings);
    let text = Value::Object(request.clone()).to_string();
    let operation = aws.cognito.update_user_pool().user_pool_id(&pool.id).customize();
    let answer = operation.mutate_request(move |request| body::replace(request, &text)).send().await;
    let Err(error) = answer else { return Ok(()) };
    let names = settings::named_in(&request, error.message().unwrap_or_default());
    let is_busy = error.code() == Some("ConcurrentModificationException");
    Err(Box::new(Refused { error: AwsError::new("cognito-idp:UpdateUserPool", &error), is_busy, names }))
}

/// Sends the multi-factor settings of the pool.
async fn set_mfa(aws: &Aws, pool: &UserPool) -> anyhow::Result<()> {
    let mut request = pool.mfa.clone();
    request.insert("UserPoolId".to_owned(), Value::from(pool.id.as_str()));
    let text = Value::Object(request).to_string();
    let operation = aws.cognito.set_user_pool_mfa_config().user_pool_id(&pool.id).customize();
    let answer = operation.mutate_request(move |request| body::replace(request, &text)).send().await;
    answer.explain("cognito-idp:SetUserPoolMfaConfig")?;
    Ok(())
}
