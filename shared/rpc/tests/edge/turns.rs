//! Who is worked on, and who waits for its turn.

use std::time::Duration;

use tonic::Code;
use yinyom_rpc::ServerConfig;

use crate::echo::COUNT;
use crate::running::{Running, frame};

async fn one_at_a_time() -> Running {
    Running::with(ServerConfig { max_busy_calls: 1, ..ServerConfig::default() }, None).await
}

#[tokio::test]
async fn a_call_waits_for_its_turn_and_is_told_to_come_again_if_it_does_not_come() {
    let server = one_at_a_time().await;
    let working = server.say("wait");
    let meanwhile = async {
        server.levers.waiting.notified().await;
        let told = server.say("hello").await.status();
        assert_eq!(told.code(), Code::ResourceExhausted, "{told:?}");
        assert_eq!(yinyom_rpc::reason(&told).as_deref(), Some("OVERLOADED"));
        server.levers.release.notify_one();
    };
    let (worked, ()) = tokio::join!(working, meanwhile);
    assert_eq!(worked.text(), "released");
    assert_eq!(server.say("hello").await.text(), "hello");
}

#[tokio::test]
async fn a_stream_takes_no_turn_and_neither_does_health() {
    let server = one_at_a_time().await;
    let token = server.named("reports");
    let bearer = format!("Bearer {token}");
    let stream = server.open(COUNT, &[("authorization", &bearer)], frame("never")).await;
    assert_eq!(server.say("hello").await.text(), "hello");
    let working = server.say("wait");
    let meanwhile = async {
        server.levers.waiting.notified().await;
        let probe = bytes::Bytes::from_static(&[0, 0, 0, 0, 0]);
        let health = server.post("/grpc.health.v1.Health/Check", &[], probe).await;
        assert_eq!(health.status().code(), Code::Ok);
        server.levers.release.notify_one();
    };
    let (worked, ()) = tokio::join!(working, meanwhile);
    assert_eq!(worked.text(), "released");
    drop(stream);
}

#[tokio::test]
async fn who_gives_up_leaves_its_turn_to_others() {
    let server = one_at_a_time().await;
    let working = server.say("wait");
    tokio::select! {
        _ = working => unreachable!("nobody has released it"),
        () = server.levers.waiting.notified() => {}
    }
    let again = async { while server.say("hello").await.status().code() != Code::Ok {} };
    tokio::time::timeout(Duration::from_secs(30), again).await.expect("its turn has ended");
}
