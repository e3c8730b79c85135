//! What files hold is followed while the process runs: keys, callers, certificates.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use yinyom_identity::{AuthError, Authenticator, Subject, TokenIssuer, Why};
use yinyom_kernel::{SharedClock, SystemClock};
use yinyom_process::{CallTlsArgs, TlsArgs, TokenArgs, Transport};
use yinyom_rpc::ClientConfig;
use yinyom_testkit::certificates::Authority;

const CALLERS: &str = r#"{"services": [{"name": "reports", "businesses": "*", "rpcs": ["*"]}]}"#;

/// Waits for longer than files go unlooked at: the clock jumps there, since nobody has anything to do meanwhile.
async fn looked_at() {
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(10)).await;
    tokio::time::resume();
}

struct House {
    dir: tempfile::TempDir,
    authenticator: Arc<Authenticator>,
}

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

fn issuer() -> TokenIssuer {
    TokenIssuer::generate("issuer", clock()).unwrap()
}

/// The set of these issuers' keys.
fn jwks(issuers: &[&TokenIssuer]) -> String {
    let keys = |issuer: &TokenIssuer| {
        let set = issuer.jwks().unwrap();
        set.strip_prefix(r#"{"keys":["#).unwrap().strip_suffix("]}").unwrap().to_owned()
    };
    format!(r#"{{"keys":[{}]}}"#, issuers.iter().map(|i| keys(i)).collect::<Vec<_>>().join(","))
}

async fn house(jwks: &str) -> House {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("jwks"), jwks).unwrap();
    fs::write(dir.path().join("callers"), CALLERS).unwrap();
    let args = TokenArgs {
        jwks_file: Some(dir.path().join("jwks")),
        jwks_url: None,
        jwks_ca_file: None,
        issuer: Some("issuer".to_owned()),
        issuers_file: None,
        audience: "yinyom".to_owned(),
        callers_file: dir.path().join("callers"),
    };
    let authenticator = args.authenticator(clock()).await.unwrap();
    House { dir, authenticator }
}

impl House {
    async fn write(&self, file: &str, text: &str) {
        fs::write(self.dir.path().join(file), text).unwrap();
        looked_at().await;
    }

    /// Why a token of `issuer` is refused.
    fn why(&self, issuer: &TokenIssuer) -> Option<Why> {
        let token = issuer.issue(&Subject::named("reports"), "yinyom", Duration::from_mins(5));
        self.why_not(&token.unwrap())
    }

    fn why_not(&self, token: &str) -> Option<Why> {
        let bearer = format!("Bearer {token}");
        let caller = self.authenticator.authenticate([bearer.as_bytes()], None);
        caller.err().map(|AuthError(why)| why)
    }
}

#[tokio::test]
async fn a_key_that_is_added_is_known_and_a_key_that_is_removed_ends_its_tokens_at_once() {
    let (old, new) = (issuer(), issuer());
    let house = house(&jwks(&[&old])).await;
    let token = old.issue(&Subject::named("reports"), "yinyom", Duration::from_mins(5)).unwrap();
    assert_eq!((house.why_not(&token), house.why(&new)), (None, Some(Why::UnknownKey)));
    house.write("jwks", &jwks(&[&old, &new])).await;
    assert_eq!((house.why_not(&token), house.why(&new)), (None, None));
    house.write("jwks", &jwks(&[&new])).await;
    // The very token whose signature was found good before.
    assert_eq!((house.why_not(&token), house.why(&new)), (Some(Why::UnknownKey), None));
}

#[tokio::test]
async fn a_key_set_that_cannot_be_used_leaves_the_old_one_in_force() {
    let (old, new) = (issuer(), issuer());
    let house = house(&jwks(&[&old])).await;
    let half = jwks(&[&new]);
    for broken in ["", "{}", r#"{"keys": []}"#, &half[..half.len() / 2], "\u{0}"] {
        house.write("jwks", broken).await;
        assert_eq!((house.why(&old), house.why(&new)), (None, Some(Why::UnknownKey)), "{broken}");
    }
    fs::remove_file(house.dir.path().join("jwks")).unwrap();
    looked_at().await;
    assert_eq!(house.why(&old), None);
    house.write("jwks", &jwks(&[&new])).await;
    assert_eq!((house.why(&old), house.why(&new)), (Some(Why::UnknownKey), None));
}

#[tokio::test]
async fn who_is_taken_out_of_the_caller_table_is_nobody_and_a_table_that_cannot_be_used_changes_nothing()
 {
    let issuer = issuer();
    let house = house(&jwks(&[&issuer])).await;
    for broken in ["", "{", r#"{"services": [{"name": "reports"}]}"#] {
        house.write("callers", broken).await;
        assert_eq!(house.why(&issuer), None, "{broken}");
    }
    house.write("callers", &CALLERS.replace("reports", "others")).await;
    assert_eq!(house.why(&issuer), Some(Why::UnknownSubject));
    house.write("callers", CALLERS).await;
    assert_eq!(house.why(&issuer), None);
}

/// A directory with certificates, as a platform mounts it: what is in force is behind a link.
struct Mount(tempfile::TempDir);

impl Mount {
    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join("current").join(file)
    }

    /// Swaps the link, so that all files change in one step.
    fn swap(&self, version: &str, fill: impl FnOnce(&Path)) {
        let directory = self.0.path().join(version);
        fs::create_dir(&directory).unwrap();
        fill(&directory);
        let next = self.0.path().join("next");
        std::os::unix::fs::symlink(version, &next).unwrap();
        fs::rename(next, self.0.path().join("current")).unwrap();
    }

    fn fill(&self, version: &str, authority: &Authority) {
        self.swap(version, |directory| {
            authority.certify(&["spiffe://yinyom.example/own"]).write(directory, "tls");
            fs::write(directory.join("ca.crt"), authority.pem()).unwrap();
        });
    }

    fn calls(&self) -> CallTlsArgs {
        CallTlsArgs {
            tls_certificate_file: Some(self.path("tls.crt")),
            tls_key_file: Some(self.path("tls.key")),
            tls_ca_file: Some(self.path("ca.crt")),
            insecure_plaintext: false,
        }
    }
}

fn mount(authority: &Authority) -> Mount {
    let mount = Mount(tempfile::tempdir().unwrap());
    mount.fill("1", authority);
    mount
}

async fn answers(transport: &Transport, endpoint: &str) -> bool {
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    let channel = transport.channel(&ClientConfig::new(endpoint)).unwrap();
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.is_ok()
}

/// Both ends have their certificates from files; first one end's are swapped, then the other's.
#[tokio::test]
async fn certificates_that_are_swapped_are_shown_and_trusted_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let (at_port, at_client) = (mount(&old), mount(&old));
    let port = TlsArgs {
        calls: at_port.calls(),
        tls_client_ca_file: Some(at_port.path("ca.crt")),
        tls_client_authentication: None,
    };
    let port = port.open().unwrap();
    let (incoming, address) = port.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (_, health) = tonic_health::server::health_reporter();
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let router = tonic::transport::Server::builder().add_service(health);
    let served = tokio::spawn(router.serve_with_incoming_shutdown(incoming, stopped));
    let endpoint = format!("https://{address}");
    let client = at_client.calls().open().unwrap();
    assert!(answers(&client, &endpoint).await);
    // A pair that does not fit changes nothing; what comes after it does.
    at_port.swap("broken", |directory| {
        new.certify(&[]).write(directory, "tls");
        new.certify(&[]).write(directory, "other");
        fs::rename(directory.join("other.key"), directory.join("tls.key")).unwrap();
        fs::write(directory.join("ca.crt"), new.pem()).unwrap();
    });
    looked_at().await;
    assert!(answers(&client, &endpoint).await);
    at_port.fill("2", &new);
    looked_at().await;
    assert!(!answers(&client, &endpoint).await);
    at_client.fill("2", &new);
    looked_at().await;
    assert!(answers(&client, &endpoint).await);
    stop.cancel();
    served.await.unwrap().unwrap();
}
