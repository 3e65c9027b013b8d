//! The people: a thread in which they sign up, change and leave, each delivered to the table as the function would.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use cognito::{Event, UserEvent};
use db::users::{Ensured, ensure};
use fastrand::Rng;
use futures::future::join_all;
use serde_json::value::RawValue;
use testkit::user_pool::TokenSource;
use testkit::{TestDatabase, UserPool};
use tokio_postgres::Client;

use super::truth::{Row, Truth};

/// Sign-ups, changes and deletions a second, before they are made quicker.
const RATES: [f64; 3] = [50.0, 5.0, 5.0];

pub(super) struct Traffic {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Truth, [u64; 3])>,
}

/// An event on its way.
struct Delivery {
    due: Instant,
    event: UserEvent,
}

struct People {
    pool: UserPool,
    client: Client,
    speed: f64,
    random: Rng,
    truth: Truth,
    deliveries: VecDeque<Delivery>,
    done: [u64; 3],
}

impl Traffic {
    pub(super) fn start(pool: &UserPool, database: &TestDatabase, speed: f64, random: Rng, truth: Truth) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (pool, database, stopped) = (pool.clone(), database.clone(), Arc::clone(&stop));
        let work = async move || {
            let client = database.connect().await.expect("the database is up");
            let mut people = People { pool, client, speed, random, truth, deliveries: VecDeque::new(), done: [0; 3] };
            people.live(&stopped).await;
            (people.truth, people.done)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { stop, thread: thread::spawn(move || runtime.block_on(work())) }
    }

    /// What is on its way is delivered first.
    pub(super) fn stop(self) -> (Truth, [u64; 3]) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the people did nothing wrong")
    }
}

impl People {
    async fn live(&mut self, stop: &AtomicBool) {
        let begun = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of people")]
            let due = RATES.map(|rate| (begun.elapsed().as_secs_f64() * self.speed * rate) as u64);
            while self.done[0] < due[0] {
                self.sign_up(self.done[0]);
                self.done[0] += 1;
            }
            while self.done[1] < due[1] {
                self.change(self.done[1]);
                self.done[1] += 1;
            }
            while self.done[2] < due[2] {
                self.delete().await;
                self.done[2] += 1;
            }
            self.deliver(Instant::now()).await;
        }
        self.deliver(Instant::now() + Duration::from_hours(1)).await;
    }

    fn sign_up(&mut self, number: u64) {
        let (name, email) = (format!("new-{number}"), format!("new-{number}@example.com"));
        let user = self.pool.sign_up(&name, &[("email", &email)]);
        if number % 30 == 3 {
            // Never confirms it.
            return;
        }
        let event = self.pool.confirm(&name);
        self.truth.signed_up.insert(user.sub.clone(), Instant::now());
        match number % 50 {
            0 => {
                self.truth.lost.insert(user.sub);
            }
            1..10 => self.send(&event, Duration::from_secs(2)),
            // Cognito had no answer to the first one.
            10..12 => {
                self.send(&event, Duration::ZERO);
                self.send(&event, Duration::from_secs(5));
            }
            _ => self.send(&event, Duration::ZERO),
        }
    }

    /// A new handle, which is the application's affair, or a new address, which the next token brings.
    fn change(&mut self, number: u64) {
        let name = self.somebody();
        if number.is_multiple_of(2) {
            self.pool.rename(&name, &format!("renamed-{number}"));
            return;
        }
        self.pool.change_address(&name, &format!("changed-{number}@example.com"));
        self.pool.verify(&name);
        self.truth.changed.insert(self.pool.user(&name).expect("a user").sub);
        let event = self.pool.token(&name, TokenSource::RefreshTokens);
        self.send(&event, Duration::from_secs(1));
    }

    /// The application deletes the user in the pool, and then the row. Users without a row stay: else nobody could
    /// say how many rows the run has made.
    async fn delete(&mut self) {
        let user = loop {
            let name = self.somebody();
            let user = self.pool.user(&name).expect("a user");
            if Row::of(&name) != Row::None && !self.truth.changed.contains(&user.sub) {
                break user;
            }
        };
        self.pool.delete(&user.username);
        let forget = "select cognito.forget_user($1)";
        self.client.query_one(forget, &[&user.sub]).await.expect(forget);
        self.truth.deleted.insert(user.sub);
    }

    /// One of those who were there at the begin, and still are.
    fn somebody(&mut self) -> String {
        loop {
            let name = format!("user-{}", self.random.usize(..self.truth.users));
            if self.pool.user(&name).is_some() {
                return name;
            }
        }
    }

    fn send(&mut self, event: &str, delay: Duration) {
        let event = RawValue::from_string(event.to_owned()).expect("JSON");
        let event = Event::parse(&event).expect("an event");
        let event = UserEvent::new(&event, SystemTime::now()).expect("an event of a user");
        self.deliveries.push_back(Delivery { due: Instant::now() + delay.div_f64(self.speed), event });
    }

    async fn deliver(&mut self, until: Instant) {
        let all = std::mem::take(&mut self.deliveries);
        let (due, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|delivery| delivery.due <= until);
        self.deliveries = rest.into();
        let answers = join_all(due.iter().map(|Delivery { event, .. }| ensure(&self.client, event))).await;
        for (Delivery { event, .. }, answer) in due.iter().zip(answers) {
            let (sub, answer) = (event.sub(), answer.expect("a row"));
            // The same event hears the same answer twice.
            if answer == Ensured::Created {
                self.truth.created.insert(sub.to_owned());
            }
            let settle = Duration::from_secs(20).div_f64(self.speed);
            if self.truth.signed_up.get(sub).is_some_and(|at| at.elapsed() >= settle) {
                self.truth.late.insert(sub.to_owned());
            }
        }
    }
}
