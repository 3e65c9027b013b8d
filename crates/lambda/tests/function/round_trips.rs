//! Speed, as far as it can be counted: round trips to the database, and bytes read.

use crate::fixture::{Fixture, sample, succeed, try_succeed, undisturbed};

#[tokio::test]
async fn a_warm_sign_up_is_exactly_one_round_trip() {
    let fixture = Fixture::new().await;
    let (function, proxy) = fixture.function_behind_proxy().await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    for name in ["confirm-sign-up-phone", "confirm-sign-up-taken-handle", "confirm-sign-up-taken-handle"] {
        let event = sample(name).0;
        let round_trips = undisturbed(async || {
            let before = (proxy.connections(), proxy.round_trips());
            try_succeed(&function, &event).await?;
            // A statement that takes a second makes the function give its connection up.
            let new_connections = proxy.connections() - before.0;
            if new_connections > 0 {
                Err(format!("{new_connections} new connections"))
            } else {
                Ok(proxy.round_trips() - before.1)
            }
        });
        assert_eq!(round_trips.await, 1, "{name}");
    }
}

#[tokio::test]
async fn a_cold_sign_up_is_one_connection_and_six_round_trips() {
    let fixture = Fixture::new().await;
    let round_trips = undisturbed(async || {
        let (function, proxy) = fixture.function_behind_proxy().await;
        try_succeed(&function, &sample("confirm-sign-up").0).await?;
        // On a slow machine, connecting ahead gives up, and the invocation opens another connection.
        match proxy.connections() {
            1 => Ok(proxy.round_trips()),
            connections => Err(format!("{connections} connections")),
        }
    });
    // The request for TLS, one of TLS since its first message has a key that the server takes, three for SCRAM, and the
    // statement. A server before PostgreSQL 17 sends session tickets that no client waits for; when they pass the proxy between
    // two messages of the client, they look like a seventh round trip.
    let count = round_trips.await;
    assert!((6..=7).contains(&count), "{count} round trips");
}

#[tokio::test]
async fn the_systems_root_certificates_are_not_read() {
    let fixture = Fixture::new().await;
    let function = fixture.function(&[]).await;
    succeed(&function, &sample("confirm-sign-up").0).await;
    let read = function.bytes_read().expect("this system counts what a process reads");
    // The bundle alone is some 200 kB; everything that a first sign-up needs is less than half of that.
    assert!(read < 100_000, "{read} bytes were read");
}
