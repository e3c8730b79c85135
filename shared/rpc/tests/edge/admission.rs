//! Calls under way are counted, on the server and for a business, to the end of their answers.

use std::time::Duration;

use bytes::Bytes;
use tonic::Code;
use tonic_types::StatusExt;
use yinyom_kernel::{BusinessId, MemberId};
use yinyom_rpc::{DOMAIN, Rate, ServerConfig};

use crate::echo::{COUNT, SAY};
use crate::running::{Answer, Running, frame};

/// No machine is that slow.
const PATIENCE: Duration = Duration::from_secs(30);

fn assert_refused(answer: &Answer, reason: &str) {
    let status = answer.status();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let info = status.get_details_error_info().expect("every refusal has ErrorInfo");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, DOMAIN));
    let retry = status.get_details_retry_info().expect("says when to come again");
    assert!(retry.retry_delay.unwrap() > Duration::ZERO);
}

async fn as_caller(server: &Running, token: &str, path: &str, text: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    server.post(path, &[("authorization", &bearer)], frame(text)).await
}

/// A stream whose head is here and whose body nobody reads.
async fn unread(server: &Running, token: &str) -> http::Response<hyper::body::Incoming> {
    let bearer = format!("Bearer {token}");
    server.open(COUNT, &[("authorization", &bearer)], frame("never")).await
}

/// Asks until there is a place again.
async fn served_again(server: &Running, token: &str) {
    let begun = tokio::time::Instant::now();
    loop {
        let status = as_caller(server, token, SAY, "hello").await.status();
        if status.code() == Code::Ok {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "a call that ended leaves its place: {status:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_full_server_refuses_at_once_and_health_answers_all_the_same() {
    let config = ServerConfig { max_calls: 1, ..ServerConfig::default() };
    let server = Running::with(config, None).await;
    let waiting = server.say("wait");
    let meanwhile = async {
        server.levers.waiting.notified().await;
        assert_refused(&server.say("hello").await, "OVERLOADED");
        // Before the token is looked at: that is work too.
        assert_refused(&server.post(SAY, &[], frame("hello")).await, "OVERLOADED");
        let probe = Bytes::from_static(&[0, 0, 0, 0, 0]);
        let health = server.post("/grpc.health.v1.Health/Check", &[], probe).await;
        assert_eq!(health.status().code(), Code::Ok);
        server.levers.release.notify_one();
    };
    let (waited, ()) = tokio::join!(waiting, meanwhile);
    assert_eq!(waited.text(), "released");
    served_again(&server, &server.named("reports")).await;
}

#[tokio::test]
async fn a_call_counts_until_its_answer_was_read_or_dropped() {
    let config = ServerConfig { max_calls: 1, ..ServerConfig::default() };
    let server = Running::with(config, None).await;
    let reports = server.named("reports");
    let slow = unread(&server, &reports).await;
    assert_refused(&server.say("hello").await, "OVERLOADED");
    drop(slow);
    served_again(&server, &reports).await;
}

#[tokio::test]
async fn a_business_in_a_rush_is_refused_and_others_are_served() {
    let config = ServerConfig { max_calls_per_business: 1, ..ServerConfig::default() };
    let server = Running::with(config, None).await;
    let busy = BusinessId::generate();
    let (one, other) = (
        server.member_of(busy, MemberId::generate()),
        server.member_of(busy, MemberId::generate()),
    );
    let slow = unread(&server, &one).await;
    assert_refused(&as_caller(&server, &other, SAY, "hello").await, "BUSINESS_OVERLOADED");
    let elsewhere = server.member(MemberId::generate());
    assert_eq!(as_caller(&server, &elsewhere, SAY, "hello").await.text(), "hello");
    assert_eq!(server.say("hello").await.text(), "hello");
    drop(slow);
    served_again(&server, &other).await;
}

#[tokio::test]
async fn calls_that_fail_panic_or_time_out_leave_their_places() {
    let limit = Duration::from_millis(500);
    let config = ServerConfig { max_calls: 1, unary_timeout: limit, ..ServerConfig::default() };
    let server = Running::with(config, None).await;
    let reports = server.named("reports");
    for text in ["panic", "wrong", "bare", "never"] {
        let answer = server.say(text).await;
        assert_ne!(answer.status().code(), Code::ResourceExhausted, "{text}");
        served_again(&server, &reports).await;
    }
    let stranger = server.post(SAY, &[], frame("hello")).await;
    assert_eq!(stranger.status().code(), Code::Unauthenticated);
    served_again(&server, &reports).await;
}

#[tokio::test]
async fn a_business_that_calls_too_often_is_refused_and_others_are_served() {
    let rate_per_business = Rate::new(1, 2);
    let config = ServerConfig { rate_per_business, ..ServerConfig::default() };
    let server = Running::with(config, None).await;
    let busy = BusinessId::generate();
    let ask = async |business| {
        let token = server.member_of(business, MemberId::generate());
        as_caller(&server, &token, SAY, "hello").await
    };
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(ask(busy).await);
    }
    assert_eq!(answers[0].text(), "hello");
    let refused: Vec<_> =
        answers.iter().filter(|answer| answer.status().code() != Code::Ok).collect();
    assert!(!refused.is_empty());
    for answer in refused {
        assert_refused(answer, "BUSINESS_RATE_LIMITED");
    }
    assert_eq!(ask(BusinessId::generate()).await.text(), "hello");
    assert_eq!(server.say("hello").await.text(), "hello", "a service is of no business");
}

#[tokio::test]
async fn a_server_that_is_called_too_often_refuses_before_it_looks_at_tokens() {
    let config = ServerConfig { rate: Rate::new(1, 1), ..ServerConfig::default() };
    let server = Running::with(config, None).await;
    let mut refused = 0;
    for _ in 0..20 {
        let answer = server.post(SAY, &[], frame("hello")).await;
        if answer.status().code() != Code::Unauthenticated {
            assert_refused(&answer, "RATE_LIMITED");
            refused += 1;
        }
    }
    assert!(refused > 0);
}
