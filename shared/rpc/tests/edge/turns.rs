//! Who is worked on, and who waits for its turn.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use tonic::Code;
use yinyom_rpc::ServerConfig;
use yinyom_telemetry::{TelemetryConfig, init_to};

use crate::echo::COUNT;
use crate::running::{Running, frame};

/// More than the log names of those who are turned away at once.
const RUSH: usize = 100;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

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

/// The first time they wait in vain, the second time they are told so when they come: by then a turn is known to be long.
#[tokio::test]
async fn those_who_are_turned_away_fill_no_log() {
    let log = Log::default();
    let to = log.clone();
    let _telemetry = init_to(&TelemetryConfig::new("test"), move || to.clone()).unwrap();
    let server = one_at_a_time().await;
    for _ in 0..2 {
        log.0.lock().unwrap().clear();
        let working = server.say("wait");
        let meanwhile = async {
            server.levers.waiting.notified().await;
            assert_eq!(server.say("hello").await.status().code(), Code::ResourceExhausted);
            for told in join_all((0..RUSH).map(|_| server.say("hello"))).await {
                let told = told.status();
                assert_eq!(told.code(), Code::ResourceExhausted);
                assert_eq!(yinyom_rpc::reason(&told).as_deref(), Some("OVERLOADED"));
            }
            server.levers.release.notify_one();
        };
        tokio::join!(working, meanwhile);
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let named: Vec<_> = log.lines().filter(|line| line.contains("ResourceExhausted")).collect();
        let number = named.len();
        assert!(
            (1..RUSH).contains(&number),
            "some are named, for whoever looks for them: {number}"
        );
        assert!(named.iter().all(|line| line.contains("request_id")), "{named:?}");
    }
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
