//! A sign-up without a database: it succeeds, its event waits in a queue, and the replay makes the row. moto is Amazon
//! SQS; function, replay and database are real ones.

use std::env;
use std::time::Duration;

use anyhow::ensure;
use testkit::{Answer, Function, Moto, Postgres, Queue, UserPool};

use crate::{provision, say};

/// Lambda's time limit of a function whose database is away: shorter than AWS advises, so that nobody waits here.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Lambda's time limit of the replay.
const REPLAY_TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) async fn run() -> anyhow::Result<()> {
    say("starting a temporary PostgreSQL with TLS, and moto as Amazon SQS");
    let postgres = Postgres::start()?;
    let database = postgres.database().await?;
    let root_certificate = database.root_certificate.to_string_lossy().into_owned();
    let moto = Moto::start()?;
    let queue = Queue::create(&moto).await?;
    let mut variables = vec![("CONNECTION_URL", database.url()), ("PGSSLROOTCERT", root_certificate)];
    variables.extend(moto.environment());
    variables.push(("SPILL_QUEUE_URL", queue.url.clone()));
    provision(&["db", "load"], &variables).await?;
    let binary = env::current_exe()?.with_file_name("post-confirmation");
    let function = Function::start(&binary.to_string_lossy(), &variables).await?;
    function.until_ready().await?;
    let replay = Function::start(&binary.to_string_lossy(), &variables).await?;

    say("stopping PostgreSQL: Grace signs up while it is away");
    postgres.stop("fast")?;
    let pool = UserPool::new(1);
    pool.sign_up("grace", &[("email", "grace@example.com")]);
    let event = pool.confirm("grace");
    let invocation = function.invoke_within(&event, Some(TIMEOUT)).await?;
    ensure!(matches!(&invocation.answer, Answer::Response(answer) if *answer == event), "{:?}", invocation.answer);
    function.log_line("outcome", "spilled").await?;
    say("her sign-up has succeeded, and its event waits");
    provision(&["queue", "show"], &variables).await?;

    say("starting PostgreSQL again: Lambda hands the event over to the replay");
    postgres.start_again()?;
    let messages = queue.receive().await?;
    let failed = queue.deliver(&messages, &replay, REPLAY_TIMEOUT).await?;
    ensure!(failed.is_empty(), "the replay fails; its log:\n{}", replay.log());
    let users = provision(&["users", "list"], &variables).await?;
    ensure!(users.contains("grace"), "grace has no row");
    ensure!(queue.counts().await? == (0, 0), "the event is still in the queue");
    say("Grace has her row, and nobody had to sign in or to repair anything");
    Ok(())
}
