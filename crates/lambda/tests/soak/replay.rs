//! The replay: Lambda hands the spilled events over to a function of its own, at random moments while things fail, and
//! once more when nothing fails any more.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use fastrand::Rng;
use testkit::Function;
use tokio::time::{sleep, timeout};

use crate::fixture::Fixture;

/// The longest pause between two turns, in milliseconds.
const PAUSE: u64 = 2000;

/// Lambda's time limit of a turn, in milliseconds. The function keeps 2.25 s of it for the queue: so many a turn ends
/// before the database is back.
const LIMIT: Range<u64> = 2500..5000;

/// Lambda's time limit when nothing fails any more.
const LAST_LIMIT: Duration = Duration::from_mins(1);

/// One of so many batches is never answered: its function is ended after up to so many milliseconds.
const ENDED: u64 = 5;
const UNTIL_ENDED: u64 = 300;

/// The replay's function, and what it could not ensure.
pub(crate) struct Replay<'a> {
    fixture: &'a Fixture,
    function: Function,
    turn: u32,
    /// The messages that failed, each with the turn in which it can be received again.
    held: Vec<(u32, Message)>,
    pub(crate) figures: Figures,
}

/// How many messages ended how.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) done: usize,
    pub(crate) held: usize,
    /// In a batch that was never answered.
    pub(crate) unanswered: usize,
}

impl<'a> Replay<'a> {
    pub(crate) async fn new(fixture: &'a Fixture) -> Self {
        let function = fixture.function().await;
        Self { fixture, function, turn: 0, held: Vec::new(), figures: Figures::default() }
    }

    /// Replays what waits, now and then, until all is done.
    pub(crate) async fn replay_at_random(&mut self, mut rng: Rng, done: &AtomicBool) {
        while !done.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(rng.u64(..PAUSE))).await;
            self.turn += 1;
            self.take_turn(&mut rng).await;
        }
    }

    /// Replays until nothing waits. Returns how many messages failed once more.
    pub(crate) async fn replay_all(&mut self) -> usize {
        let held: Vec<Message> = self.held.drain(..).map(|(_, message)| message).collect();
        self.fixture.queue.reveal(&held).await.expect("SQS is up");
        let mut failed = 0;
        while let messages = self.receive().await
            && !messages.is_empty()
        {
            failed += self.deliver(messages, LAST_LIMIT).await;
        }
        failed
    }

    /// Hands over all messages that can be received, until some fail.
    async fn take_turn(&mut self, rng: &mut Rng) {
        let (due, held) = self.held.drain(..).partition(|(turn, _)| *turn <= self.turn);
        self.held = held;
        let due: Vec<Message> = due.into_iter().map(|(_, message)| message).collect();
        self.fixture.queue.reveal(&due).await.expect("SQS is up");
        loop {
            let messages = self.receive().await;
            if messages.is_empty() {
                return;
            }
            if rng.u64(..ENDED) == 0 {
                return self.end_before_an_answer(messages, Duration::from_millis(rng.u64(..UNTIL_ENDED))).await;
            }
            if self.deliver(messages, Duration::from_millis(rng.u64(LIMIT))).await > 0 {
                return;
            }
        }
    }

    async fn receive(&self) -> Vec<Message> {
        self.fixture.queue.receive().await.expect("SQS is up")
    }

    /// Returns how many failed.
    async fn deliver(&mut self, messages: Vec<Message>, limit: Duration) -> usize {
        let failed = self.fixture.queue.deliver(&messages, &self.function, limit).await.expect("an answer");
        let is_failed = |message: &Message| failed.iter().any(|id| message.message_id() == Some(id));
        let (held, done): (Vec<_>, Vec<_>) = messages.into_iter().partition(is_failed);
        self.figures.done += done.len();
        self.figures.held += held.len();
        self.hold(held);
        failed.len()
    }

    /// Ends the function as Lambda does when its time is over. The rows may be there, and the messages come again.
    async fn end_before_an_answer(&mut self, messages: Vec<Message>, after: Duration) {
        let event = self.fixture.queue.event(&messages).to_string();
        let _ = timeout(after, self.function.invoke(&event)).await;
        self.function = self.fixture.function().await;
        self.figures.unanswered += messages.len();
        self.hold(messages);
    }

    /// The function hides a message for 1, 2, 4 … minutes; a turn stands for a minute here.
    fn hold(&mut self, messages: Vec<Message>) {
        let turn = self.turn;
        self.held.extend(messages.into_iter().map(|message| (turn + (1 << (receives(&message) - 1)), message)));
    }
}

/// How often the message was received.
fn receives(message: &Message) -> u32 {
    let count =
        message.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    count.and_then(|count| count.parse().ok()).expect("SQS counts receives")
}
