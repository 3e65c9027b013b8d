//! Logins: from `CONNECTION_URL`, from a secret in AWS Secrets Manager, or with an IAM token.
//!
//! A secret is followed: what it says may change at any time, and the server that it named before may still answer. So it
//! is read for each new connection, and from time to time while a session is kept. Such a look never waits long: a
//! Secrets Manager that fails or hangs must not cost the login that is known its time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config as TokenConfig};
use aws_sdk_rds::config::Region;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::budget::Step;
use crate::dial::Destination;
use crate::login::Login;
use crate::settings::{CredentialSource, SecretSource, Settings};
use crate::{Budget, Error, Kind, region, secrets_manager};

/// The age of the last look at the secret after which a kept session is not used before another one. So no row goes to a
/// server for longer than a minute after the secret has named another one; a process that is never idle costs 1,920
/// requests a day, about one cent (0.05 USD for 10,000).
/// <https://aws.amazon.com/secrets-manager/pricing/>
const LOOK_BEFORE_USE: Duration = Duration::from_secs(45);

/// The same for a new connection: only attempts that follow each other at once share a look.
const LOOK_BEFORE_CONNECTING: Duration = Duration::from_secs(1);

/// The longest wait for a look, and no more than a third of the budget. An answer usually takes some 10 ms, with a new
/// connection to AWS some 50 ms.
const LOOK_LIMIT: Duration = Duration::from_millis(300);

/// The time without looks after one has failed.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// The age of a read of which the answer is no longer the secret's present state. The SDK's attempts together take less.
const OUTDATED_READ: Duration = Duration::from_secs(10);

/// What a signed URL must encode: all but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The source of logins, and what is known of them.
#[derive(Debug)]
pub(crate) struct Credentials {
    settings: Settings,
    known: Mutex<Known>,
    /// The read under way. Whoever waits for its answer holds the lock, which the others wait for within their budgets.
    reading: tokio::sync::Mutex<Option<Reading>>,
    /// True if something failed since the last look that a change of the secret would explain.
    is_doubted: AtomicBool,
}

#[derive(Clone, Debug, Default)]
struct Known {
    /// The login that the secret held when it was read last.
    current: Option<Login>,
    /// The login that was accepted last, unless the secret has named another server since then.
    accepted: Option<Login>,
    looked: Option<Moment>,
    failed: Option<Moment>,
}

/// A point in time. The monotonic clock may stand still while Lambda has frozen the process, and the wall clock may be
/// set back: an age is what either of them says.
#[derive(Clone, Copy, Debug)]
struct Moment(Instant, SystemTime);

/// A read of the secret's version `AWSCURRENT`, which goes on when nothing waits for it any more.
#[derive(Debug)]
struct Reading {
    begun: Moment,
    task: JoinHandle<Result<SecretString, Error>>,
}

/// The logins to try for one new connection.
#[derive(Debug)]
pub(crate) struct Round {
    /// The last one is the next.
    candidates: Vec<Candidate>,
    candidate: Candidate,
    has_read: bool,
    tried: Vec<Login>,
    failure: Option<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    /// The only login of its source.
    Only,
    /// The secret's version `AWSCURRENT`, as far as a short look can tell.
    Current,
    /// The login that was accepted last: right if the secret cannot be read, or was changed before the server.
    Accepted,
    /// The version `AWSCURRENT`, if there was no look yet, or a short one was not enough.
    Awaited,
    /// The version `AWSPENDING`: during a rotation, the server may already require it.
    Pending,
}

impl Credentials {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            known: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            is_doubted: AtomicBool::new(false),
        }
    }

    /// Begins the search for a login that the server accepts.
    pub(crate) fn round(&self) -> Round {
        use Candidate::{Accepted, Awaited, Current, Only, Pending};
        let candidates = match self.settings.credentials {
            CredentialSource::Secret(_) => vec![Pending, Awaited, Accepted, Current],
            CredentialSource::Login(_) | CredentialSource::Iam(_) => vec![Only],
        };
        Round { candidates, candidate: Only, has_read: false, tried: Vec::new(), failure: None }
    }

    /// Where the next login leads, as far as that is known before it is.
    pub(crate) fn likely_destination(&self) -> Option<Destination> {
        self.settings.credentials.likely_destination()
    }

    /// The next login to try, if there is one that may help after those that failed.
    pub(crate) async fn next(&self, round: &mut Round, budget: &Budget) -> Result<Option<Login>, Error> {
        // Boxed here and below: the SDK's futures are large, and rarely run.
        while let Some(candidate) = round.candidates.pop() {
            let login = match &self.settings.credentials {
                CredentialSource::Secret(source) => self.of_secret(source, candidate, round, budget).await?,
                CredentialSource::Login(login) => Some(login.clone()),
                CredentialSource::Iam(login) => {
                    let password = budget.spend(Step::ReadSecret, Box::pin(self.token(login))).await??;
                    Some(Login { password, ..login.clone() })
                }
            };
            if let Some(login) = login.filter(|login| !round.tried.iter().any(|tried| tried.is_same_as(login))) {
                round.candidate = candidate;
                return Ok(Some(login));
            }
        }
        Ok(None)
    }

    async fn of_secret(
        &self,
        source: &SecretSource,
        candidate: Candidate,
        round: &mut Round,
        budget: &Budget,
    ) -> Result<Option<Login>, Error> {
        let refused = round.failure.as_ref().is_some_and(Error::is_refused_login);
        match candidate {
            Candidate::Current => {
                let begun = Instant::now();
                let current = self.look(source, LOOK_BEFORE_CONNECTING, budget).await?;
                round.has_read = current.is_some() && self.known().since(begun).is_some();
                Ok(current)
            }
            Candidate::Accepted if round.tried.is_empty() || refused => Ok(self.known().latest()),
            // Only this can help, so that it may take its time.
            Candidate::Awaited if !round.has_read && round.is_rejected() => {
                self.read(source, None, budget).await.map(Some)
            }
            Candidate::Awaited if !round.has_read => self.look(source, Duration::ZERO, budget).await,
            // Whatever is wrong with this version says less than that the server refuses `AWSCURRENT`.
            Candidate::Pending if refused => {
                let half = budget.at_most(budget.remaining() / 2);
                let read = async {
                    secrets_manager::read(self.settings.aws.config().await, &source.id, secrets_manager::PENDING).await
                };
                let read = half.spend(Step::ReadSecret, Box::pin(read)).await.and_then(|text| source.login(&text?));
                Ok(read.inspect_err(|error| tracing::debug!(%error, "AWSPENDING is not usable")).ok())
            }
            _ => Ok(None),
        }
    }

    /// Returns whether the secret now names another server, database or user than this login, as far as a short look can
    /// tell. Another password does not explain the error of a statement.
    pub(crate) async fn differ_from(&self, login: &Login, budget: &Budget) -> bool {
        let CredentialSource::Secret(source) = &self.settings.credentials else { return false };
        let current = self.look(source, Duration::ZERO, budget).await.unwrap_or_default();
        current.is_some_and(|current| !current.is_at_address_of(login) || current.user != login.user)
    }

    /// Returns whether the secret now names another server or database than this login. Looks at it if the last look is
    /// old. Another user or password is no reason to give a session up.
    pub(crate) async fn have_moved_from(&self, login: &Login, budget: &Budget) -> bool {
        let CredentialSource::Secret(source) = &self.settings.credentials else { return false };
        let current = self.look(source, LOOK_BEFORE_USE, budget).await.unwrap_or_default();
        current.is_some_and(|current| !current.is_at_address_of(login))
    }

    /// The login in the secret, read again if the last look is older than this. It waits for no more than a short time,
    /// and finds none if that is not enough; but if no login is known at all, it waits.
    async fn look(&self, source: &SecretSource, age: Duration, budget: &Budget) -> Result<Option<Login>, Error> {
        let known = self.known().clone();
        match known.is_look_due(age, self.is_doubted.load(Ordering::Relaxed)) {
            _ if known.latest().is_none() => self.read(source, None, budget).await.map(Some),
            Some(true) => Ok(self.read(source, Some(LOOK_LIMIT.min(budget.remaining() / 3)), budget).await.ok()),
            Some(false) => Ok(known.current),
            None => Ok(None),
        }
    }

    /// Returns whether a refused login may be accepted a moment later: a secret that is being rotated, or a right to log
    /// in with a token, which takes some seconds to spread in AWS.
    pub(crate) fn may_change(&self) -> bool {
        !matches!(self.settings.credentials, CredentialSource::Login(_))
    }

    /// Remembers the login that the server accepted.
    pub(crate) fn accepted(&self, login: Login) {
        self.known().accepted = Some(login);
    }

    /// Makes the next connection look at the secret first, because something failed that a change of it would explain.
    pub(crate) fn doubt(&self) {
        self.is_doubted.store(true, Ordering::Relaxed);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no panic while it is locked")
    }

    /// Reads the login in `AWSCURRENT`. A limit of the `wait` begins with the read, which may have begun before.
    async fn read(&self, source: &SecretSource, wait: Option<Duration>, budget: &Budget) -> Result<Login, Error> {
        let asked = Instant::now();
        let limit = wait.map_or_else(|| budget.clone(), |wait| budget.at_most(wait));
        let turn = Box::pin(async { (self.reading.lock().await, self.settings.aws.config().await) });
        let (mut slot, aws) = limit.spend(Step::ReadSecret, turn).await?;
        // The answer that somebody else has waited for is as good.
        if let Some(login) = self.known().since(asked) {
            return Ok(login);
        }
        let reading = slot.take().filter(|reading| reading.begun.age() < OUTDATED_READ);
        let reading = slot.insert(reading.unwrap_or_else(|| Reading::begin(aws.clone(), source.id.clone())));
        let rest = wait.map_or(budget.remaining(), |wait| wait.saturating_sub(reading.begun.age()));
        let text = limit.at_most(rest).spend(Step::ReadSecret, &mut reading.task).await?;
        *slot = None;
        let text = text.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        let login = text.and_then(|text| source.login(&text));
        if login.is_ok() {
            self.is_doubted.store(false, Ordering::Relaxed);
        }
        self.known().remember(login.as_ref().ok());
        login.inspect_err(|error| tracing::debug!(%error, "AWSCURRENT is not usable"))
    }

    /// Makes a token for one new connection: it is valid for 15 minutes, and costs no request. The role needs
    /// `rds-db:connect`. It must be for the region of the database.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html>
    async fn token(&self, login: &Login) -> Result<SecretString, Error> {
        let refused = |source| Error::TokenUnavailable { source };
        let aws = self.settings.aws.config().await;
        let region = region::of_host(&login.host).map(Region::new).or_else(|| aws.region().cloned());
        // The SDK would take us-east-1.
        let region = region.ok_or_else(|| refused("no region; set AWS_REGION to the database's".into()))?;
        // The SDK puts the name into a URL as it is.
        let user = utf8_percent_encode(&login.user, RESERVED).to_string();
        let config = TokenConfig::builder().hostname(&login.host).port(login.port.into()).username(user).region(region);
        let generator = AuthTokenGenerator::new(config.build().map_err(refused)?);
        let token = generator.auth_token(aws).await.map_err(refused)?;
        Ok(token.as_str().into())
    }
}

impl Round {
    /// Remembers that this login failed. What the secret's present version meets says more than what an older or a later
    /// one meets, and a step that had no time says nothing.
    pub(crate) fn failed(&mut self, login: Login, error: Error) {
        self.tried.push(login);
        let is_late = matches!(error, Error::BudgetExceeded { .. });
        let is_current = matches!(self.candidate, Candidate::Current | Candidate::Awaited);
        if self.failure.is_none() || (is_current && !is_late) {
            self.failure = Some(error);
        }
    }

    /// Returns whether the server refuses this user or password, for sure.
    fn is_rejected(&self) -> bool {
        self.failure.as_ref().is_some_and(|error| error.kind() == Kind::CredentialsRejected)
    }

    /// The error of a round in which no login was accepted.
    pub(crate) fn into_failure(self) -> Error {
        self.failure.expect("each source has a login, which was tried")
    }
}

impl Known {
    /// Returns whether a look is due, where one of this age would do; none if one has just failed.
    fn is_look_due(&self, age: Duration, is_doubted: bool) -> Option<bool> {
        let is_old = |moment: Option<Moment>, age: Duration| moment.is_none_or(|moment| moment.age() >= age);
        is_old(self.failed, LOOK_PAUSE).then(|| is_doubted || is_old(self.looked, age))
    }

    /// The login to use where the secret cannot be read.
    fn latest(&self) -> Option<Login> {
        self.accepted.clone().or_else(|| self.current.clone())
    }

    /// The login that the secret held, if it was read since then.
    fn since(&self, begun: Instant) -> Option<Login> {
        self.current.clone().filter(|_| self.looked.is_some_and(|Moment(looked, _)| looked >= begun))
    }

    /// Remembers what a look has found, if it has found a login.
    fn remember(&mut self, current: Option<&Login>) {
        let now = Some(Moment::now());
        let Some(current) = current else {
            self.failed = now;
            return;
        };
        (self.looked, self.failed) = (now, None);
        self.accepted = self.accepted.take().filter(|accepted| accepted.is_at_address_of(current));
        self.current = Some(current.clone());
    }
}

impl Moment {
    fn now() -> Self {
        Self(Instant::now(), SystemTime::now())
    }

    fn age(&self) -> Duration {
        self.0.elapsed().max(self.1.elapsed().unwrap_or_default())
    }
}

impl Reading {
    fn begin(aws: SdkConfig, id: String) -> Self {
        let read = async move { secrets_manager::read(&aws, &id, secrets_manager::CURRENT).await };
        Self { begun: Moment::now(), task: tokio::spawn(read) }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;
    use aws_sdk_rds::config::Credentials as Keys;
    use secrecy::ExposeSecret;

    use super::*;

    /// The token for this user at this host, in this region of the environment.
    async fn token(host: &str, user: &str, region: Option<&str>) -> Result<String, Error> {
        let mut aws = aws_config::defaults(BehaviorVersion::latest())
            .credentials_provider(Keys::new("testing", "testing", None, None, "test"))
            .load()
            .await
            .into_builder();
        aws.set_region(region.map(|region| Region::new(region.to_owned())));
        let settings = Settings::from_variables(|name| match name {
            "DB_AUTH" => Some("iam".to_owned()),
            "PGHOST" => Some(host.to_owned()),
            "PGUSER" => Some(user.to_owned()),
            "PGDATABASE" => Some("app".to_owned()),
            "PGSSLROOTCERT" => Some("ca.pem".to_owned()),
            _ => None,
        })?;
        let credentials = Credentials::new(settings.with_aws(aws.build()));
        let budget = Budget::new(Duration::from_secs(20));
        let login = credentials.next(&mut credentials.round(), &budget).await?.expect("a token");
        Ok(login.password.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn a_token_is_for_the_very_user() {
        for (user, encoded) in [
            ("post_confirmation", "post_confirmation"),
            ("fn&DBUser=root", "fn%26DBUser%3Droot"),
            ("fn#x", "fn%23x"),
            ("fn+x", "fn%2Bx"),
            ("fn%41", "fn%2541"),
            ("app user", "app%20user"),
            ("\"fn\"", "%22fn%22"),
            ("jürgen", "j%C3%BCrgen"),
        ] {
            let token = token("db", user, Some("eu-central-1")).await.expect("a token");
            let start = format!("db:5432/?Action=connect&DBUser={encoded}&X-Amz-");
            assert!(token.starts_with(&start), "expected {start:?} in {token}");
        }
    }

    #[tokio::test]
    async fn a_token_is_for_the_region_of_the_host_and_never_for_a_guessed_one() {
        let host = "app.abc.eu-west-1.rds.amazonaws.com";
        for region in [None, Some("us-east-1")] {
            let token = token(host, "fn", region).await.expect("the host names its region");
            assert!(token.contains("%2Feu-west-1%2Frds-db%2F"), "{token}");
        }
        let alias = token("db.example.com", "fn", Some("eu-central-1")).await.expect("the environment has a region");
        assert!(alias.contains("%2Feu-central-1%2Frds-db%2F"), "{alias}");
        let error = token("db.example.com", "fn", None).await.expect_err("there is no region");
        assert_eq!(
            (error.kind().as_str(), error.remedy()),
            ("TokenUnavailable", "give this process AWS credentials and a region")
        );
    }
}
