//! Calls from one service to another.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::Code;
use yinyom_identity::TokenSource;
use yinyom_kernel::SystemClock;
use yinyom_rpc::{ClientConfig, ServerConfig, connect, reason};

use crate::echo::SAY;
use crate::running::{Running, ask, frame};

/// A server, and one in front of it whose `relay` calls it.
async fn pair() -> (Running, Running) {
    let back = Running::start().await;
    let peer = connect(&ClientConfig::new(back.endpoint()), back.tokens("reports")).unwrap();
    let front = Running::with(ServerConfig::default(), Some(peer)).await;
    (back, front)
}

#[tokio::test]
async fn a_service_calls_with_its_own_token_and_the_served_calls_id() {
    let (_back, front) = pair().await;
    assert_eq!(front.say("relay who").await.text(), "service:reports");
    let bearer = format!("Bearer {}", front.named("reports"));
    let id = "0192f0c1-7b1e-7c3a-9d52-3f6f6b0a7e11";
    let headers = [("authorization", bearer.as_str()), ("x-request-id", id)];
    assert_eq!(front.post(SAY, &headers, frame("relay id")).await.text(), id);
}

#[tokio::test]
async fn a_call_that_a_call_makes_ends_with_it() {
    let (_back, front) = pair().await;
    let bearer = format!("Bearer {}", front.named("reports"));
    let headers = [("authorization", bearer.as_str()), ("grpc-timeout", "2S")];
    let left = front.post(SAY, &headers, frame("relay left")).await.text();
    assert!(left.parse::<u64>().unwrap() <= 2_000, "{left}");
}

#[tokio::test]
async fn a_call_has_a_deadline_even_if_nobody_set_one() {
    let (back, _front) = pair().await;
    let connection = connect(&ClientConfig::new(back.endpoint()), back.tokens("reports")).unwrap();
    let left = ask(connection, "left").await.unwrap();
    assert!(left.parse::<u64>().unwrap() <= 5_000, "{left}");
}

#[tokio::test]
async fn a_port_that_nobody_serves_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = Running::start().await;
    let connection = connect(&ClientConfig::new(endpoint), server.tokens("reports")).unwrap();
    let status = ask(connection, "hello").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(reason(&status).as_deref(), Some("PEER_UNAVAILABLE"));
}

#[tokio::test]
async fn a_peer_that_takes_the_connection_and_says_nothing_does_not_hold_the_caller() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = ClientConfig::new(format!("http://{}", listener.local_addr().unwrap()));
    config.timeout = Duration::from_millis(50);
    let server = Running::start().await;
    let connection = connect(&config, server.tokens("reports")).unwrap();
    let status = ask(connection, "hello").await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(reason(&status).as_deref(), Some("DEADLINE_EXCEEDED"));
}

#[tokio::test]
async fn without_a_token_no_call_leaves() {
    let server = Running::start().await;
    let nowhere = std::env::temp_dir().join("yinyom-no-such-token");
    let tokens = TokenSource::file(nowhere, Arc::new(SystemClock));
    let connection = connect(&ClientConfig::new(server.endpoint()), tokens).unwrap();
    let status = ask(connection, "hello").await.unwrap_err();
    assert_eq!(reason(&status).as_deref(), Some("SERVICE_TOKEN_UNAVAILABLE"));
}

#[test]
fn what_is_no_endpoint_is_refused_before_any_call() {
    for endpoint in ["", "7071", "/path", "http://", "https://a.example:7071"] {
        let clock = Arc::new(SystemClock);
        let tokens = TokenSource::file("unused", clock);
        assert!(connect(&ClientConfig::new(endpoint), tokens).is_err(), "{endpoint:?}");
    }
}
