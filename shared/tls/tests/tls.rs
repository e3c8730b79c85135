//! Two ends over real connections: who is let in, as whom, and what becomes of certificates that change.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod house;

use std::sync::Arc;
use std::time::Duration;

use house::{CLIENT, House, OTHER, hello, peer_of, refused, tls_of};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use yinyom_identity::{TokenIssuer, TokenSource};
use yinyom_kernel::SystemClock;
use yinyom_rpc::ClientConfig;
use yinyom_testkit::certificates::Authority;
use yinyom_tls::{ClientAuthentication, HandshakeLimits, Identity, TlsError, Trust};

#[tokio::test]
async fn a_workload_is_known_by_its_certificate() {
    let authority = Authority::new();
    let house = House::start(&authority, "required").await;
    let client = tls_of(&authority, Some(&authority.certify(&[CLIENT])));
    assert_eq!(peer_of(&house, &client).await.as_deref(), Some(CLIENT));
}

#[tokio::test]
async fn without_a_certificate_of_the_right_authority_nobody_is_let_in_where_one_is_required() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let house = House::start(&authority, "required").await;
    refused(&house, &tls_of(&authority, None)).await;
    refused(&house, &tls_of(&authority, Some(&stranger.certify(&[CLIENT])))).await;
}

#[tokio::test]
async fn where_it_is_optional_nobody_is_somebody_without_one_and_a_bad_one_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let house = House::start(&authority, "optional").await;
    assert_eq!(peer_of(&house, &tls_of(&authority, None)).await, None);
    let client = tls_of(&authority, Some(&authority.certify(&[CLIENT])));
    assert_eq!(peer_of(&house, &client).await.as_deref(), Some(CLIENT));
    refused(&house, &tls_of(&authority, Some(&stranger.certify(&[CLIENT])))).await;
}

#[tokio::test]
async fn where_none_is_asked_for_a_certificate_makes_nobody_somebody() {
    let authority = Authority::new();
    let house = House::start(&authority, "none").await;
    let client = tls_of(&authority, Some(&authority.certify(&[CLIENT])));
    assert_eq!(peer_of(&house, &client).await, None);
}

#[tokio::test]
async fn a_certificate_that_names_two_workloads_or_something_else_names_none() {
    let authority = Authority::new();
    let house = House::start(&authority, "required").await;
    for uris in
        [&[][..], &[CLIENT, OTHER], &[CLIENT, "https://crm.example"], &["https://crm.example"]]
    {
        let client = tls_of(&authority, Some(&authority.certify(uris)));
        assert_eq!(peer_of(&house, &client).await, None, "{uris:?}");
    }
}

#[tokio::test]
async fn a_port_that_another_authority_vouches_for_is_not_called() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let house = House::start(&authority, "none").await;
    refused(&house, &tls_of(&stranger, None)).await;
}

/// By its name, and where it is: a call to one replica never arrives at another one.
#[tokio::test]
async fn each_replica_is_called_where_it_is() {
    let authority = Authority::new();
    let houses = [House::start(&authority, "none").await, House::start(&authority, "none").await];
    let places = houses.each_ref().map(|house| house.address.to_string()).join(",");
    let issuer = TokenIssuer::generate("tests", Arc::new(SystemClock)).unwrap();
    let tokens = TokenSource::issuer(Arc::new(issuer), "tests", "tests");
    let config = ClientConfig::new(format!("https://{places}"));
    let mut calls = HealthClient::new(tls_of(&authority, None).connect(&config, tokens).unwrap());
    let both = async {
        while houses.iter().any(|house| house.calls() == 0) {
            calls.check(HealthCheckRequest::default()).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
}

#[tokio::test]
async fn new_certificates_and_authorities_count_from_the_next_connection_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let house = House::start(&old, "required").await;
    let client = tls_of(&old, Some(&old.certify(&[CLIENT])));
    let standing = house.channel(&client);
    hello(&standing).await.unwrap();
    let identity = identity(&new);
    let clients = ClientAuthentication::Required(Trust::from_pem(new.pem().as_bytes()).unwrap());
    house.tls.replace(identity, clients).unwrap();
    hello(&standing).await.expect("a connection that stands goes on");
    refused(&house, &client).await;
    refused(&house, &tls_of(&new, Some(&old.certify(&[CLIENT])))).await;
    // The other end takes its new ones without a new client.
    let fresh = new.certify(&[OTHER]);
    let fresh = Identity::from_pem(fresh.certificate.as_bytes(), fresh.key.as_bytes()).unwrap();
    client.replace(Trust::from_pem(new.pem().as_bytes()).unwrap(), Some(fresh)).unwrap();
    assert_eq!(peer_of(&house, &client).await.as_deref(), Some(OTHER));
}

#[tokio::test]
async fn a_client_that_calls_again_and_again_takes_new_certificates_when_its_connection_breaks() {
    let (old, new) = (Authority::new(), Authority::new());
    let house = House::start(&old, "required").await;
    let client = tls_of(&old, Some(&old.certify(&[CLIENT])));
    let channel = house.channel(&client);
    hello(&channel).await.unwrap();
    let address = house.address;
    house.stop().await;
    let house = House::start_at(address, &new, "required").await;
    hello(&channel).await.expect_err("it trusts the old authority only");
    let fresh = new.certify(&[CLIENT]);
    let fresh = Identity::from_pem(fresh.certificate.as_bytes(), fresh.key.as_bytes()).unwrap();
    client.replace(Trust::from_pem(new.pem().as_bytes()).unwrap(), Some(fresh)).unwrap();
    hello(&channel).await.unwrap();
    house.stop().await;
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let authority = Authority::new();
    let (one, two) = (authority.certify(&[]), authority.certify(&[]));
    let of = |certificate: &str, key: &str| {
        Identity::from_pem(certificate.as_bytes(), key.as_bytes()).map(drop)
    };
    assert!(of(&one.certificate, &one.key).is_ok());
    assert!(matches!(of(&one.certificate, &two.key), Err(TlsError::KeyMismatch)));
    assert!(matches!(of("", &one.key), Err(TlsError::NoCertificate)));
    assert!(matches!(of(&one.key, &one.key), Err(TlsError::NoCertificate)));
    assert!(matches!(of(&one.certificate, ""), Err(TlsError::NoKey)));
    assert!(matches!(of(&one.certificate, &one.certificate), Err(TlsError::NoKey)));
    let half = &one.certificate[..one.certificate.len() / 2];
    assert!(matches!(of(half, &one.key), Err(TlsError::NoCertificate)));
    assert!(matches!(Trust::from_pem(b"").map(drop), Err(TlsError::NoAuthority)));
    assert!(matches!(Trust::from_pem(one.key.as_bytes()).map(drop), Err(TlsError::NoAuthority)));
}

/// More silent peers than may shake hands at a time; each has far more time than this test.
#[tokio::test]
async fn who_opens_connections_and_says_nothing_holds_up_nobody() {
    let authority = Authority::new();
    let limits = HandshakeLimits { time: Duration::from_hours(1), at_a_time: 4 };
    let house = House::with(&authority, "none", limits).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(house.address).await.unwrap());
        let mut slow = TcpStream::connect(house.address).await.unwrap();
        slow.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
        silent.push(slow);
    }
    hello(&house.channel(&tls_of(&authority, None))).await.unwrap();
    // The first of them were sent away for the later ones.
    assert_eq!(silent[0].read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_handshake_has_a_limit_of_time() {
    let authority = Authority::new();
    let limits = HandshakeLimits { time: Duration::from_millis(20), at_a_time: 100 };
    let house = House::with(&authority, "none", limits).await;
    let mut silent = TcpStream::connect(house.address).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(10), silent.read(&mut [0])).await;
    assert_eq!(read.expect("it is sent away").unwrap_or(0), 0);
}

#[tokio::test]
async fn plain_text_gets_no_answer_and_no_harm_is_done() {
    let authority = Authority::new();
    let house = House::start(&authority, "none").await;
    let plain = ClientConfig::new(format!("http://{}", house.address));
    hello(&yinyom_rpc::channel(&plain).unwrap()).await.unwrap_err();
    hello(&house.channel(&tls_of(&authority, None))).await.unwrap();
}

#[tokio::test]
async fn tls_1_2_will_do_and_1_3_is_taken_where_it_can_be() {
    let authority = Authority::new();
    let house = House::start(&authority, "none").await;
    for (versions, expected) in [
        (&[&rustls::version::TLS12][..], rustls::ProtocolVersion::TLSv1_2),
        (&[&rustls::version::TLS12, &rustls::version::TLS13], rustls::ProtocolVersion::TLSv1_3),
    ] {
        let mut roots = rustls::RootCertStore::empty();
        let pem = authority.pem().as_bytes();
        let certificate = rustls::pki_types::pem::PemObject::from_pem_slice(pem).unwrap();
        roots.add(certificate).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(house.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.unwrap();
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(expected));
        assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
    }
}

fn identity(authority: &Authority) -> Identity {
    let made = authority.certify(&[]);
    Identity::from_pem(made.certificate.as_bytes(), made.key.as_bytes()).unwrap()
}
