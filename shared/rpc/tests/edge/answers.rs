//! What leaves when something goes wrong: our codes, our details, and nothing personal.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tonic::{Code, Request};
use tonic_types::StatusExt;
use yinyom_rpc::{ClientConfig, DOMAIN, ServerConfig, connect, reason};

use crate::echo::{CHAT, COUNT, SAY};
use crate::running::{Answer, Running, frame, framed, stream};

fn assert_is(answer: &Answer, code: Code, expected: &str) {
    let status = answer.status();
    assert_eq!(status.code(), code, "{status:?}");
    let info = status.get_details_error_info().expect("every refusal has ErrorInfo");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), (expected, DOMAIN));
    assert!(status.get_details_localized_message().is_some());
    assert!(!answer.holds("somchai"), "personal data left the house");
}

async fn send(server: &Running, path: &str, extra: &[(&str, &str)], body: Bytes) -> Answer {
    let bearer = format!("Bearer {}", server.named("reports"));
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(extra);
    server.post(path, &headers, body).await
}

#[tokio::test]
async fn what_tonic_makes_of_a_bad_message_gets_our_code_and_details() {
    let server = Running::start().await;
    let flagged = Bytes::from_static(&[1, 0, 0, 0, 0]);
    let nonsense = Bytes::from_static(&[9, 0, 0, 0, 0]);
    let cut = frame("somchai").slice(..9);
    let huge = framed(&vec![0; 5 * 1024 * 1024]);
    let not_text = framed(&[0x0a, 2, 0xff, 0xff]);
    for (body, code, reason) in [
        (Bytes::new(), Code::InvalidArgument, "EMPTY_REQUEST"),
        (framed(b"\xff\xff\xff"), Code::InvalidArgument, "MALFORMED_REQUEST"),
        (not_text, Code::InvalidArgument, "MALFORMED_REQUEST"),
        (flagged, Code::InvalidArgument, "MALFORMED_REQUEST"),
        (nonsense, Code::InvalidArgument, "MALFORMED_REQUEST"),
        (cut, Code::InvalidArgument, "MALFORMED_REQUEST"),
        (huge, Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
    ] {
        assert_is(&send(&server, SAY, &[], body).await, code, reason);
    }
    let encoded = send(&server, SAY, &[("grpc-encoding", "br")], frame("hello")).await;
    assert_is(&encoded, Code::Unimplemented, "UNSUPPORTED_ENCODING");
}

#[tokio::test]
async fn a_bad_message_within_a_stream_ends_it_with_our_code() {
    let server = Running::start().await;
    let mut body = frame("hello").to_vec();
    body.extend_from_slice(&framed(b"\xff\xff\xff"));
    let answer = send(&server, CHAT, &[], body.into()).await;
    assert!(answer.holds("service:reports hello"));
    assert_is(&answer, Code::InvalidArgument, "MALFORMED_REQUEST");
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let server = Running::start().await;
    let answer = send(&server, "/yinyom.test.v1.Echo/Shout", &[], frame("hello")).await;
    assert_is(&answer, Code::Unimplemented, "UNKNOWN_METHOD");
}

#[tokio::test]
async fn a_panic_is_internal_and_its_message_stays_here() {
    let server = Running::start().await;
    assert_is(&server.say("panic").await, Code::Internal, "INTERNAL");
    let answer = send(&server, COUNT, &[], frame("panic")).await;
    assert_is(&answer, Code::Internal, "INTERNAL");
    assert_eq!(server.say("still here").await.text(), "still here");
}

#[tokio::test]
async fn a_status_that_a_handler_made_by_hand_keeps_its_text_to_itself() {
    let server = Running::start().await;
    assert_is(&server.say("bare").await, Code::Internal, "INTERNAL");
    let answer = send(&server, COUNT, &[], frame("bare")).await;
    assert_is(&answer, Code::InvalidArgument, "MALFORMED_REQUEST");
}

#[tokio::test]
async fn a_unary_call_ends_at_the_servers_limit() {
    let config = ServerConfig { unary_timeout: Duration::from_millis(50), ..Default::default() };
    let server = Running::with(config, None).await;
    assert_is(&server.say("never").await, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_unary_call_ends_at_the_callers_deadline_before_tonic_says_so_without_details() {
    let server = Running::start().await;
    for timeout in ["0n", "1n", "1m", "3m", "7m", "20m"] {
        let answer = send(&server, SAY, &[("grpc-timeout", timeout)], frame("never")).await;
        assert_is(&answer, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    }
}

#[tokio::test]
async fn no_caller_is_more_patient_than_the_server() {
    let server = Running::start().await;
    let answer = send(&server, SAY, &[("grpc-timeout", "5H")], frame("left")).await;
    assert!(answer.text().parse::<u64>().unwrap() <= 10_000);
}

#[tokio::test]
async fn a_stream_ends_at_its_callers_deadline_and_not_at_the_unary_limit() {
    let config = ServerConfig { unary_timeout: Duration::from_millis(1), ..Default::default() };
    let server = Running::with(config, None).await;
    let answer = send(&server, COUNT, &[("grpc-timeout", "100m")], frame("never")).await;
    assert!(answer.holds("one"));
    assert_is(&answer, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    let connection = connect(&ClientConfig::new(server.endpoint()), server.tokens("reports"));
    let texts = stream(connection.unwrap().for_streams(), Request::new("go".to_owned())).await;
    let texts: Vec<_> = texts.unwrap().map(Result::unwrap).collect().await;
    assert_eq!(texts, ["one", "two"]);
}

#[tokio::test]
async fn a_refusal_speaks_the_callers_language() {
    let server = Running::start().await;
    for (accept, tag, text) in [
        ("th", "th", "ต้องถูกต้อง"),
        ("th-TH,th;q=0.9,en;q=0.8", "th", "ต้องถูกต้อง"),
        ("en;q=0.9,th;q=0.1", "en", "must be right."),
        ("de", "en", "must be right."),
    ] {
        let answer = send(&server, SAY, &[("accept-language", accept)], frame("wrong")).await;
        let status = answer.status();
        let message = status.get_details_localized_message().unwrap();
        assert_eq!(message.locale, tag, "{accept}");
        assert!(message.message.contains(text), "{accept}: {}", message.message);
        assert!(status.message().contains("must be right."), "the message is English for all");
        let fields = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!((fields[0].field.as_str(), fields[0].reason.as_str()), ("text", "NOT_RIGHT"));
    }
    let refused = server.post(SAY, &[("accept-language", "th")], frame("hello")).await.status();
    let message = refused.get_details_localized_message().unwrap();
    assert_eq!(message.message, "คำขอนี้ไม่มีโทเค็นที่ใช้ได้");
}

#[tokio::test]
async fn a_request_id_goes_in_and_comes_out_and_text_is_no_request_id() {
    let server = Running::start().await;
    let id = "0192f0c1-7b1e-7c3a-9d52-3f6f6b0a7e11";
    let answer = send(&server, SAY, &[("x-request-id", id)], frame("id")).await;
    assert_eq!(answer.text(), id);
    assert_eq!(answer.headers["x-request-id"], id);
    let answer = send(&server, SAY, &[("x-request-id", "0812345678")], frame("id")).await;
    assert_eq!(answer.headers["x-request-id"], answer.text());
    assert!(!answer.holds("0812345678"));
    let refused = server.post(SAY, &[], frame("id")).await;
    assert!(refused.headers.contains_key("x-request-id"), "a refusal has one too");
}

#[tokio::test]
async fn a_good_answer_carries_no_reason() {
    let server = Running::start().await;
    let status = server.say("hello").await.status();
    assert_eq!((status.code(), reason(&status)), (Code::Ok, None));
}
