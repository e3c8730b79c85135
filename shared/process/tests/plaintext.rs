//! Plain text stays on loopback, and flags that do not fit together are refused in a sentence.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::Arc;

use yinyom_identity::TokenSource;
use yinyom_kernel::SystemClock;
use yinyom_process::{CallTlsArgs, ConfigError, Demand, TlsArgs, Transport};
use yinyom_testkit::certificates::Authority;

const BEYOND: [&str; 5] =
    ["0.0.0.0:0", "192.0.2.1:7071", "[::]:0", "[2001:db8::1]:7071", "[::ffff:192.0.2.1]:7071"];

fn transport(insecure: bool) -> Transport {
    CallTlsArgs { insecure_plaintext: insecure, ..CallTlsArgs::default() }.open().unwrap()
}

fn tokens() -> TokenSource {
    TokenSource::file("unused", Arc::new(SystemClock))
}

#[tokio::test]
async fn a_port_beyond_loopback_is_not_served_in_plain_text() {
    for address in BEYOND.map(|address| address.parse::<SocketAddr>().unwrap()) {
        let refused = transport(false).listen(address).await.err().expect("it is refused");
        assert!(matches!(refused, ConfigError::PlaintextPort(_)), "{refused}");
        let said = refused.to_string();
        assert!(said.contains("--insecure-plaintext") && said.contains("--tls-certificate-file"));
    }
    for address in ["127.0.0.1:0", "127.1.2.3:0"] {
        assert!(transport(false).listen(address.parse().unwrap()).await.is_ok(), "{address}");
    }
    for address in ["[::1]:7071", "[::ffff:127.0.0.1]:7071"] {
        assert!(transport(false).admit(address.parse().unwrap()).is_ok(), "{address}");
    }
}

#[tokio::test]
async fn who_insists_is_served() {
    assert!(transport(true).listen("0.0.0.0:0".parse().unwrap()).await.is_ok());
}

#[tokio::test]
async fn nobody_beyond_loopback_is_called_in_plain_text() {
    for endpoint in [
        "http://192.0.2.1:7071",
        "http://settings:7071",
        "http://localhost.example:7071",
        "http://127.0.0.1.example:7071",
        "http://127.0.0.1@192.0.2.1:7071",
        "http://[2001:db8::1]:7071",
    ] {
        let refused = transport(false).connect(endpoint, tokens()).err().expect(endpoint);
        assert!(matches!(refused, ConfigError::PlaintextCall(_)), "{endpoint}: {refused}");
        assert!(transport(true).connect(endpoint, tokens()).is_ok(), "{endpoint}");
    }
    for endpoint in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"] {
        assert!(transport(false).connect(endpoint, tokens()).is_ok(), "{endpoint}");
    }
}

#[tokio::test]
async fn https_says_whom_it_trusts() {
    for insecure in [false, true] {
        let refused = transport(insecure).connect("https://settings:7071", tokens()).err();
        assert!(matches!(refused, Some(ConfigError::TrustsNobody(_))));
    }
}

/// Every combination of the files and demands that a port may have; `insist` stands for nothing here.
#[tokio::test]
async fn flags_fit_together_or_are_refused() {
    let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
    let (certificate, key) = authority.certify(&[]).write(dir.path(), "tls");
    let ca = dir.path().join("ca.crt");
    std::fs::write(&ca, authority.pem()).unwrap();
    for bits in 0..8 {
        let given = |bit, file: &std::path::Path| (bits & bit != 0).then(|| file.to_owned());
        for demand in [None, Some(Demand::None), Some(Demand::Optional), Some(Demand::Required)] {
            let args = TlsArgs {
                calls: CallTlsArgs {
                    tls_certificate_file: given(1, &certificate),
                    tls_key_file: given(2, &key),
                    ..CallTlsArgs::default()
                },
                tls_client_ca_file: given(4, &ca),
                tls_client_authentication: demand,
            };
            let (pair, authorities) = (bits & 3, bits & 4 != 0);
            let asks = matches!(demand, Some(Demand::Optional | Demand::Required));
            let opened = args.open();
            match (pair, authorities) {
                (1 | 2, _) => assert!(matches!(opened, Err(ConfigError::HalfAnIdentity))),
                (_, false) if asks => {
                    assert!(matches!(opened, Err(ConfigError::NoClientAuthorities)));
                }
                (_, true) if demand == Some(Demand::None) => {
                    assert!(matches!(opened, Err(ConfigError::AuthoritiesForNobody)));
                }
                (0, true) => assert!(matches!(opened, Err(ConfigError::ClientsOfNoTls))),
                (pair, _) => assert_eq!(opened.unwrap().serves_tls(), pair == 3),
            }
        }
    }
}

#[tokio::test]
async fn with_tls_a_port_is_served_anywhere() {
    let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
    let (certificate, key) = authority.certify(&[]).write(dir.path(), "tls");
    let args = TlsArgs {
        calls: CallTlsArgs {
            tls_certificate_file: Some(certificate),
            tls_key_file: Some(key),
            ..CallTlsArgs::default()
        },
        ..TlsArgs::default()
    };
    let transport = args.open().unwrap();
    for address in BEYOND.map(|address| address.parse::<SocketAddr>().unwrap()) {
        assert!(transport.admit(address).is_ok());
    }
    assert!(transport.listen("0.0.0.0:0".parse().unwrap()).await.is_ok());
}
