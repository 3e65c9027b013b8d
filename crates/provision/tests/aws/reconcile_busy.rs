//! `provision users reconcile` while people sign up, change and leave, and the process is killed.

use testkit::Postgres;

use crate::busy_pool::{BusyPool, Course, Outcome};

#[tokio::test]
async fn neither_kills_nor_people_make_a_finding_false_or_have_one_overlooked() {
    let course = Course {
        program: env!("CARGO_BIN_EXE_provision").to_owned(),
        users: 4000,
        kills: 4,
        lets_token_expire: true,
        seed: 1,
        speed: 4.0,
    };
    let Outcome { report, pages, repeated, time, peak_kib, people, faults } =
        BusyPool::fill(Postgres::shared(), course).await.reconcile().await;
    assert!(faults.is_empty(), "after {time:?}: {faults:#?}\n{report}");
    assert!(peak_kib < 64 * 1024, "the pool is not in memory: {peak_kib} KiB");
    assert!(pages >= 4000 / 60, "each user is listed: {pages} pages");
    assert!(people.iter().all(|done| *done > 0), "people did something meanwhile: {people:?}");
    // The first one is forgotten with the token.
    for (kills, pages) in (0..).zip(&repeated) {
        assert!(*pages <= kills, "each kill costs at most one page: {repeated:?}");
    }
    assert_eq!(repeated.len(), 4, "each kill met a process");
}
