//! A service starts before its database does, or with a wrong address.

use std::time::Duration;

use consent_settings::MIGRATIONS;
use tokio::net::TcpListener;
use tonic::transport::Endpoint;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use yinyom_db::{Db, OpenError};
use yinyom_rpc::{Incoming, stand_by};
use yinyom_tests::{OwnPostgres, Stop, refusal};

use super::{PASSWORD, SESSIONS, USER, config, make_database, make_user};

/// Meanwhile the port answers: it is not serving, and it says so.
#[tokio::test]
async fn a_server_that_is_not_up_yet_is_waited_for() {
    let server = OwnPostgres::start(SESSIONS);
    make_user(&server).await;
    let database = make_database(&server, "settings").await;
    server.stop(Stop::Fast);
    let at_once = Db::connect(&database, &MIGRATIONS).await;
    assert!(matches!(at_once, Err(OpenError::Db(_))), "{at_once:?}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let opening = tokio::spawn(async move {
        let opening = Db::connect_patiently(&database, &MIGRATIONS);
        stand_by(Incoming::from(listener), opening).await.1.map(|db| db.is_postgres())
    });
    let channel = Endpoint::from_shared(endpoint).unwrap().timeout(Duration::from_secs(5));
    let channel = channel.connect().await.unwrap();
    let health = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await;
    assert_eq!(health.unwrap().into_inner().status, ServingStatus::NotServing as i32);
    let mut settings =
        yinyom_proto::settings::v1::policy_service_client::PolicyServiceClient::new(channel);
    let refused =
        settings.get_policy(yinyom_proto::settings::v1::GetPolicyRequest::default()).await;
    let (code, reason, _) = refusal(&refused.unwrap_err());
    assert_eq!((code, &*reason), (tonic::Code::Unavailable, "STARTING"));
    server.start_again();
    assert!(opening.await.unwrap().unwrap());
}

#[tokio::test]
async fn an_address_that_is_wrong_is_said_to_be_at_once() {
    let server = OwnPostgres::start(SESSIONS);
    make_user(&server).await;
    for wrong in [
        server.url_of("nobody", "secret", "postgres"),
        server.url_of(USER, "secret", "postgres"),
        server.url_of(USER, PASSWORD, "elsewhere"),
    ] {
        let refused = Db::connect_patiently(&config(wrong), &MIGRATIONS).await;
        let error = refused.expect_err("nobody gets in there");
        assert!(matches!(error, OpenError::Refused(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}
