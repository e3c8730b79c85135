//! Whose token may come over whose connection.

use bytes::Bytes;
use tokio::net::TcpListener;
use tonic::Code;
use yinyom_identity::SpiffeId;
use yinyom_kernel::MemberId;
use yinyom_rpc::{Incoming, ServerConfig, Wire, accept, reason};

use crate::echo::{COUNT, SAY};
use crate::running::{Answer, Running, frame};

const DIRECTORY: &str = "spiffe://yinyom.example/ns/crm/sa/contact-directory";
const MANAGER: &str = "spiffe://yinyom.example/ns/crm/sa/consent-manager";

/// `tools` is known by its token alone.
const CALLERS: &str = r#"{
    "services": [
        {"name": "contact-directory", "businesses": "*", "rpcs": ["/yinyom.test.v1.Echo/Say"],
            "spiffe_ids": ["spiffe://yinyom.example/ns/crm/sa/contact-directory"]},
        {"name": "consent-manager", "businesses": "*", "rpcs": ["/yinyom.test.v1.Echo/Count"],
            "spiffe_ids": ["spiffe://yinyom.example/ns/crm/sa/consent-manager"]},
        {"name": "tools", "businesses": "*", "rpcs": ["*"]}
    ],
    "operators": ["vendor", {"name": "billing", "spiffe_ids": ["spiffe://yinyom.example/ns/crm/sa/billing"]}]
}"#;

/// A server all of whose connections have `peer` at the other end.
async fn with_peer(peer: Option<&str>) -> Running {
    let peer: Option<SpiffeId> = peer.map(|id| id.parse().unwrap());
    let incoming = move |listener: TcpListener| {
        Incoming::new(futures::stream::unfold(listener, move |listener| {
            let peer = peer.clone();
            async move { Some((Wire::new(accept(&listener).await, peer), listener)) }
        }))
    };
    Running::over(CALLERS, ServerConfig::default(), None, incoming).await
}

async fn call(server: &Running, token: &str, path: &str, text: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    server.post(path, &[("authorization", &bearer)], frame(text)).await
}

#[tokio::test]
async fn a_services_token_is_good_over_its_own_workloads_connection() {
    let server = with_peer(Some(DIRECTORY)).await;
    let token = server.named("contact-directory");
    assert_eq!(call(&server, &token, SAY, "who").await.text(), "service:contact-directory");
    assert_eq!(call(&server, &token, SAY, "peer").await.text(), DIRECTORY);
}

#[tokio::test]
async fn over_anothers_or_nobodys_it_is_no_token_and_the_answer_tells_nothing_more() {
    for peer in [Some(MANAGER), None] {
        let server = with_peer(peer).await;
        let none = server.post(SAY, &[], frame("who")).await.status();
        assert_eq!(none.code(), Code::Unauthenticated);
        let token = server.named("contact-directory");
        for path in [SAY, COUNT] {
            let status = call(&server, &token, path, "who").await.status();
            assert_eq!(status.code(), none.code(), "{peer:?}");
            assert_eq!(status.message(), none.message());
            assert_eq!(status.details(), none.details());
        }
    }
}

/// Each of the two may call one of the two methods, and from its own workload only.
#[tokio::test]
async fn workload_token_and_method_are_admitted_together_or_not_at_all() {
    for peer in [DIRECTORY, MANAGER] {
        let server = with_peer(Some(peer)).await;
        for (name, own) in [("contact-directory", DIRECTORY), ("consent-manager", MANAGER)] {
            for (path, of) in [(SAY, DIRECTORY), (COUNT, MANAGER)] {
                let status = call(&server, &server.named(name), path, "1").await.status();
                let expected = match (peer == own, own == of) {
                    (false, _) => Some("UNAUTHENTICATED"),
                    (true, false) => Some("RPC_NOT_ALLOWED"),
                    (true, true) => None,
                };
                assert_eq!(reason(&status).as_deref(), expected, "{name} from {peer} at {path}");
            }
        }
    }
}

/// No operator may call the methods here, so one who is recognised hears just that.
#[tokio::test]
async fn an_operator_that_is_bound_to_a_workload_is_one_over_its_connection_alone() {
    for (peer, of_billing) in [
        (Some("spiffe://yinyom.example/ns/crm/sa/billing"), "RPC_NOT_ALLOWED"),
        (Some(MANAGER), "UNAUTHENTICATED"),
        (None, "UNAUTHENTICATED"),
    ] {
        let server = with_peer(peer).await;
        for (name, expected) in [("billing", of_billing), ("vendor", "RPC_NOT_ALLOWED")] {
            let status = call(&server, &server.named(name), SAY, "who").await.status();
            assert_eq!(reason(&status).as_deref(), Some(expected), "{name} from {peer:?}");
        }
    }
}

#[tokio::test]
async fn who_lists_no_workloads_and_who_is_no_service_calls_from_anywhere() {
    for peer in [Some(MANAGER), None] {
        let server = with_peer(peer).await;
        assert_eq!(call(&server, &server.named("tools"), SAY, "who").await.text(), "service:tools");
        let member = MemberId::generate();
        let heard = call(&server, &server.member(member), SAY, "who").await.text();
        assert_eq!(heard, format!("member:{member}"));
        assert_eq!(
            call(&server, &server.named("tools"), SAY, "peer").await.text(),
            peer.unwrap_or("")
        );
        let health = server.post("/grpc.health.v1.Health/Check", &[], Bytes::from_static(&[0; 5]));
        assert_eq!(health.await.status().code(), Code::Ok);
    }
}
