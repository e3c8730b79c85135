//! A server that stops says so, lets calls end, and does not wait for ever.

use std::time::Duration;

use futures::StreamExt;
use tonic::{Code, Request};
use yinyom_rpc::{ClientConfig, Connection, ServerConfig, connect, reason};

use crate::running::{Running, ask, stream};

async fn serving(drain_limit: Duration) -> (Running, Connection) {
    // Long enough for a prober to be told.
    let linger = Duration::from_millis(100);
    let config = ServerConfig { drain_limit, linger, ..ServerConfig::default() };
    let server = Running::with(config, None).await;
    let connection = connect(&ClientConfig::new(server.endpoint()), server.tokens("reports"));
    (server, connection.unwrap())
}

/// Longer than [`soon`] waits.
const LONG: Duration = Duration::from_hours(1);

async fn soon<T>(awaited: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), awaited).await;
    waited.expect("something holds up the drain")
}

/// Waits for the server to stop well, and soon.
async fn stopped(server: Running) {
    soon(server.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_is_running_ends_well_and_a_new_connection_is_not_taken() {
    let (server, connection) = serving(LONG).await;
    let asked = tokio::spawn(async move { ask(connection, "wait").await });
    server.levers.waiting.notified().await;
    let endpoint = server.endpoint();
    let tokens = server.tokens("reports");
    server.shutdown.cancel();
    let late = loop {
        let fresh = connect(&ClientConfig::new(endpoint.clone()), tokens.clone()).unwrap();
        if let Err(status) = ask(fresh, "hello").await {
            break status;
        }
    };
    assert_eq!(reason(&late).as_deref(), Some("PEER_UNAVAILABLE"));
    server.levers.release.notify_one();
    assert_eq!(asked.await.unwrap().unwrap(), "released");
    stopped(server).await;
}

#[tokio::test]
async fn a_prober_hears_not_serving_and_does_not_hold_up_the_drain() {
    let (server, _) = serving(LONG).await;
    let channel = tonic::transport::Endpoint::from_shared(server.endpoint()).unwrap();
    let mut health =
        tonic_health::pb::health_client::HealthClient::new(channel.connect().await.unwrap());
    let service = "yinyom.test.v1.Echo".to_owned();
    let asked = tonic_health::pb::HealthCheckRequest { service };
    let mut watch = health.watch(asked).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status, 1, "serving");
    server.shutdown.cancel();
    let heard: Vec<_> = soon(watch.collect()).await;
    assert_eq!(heard[0].as_ref().unwrap().status, 2, "not serving");
    stopped(server).await;
}

#[tokio::test]
async fn a_stream_without_an_end_is_told_and_may_say_goodbye() {
    let (server, connection) = serving(LONG).await;
    let request = Request::new("until the drain".to_owned());
    let mut texts = stream(connection.for_streams(), request).await.unwrap();
    assert_eq!(texts.next().await.unwrap().unwrap(), "one");
    server.shutdown.cancel();
    assert_eq!(texts.next().await.unwrap().unwrap(), "drained");
    assert!(texts.next().await.is_none());
    stopped(server).await;
}

#[tokio::test]
async fn calls_that_never_end_are_cut_at_the_limit_and_told_to_try_again() {
    let (server, connection) = serving(Duration::from_millis(50)).await;
    let asking = connection.clone();
    let asked = tokio::spawn(async move { ask(asking, "wait").await });
    let request = Request::new("never".to_owned());
    let mut texts = stream(connection.for_streams(), request).await.unwrap();
    assert_eq!(texts.next().await.unwrap().unwrap(), "one");
    server.levers.waiting.notified().await;
    server.shutdown.cancel();
    let unary = soon(asked).await.unwrap().unwrap_err();
    let streamed = soon(texts.next()).await.unwrap().unwrap_err();
    for cut in [unary, streamed] {
        assert_eq!(cut.code(), Code::Unavailable);
        assert_eq!(reason(&cut).as_deref(), Some("SHUTTING_DOWN"));
    }
    stopped(server).await;
}
