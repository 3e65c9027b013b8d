//! The operator's credentials, loaded before the first request.

use std::error::Error as _;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use db::{AwsCause, AwsError};
use tokio::time::timeout;

use super::environment::shown;
use super::profile::{Source, bare};
use crate::cli::quoted;
use crate::error::Problem;

/// The longest wait for credentials. The source may ask a person, such as for a code, and needs longer than a request.
const LIMIT: Duration = Duration::from_mins(2);

/// Where the credentials come from.
pub(super) struct Origin<'a> {
    /// The profile that has them or their source; otherwise it is the environment or this machine.
    pub(super) source: Option<(&'a str, Option<Source>)>,
    /// The named profile, if it has none.
    pub(super) bare: Option<&'a str>,
}

/// Loads the credentials once, outside the time limit of any request, which would end their source and start it again.
pub(super) async fn preload(config: SdkConfig, origin: Origin<'_>) -> anyhow::Result<SdkConfig> {
    let source = config.credentials_provider().context("the configuration has no source of credentials")?;
    let loaded = timeout(LIMIT, source.provide_credentials()).await.map_err(|_| {
        let remedy = "correct what the profile in ~/.aws/config names as the source of its credentials";
        Problem::new(format!("no AWS credentials came in {}", humantime::format_duration(LIMIT)), remedy)
    })?;
    let first = loaded.map_err(|error| explain(&error, &origin))?;
    check(&first)?;
    let preloaded = Preloaded { first: Mutex::new(Some(first)), source };
    Ok(config.into_builder().credentials_provider(SharedCredentialsProvider::new(preloaded)).build())
}

/// Explains why there are no credentials. A login is named with its profile: another one would change nothing.
fn explain(error: &CredentialsError, origin: &Origin<'_>) -> anyhow::Error {
    let error = AwsError::of_credentials("this command", error);
    let remedy = match (error.cause(), origin) {
        (AwsCause::NoCredentials, Origin { bare: Some(name), .. }) => return bare(name).into(),
        (AwsCause::NoCredentials, Origin { source: Some((name, Some(Source::IdentityCenter))), .. }) => login(name),
        (AwsCause::Expired, Origin { source: Some((name, source)), .. }) => renewal(name, *source),
        (AwsCause::Expired, _) => {
            "renew what the variables name as the source of the credentials, such as the token in \
             AWS_WEB_IDENTITY_TOKEN_FILE"
                .to_owned()
        }
        (AwsCause::CredentialsFailed, Origin { source: None, .. }) => {
            "correct the variables that name the source of the credentials, such as AWS_WEB_IDENTITY_TOKEN_FILE, or unset \
             them and name a profile"
                .to_owned()
        }
        _ => return error.into(),
    };
    let problem = Problem::new(error.to_string(), remedy);
    match error.source() {
        Some(source) => problem.because(source.to_string()).into(),
        None => problem.into(),
    }
}

fn login(profile: &str) -> String {
    format!("log in with `aws sso login --profile {}`", quoted(profile))
}

/// The way to new credentials of a profile whose own have expired.
fn renewal(profile: &str, source: Option<Source>) -> String {
    let setting = match source {
        Some(Source::IdentityCenter) => return login(profile),
        Some(Source::Console) => return format!("log in with `aws login --profile {}`", quoted(profile)),
        Some(Source::Token) => "the token in web_identity_token_file",
        Some(Source::Program) => "the login of the program in credential_process",
        Some(Source::Keys) => "the keys",
        None => "the credentials that credential_source names, for the role",
    };
    format!("renew {setting} of the AWS profile {}", shown(profile))
}

/// Fails if they hold what HTTP allows in no header: the SDK would panic.
fn check(credentials: &Credentials) -> anyhow::Result<()> {
    let parts = [
        ("access key id", Some(credentials.access_key_id())),
        ("secret access key", Some(credentials.secret_access_key())),
        ("session token", credentials.session_token()),
    ];
    for (name, part) in parts {
        let is_plain = part.is_none_or(|part| part.bytes().all(|byte| byte.is_ascii_graphic()));
        ensure!(
            is_plain,
            Problem::new(
                format!("the AWS {name} holds a line break, a space or another character that none has"),
                "set it to the value alone, in the environment or in the profile"
            )
        );
    }
    Ok(())
}

/// Provides the credentials that were loaded, and later those that follow them.
#[derive(Debug)]
struct Preloaded {
    first: Mutex<Option<Credentials>>,
    source: SharedCredentialsProvider,
}

impl ProvideCredentials for Preloaded {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let first = self.first.lock().expect("no panic while it is locked").take();
            match first {
                Some(credentials) => provider::Result::Ok(credentials),
                None => self.source.provide_credentials().await,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::error::shown;

    /// A source that takes this long.
    #[derive(Debug)]
    struct Slow(Duration);

    impl ProvideCredentials for Slow {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(async {
                sleep(self.0).await;
                Ok(Credentials::new("AKIASLOW", "x", None, None, "test"))
            })
        }
    }

    const PROFILE: Origin<'_> = Origin { source: Some(("prod", Some(Source::Program))), bare: None };

    async fn preload_from(source: Slow) -> anyhow::Result<SdkConfig> {
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest());
        preload(config.credentials_provider(SharedCredentialsProvider::new(source)).build(), PROFILE).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_asks_a_person_is_waited_for_once() {
        let config = preload_from(Slow(Duration::from_secs(90))).await.expect("credentials");
        let loaded = Instant::now();
        let source = config.credentials_provider().expect("a source");
        assert_eq!(source.provide_credentials().await.expect("the loaded ones").access_key_id(), "AKIASLOW");
        assert_eq!(loaded.elapsed(), Duration::ZERO);
        source.provide_credentials().await.expect("the next ones");
        assert_eq!(loaded.elapsed(), Duration::from_secs(90));
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_never_answers_is_given_up() {
        let error = preload_from(Slow(Duration::from_hours(1))).await.expect_err("no credentials");
        assert!(shown(&error).starts_with("error: no AWS credentials came in 2m\nhint: correct"), "{}", shown(&error));
    }
}
