//! `provision users reconcile` with a large pool, while people sign up, change and leave, and the process is killed.
//! `make bench` runs it on a release build.
//!
//! `cargo bench --package provision --bench reconcile -- USERS KILLS SEED SPEED PROGRAM` chooses the course, by how much it is
//! quicker than AWS, and the program if it is another one than this build's.

mod busy_pool;
mod statements;

use busy_pool::{BusyPool, Course, Outcome};
use statements::Statements;
use testkit::Postgres;

/// Requests of `ListUsers` a second, before everything is made quicker.
const RATE: f64 = 10.0;

/// Lines of faults that are printed.
const FAULTS: usize = 20;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the figures are what this is run for")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    // `cargo test --benches` asks only whether it runs.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let number = |place: usize, default: u64| match arguments.get(place) {
        Some(number) => number.parse().expect("USERS KILLS SEED SPEED are numbers"),
        None => default,
    };
    let (users, kills, seed) = (number(0, 100_000), number(1, 5), number(2, 1));
    let times_quicker = f64::from(u32::try_from(number(3, 10)).expect("a small number"));
    let course = Course {
        program: arguments.get(4).cloned().unwrap_or_else(|| env!("CARGO_BIN_EXE_provision").to_owned()),
        users: usize::try_from(users).expect("a number of users"),
        kills: usize::try_from(kills).expect("a number of kills"),
        lets_token_expire: false,
        seed,
        speed: times_quicker,
    };
    let postgres = Postgres::start_with(Statements::CONFIGURATION).expect("a server");
    let busy_pool = BusyPool::fill(&postgres, course).await;
    let statements = Statements::count(&busy_pool.database).await;
    let rate = RATE * times_quicker;
    let outcome = tokio::select! {
        outcome = busy_pool.reconcile() => outcome,
        never = statements.copy_pages(rate) => match never {},
    };
    let Outcome { report, pages, repeated, time, peak_kib, people, faults } = outcome;

    #[expect(clippy::cast_precision_loss, reason = "a few thousand pages")]
    let floor = pages as f64 / rate;
    let [sign_ups, changes, deletions] = people;
    println!(
        "{users} users, {kills} kills, seed {seed}, {times_quicker} times quicker; meanwhile {sign_ups} sign-ups, {changes} changes, {deletions} deletions"
    );
    println!("missing {}, stale {}, orphans {}", report["missing"], report["stale"], report["orphans"]);
    println!(
        "time         {:.1} s for {pages} pages, {:.3} of the time that the rate sets",
        time.as_secs_f64(),
        time.as_secs_f64() / floor
    );
    println!("memory       {:.1} MiB at most", f64::from(u32::try_from(peak_kib).expect("KiB")) / 1024.0);
    println!("repeated     {} pages", repeated.last().unwrap_or(&0));
    println!("faults       {}", faults.len());
    for fault in faults.iter().take(FAULTS) {
        println!("  {fault}");
    }
    statements.print(u32::try_from(pages).expect("a few thousand")).await;
}
