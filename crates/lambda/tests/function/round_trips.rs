//! Speed, as far as it can be counted: round trips to the database, and bytes read.

use crate::stage::{Stage, sample, succeed};

#[tokio::test]
async fn a_warm_sign_up_is_exactly_one_round_trip() {
    let stage = Stage::new().await;
    let (function, proxy) = stage.function_behind_proxy().await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    for name in ["confirm-sign-up-phone", "confirm-sign-up-taken-handle", "confirm-sign-up-taken-handle"] {
        let before = proxy.round_trips();
        succeed(&function, &sample(name).0).await;
        assert_eq!(proxy.round_trips() - before, 1, "{name}");
    }
}

#[tokio::test]
async fn a_cold_sign_up_is_at_most_eight_round_trips_all_told() {
    let stage = Stage::new().await;
    let (function, proxy) = stage.function_behind_proxy().await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    assert_eq!(proxy.connections(), 1);
    // TCP, the request for TLS, TLS, three for SCRAM, and the statement. A server before PostgreSQL 17 sends session
    // tickets that nobody waits for; when they pass the proxy amid two messages of the client, they look like an eighth.
    let count = proxy.round_trips();
    assert!((7..=8).contains(&count), "{count} round trips");
}

#[tokio::test]
async fn the_systems_root_certificates_are_not_read() {
    let stage = Stage::new().await;
    let function = stage.function(&[]).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    let read = function.bytes_read().expect("this system counts what a process reads");
    // The bundle alone is some 200 kB; everything that a first sign-up needs is less than half of that.
    assert!(read < 100_000, "{read} bytes were read");
}
