//! Sign-ups that the trigger misses: without a queue, the database is away while two people confirm theirs. One gets the row at the next
//! token, the other by `provision users reconcile`. A stand-in is the user pool; function and database are real ones.

use std::env;
use std::time::Duration;

use anyhow::{bail, ensure};
use serde_json::Value;
use testkit::user_pool::TokenSource;
use testkit::{Answer, Function, Postgres, UserPool};

use crate::{expect_differences, provision, say};

/// The settings of a function that is created with a timeout of 2 s: shorter than AWS advises, so that nobody waits here.
const TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) async fn run() -> anyhow::Result<()> {
    say("starting a temporary PostgreSQL with TLS, and a stand-in for a Cognito user pool");
    let postgres = Postgres::start()?;
    let database = postgres.database().await?;
    let root_certificate = database.root_certificate.to_string_lossy().into_owned();
    let pool = UserPool::new(1);
    let variables = [("CONNECTION_URL", database.url()), ("PGSSLROOTCERT", root_certificate)];
    let settings = [("USER_POOL_ID", pool.id().to_owned())].into_iter().chain(pool.serve()?);
    let settings: Vec<_> = settings.chain(variables.clone()).collect();
    let run = async |arguments: &[&str]| provision(arguments, &settings).await;
    run(&["db", "load"]).await?;
    let binary = env::current_exe()?.with_file_name("post-confirmation");
    let function = Function::start(&binary.to_string_lossy(), &variables).await?;

    say("stopping PostgreSQL: Mary and Dorothy sign up while it is away");
    postgres.stop("fast")?;
    for (name, address) in [("mary", "mary@example.com"), ("dorothy", "dorothy@example.com")] {
        pool.sign_up(name, &[("email", address)]);
        let invocation = function.invoke_within(&pool.confirm(name), Some(TIMEOUT)).await?;
        ensure!(matches!(invocation.answer, Answer::Error(_)), "expected an error for {name} without a database");
    }
    say("Cognito has shown them an error and confirmed them all the same: no sign-up calls the function again");
    postgres.start_again()?;

    expect_differences(&["users", "reconcile", "--dry-run", "--settle", "0s"], &settings).await?;

    say("Mary's next token calls the function, at the trigger Pre token generation");
    let event = pool.token("mary", TokenSource::RefreshTokens);
    let Answer::Response(answer) = function.invoke(&event).await?.answer else {
        bail!("expected the event back; the function's log:\n{}", function.log());
    };
    ensure!(
        serde_json::from_str::<Value>(&answer)? == serde_json::from_str::<Value>(&event)?,
        "expected the event back unchanged, and got {answer}"
    );
    function.log_line("outcome", "healed").await?;

    run(&["users", "reconcile", "--settle", "0s"]).await?;
    let users = run(&["users", "list"]).await?;
    for name in ["mary", "dorothy"] {
        ensure!(users.contains(name), "{name} has no row");
    }
    say("both have a row: Mary since her next token, Dorothy since `provision users reconcile`");
    Ok(())
}
