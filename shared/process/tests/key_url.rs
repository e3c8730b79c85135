//! A key set that comes from a server: what is taken, what is not, and how often it is asked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use yinyom_identity::{
    Authenticator, CallerTable, Subject, TokenIssuer, TokenVerifier, VouchesFor,
};
use yinyom_kernel::{SharedClock, SystemClock};
use yinyom_process::{KeyUrl, KeyUrlError, KeyUrlLimits};
use yinyom_testkit::certificates::Authority;
use yinyom_tls::{ClientTls, Trust};

const CALLERS: &str = r#"{"services": [{"name": "reports", "businesses": "*", "rpcs": ["*"]}]}"#;

/// Answers every request with the bytes that it has.
struct Provider {
    url: String,
    answer: Arc<ArcSwap<String>>,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let (answer, asked) = (Arc::new(ArcSwap::from_pointee(answer)), Arc::default());
        let provider = Self { url, answer, asked };
        let (answer, asked) = (Arc::clone(&provider.answer), Arc::clone(&provider.asked));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                asked.fetch_add(1, Ordering::SeqCst);
                let answer = answer.load_full();
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                    if answer.is_empty() {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        provider
    }

    fn answers(&self, answer: String) {
        self.answer.store(Arc::new(answer));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

fn issuer() -> TokenIssuer {
    TokenIssuer::generate("issuer", clock()).unwrap()
}

fn url_of(url: &str, limits: KeyUrlLimits) -> Result<KeyUrl, KeyUrlError> {
    let trust = Trust::from_pem(Authority::new().pem().as_bytes()).unwrap();
    KeyUrl::new(url, &ClientTls::new(trust, None).unwrap(), limits)
}

/// Looks again when it is told to, at once, and hardly ever otherwise.
fn eager() -> KeyUrlLimits {
    KeyUrlLimits {
        every: Duration::from_hours(1),
        between: Duration::from_millis(1),
        ..KeyUrlLimits::default()
    }
}

async fn watched(provider: &Provider, limits: KeyUrlLimits) -> Arc<Authenticator> {
    let url = url_of(&provider.url, limits).unwrap();
    let jwks = url.fetch().await.unwrap();
    let verifier = Arc::new(TokenVerifier::new(&jwks, "issuer", "yinyom", clock()).unwrap());
    let callers = CallerTable::parse(CALLERS).unwrap();
    let authenticator =
        Arc::new(Authenticator::of([(Arc::clone(&verifier), VouchesFor::Everybody)], callers));
    url.watch(&verifier, jwks);
    authenticator
}

fn knows(authenticator: &Authenticator, issuer: &TokenIssuer) -> bool {
    let token = issuer.issue(&Subject::named("reports"), "yinyom", Duration::from_mins(5));
    let bearer = format!("Bearer {}", token.unwrap());
    authenticator.authenticate([bearer.as_bytes()], None).is_ok()
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waited).await.expect(what);
}

#[tokio::test]
async fn a_token_of_a_new_key_makes_the_set_be_fetched_at_once() {
    let (old, new) = (issuer(), issuer());
    let provider = Provider::start(ok(&old.jwks().unwrap())).await;
    let authenticator = watched(&provider, eager()).await;
    assert!(knows(&authenticator, &old) && !knows(&authenticator, &new));
    provider.answers(ok(&new.jwks().unwrap()));
    eventually("the new key", || knows(&authenticator, &new)).await;
    assert!(!knows(&authenticator, &old), "the old one is gone");
}

#[tokio::test]
async fn a_server_that_answers_badly_or_not_at_all_leaves_the_last_set_in_force() {
    let (old, new) = (issuer(), issuer());
    let provider = Provider::start(ok(&old.jwks().unwrap())).await;
    let authenticator = watched(&provider, eager()).await;
    let gone = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned();
    for bad in [gone, ok("{}"), ok(r#"{"keys": []}"#), "nonsense\r\n\r\n".to_owned()] {
        provider.answers(bad.clone());
        let before = provider.asked();
        eventually("it is asked twice", || {
            assert!(!knows(&authenticator, &new));
            provider.asked() >= before + 2
        })
        .await;
        assert!(knows(&authenticator, &old), "{bad}");
    }
    provider.answers(ok(&new.jwks().unwrap()));
    eventually("the new key", || knows(&authenticator, &new)).await;
}

/// Anybody may send tokens of keys that there are not. The clock of this test jumps when nobody works.
#[tokio::test(start_paused = true)]
async fn strangers_do_not_make_us_ask_more_often_than_the_limit() {
    let (known, stranger) = (issuer(), issuer());
    let provider = Provider::start(ok(&known.jwks().unwrap())).await;
    let patient = KeyUrlLimits {
        between: Duration::from_secs(10),
        timeout: Duration::from_hours(10),
        ..KeyUrlLimits::default()
    };
    let authenticator = watched(&provider, patient).await;
    for _ in 0..100 {
        assert!(!knows(&authenticator, &stranger));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!((2..=11).contains(&provider.asked()), "{}", provider.asked());
}

#[tokio::test]
async fn without_a_reason_the_set_is_fetched_from_time_to_time() {
    let provider = Provider::start(ok(&issuer().jwks().unwrap())).await;
    let every = Duration::from_millis(1);
    let limits = KeyUrlLimits { every, between: every, ..KeyUrlLimits::default() };
    let _authenticator = watched(&provider, limits).await;
    eventually("it is asked again", || provider.asked() >= 4).await;
}

#[tokio::test]
async fn what_is_no_set_at_that_url_is_not_taken() {
    let provider = Provider::start(String::new()).await;
    let limits =
        KeyUrlLimits { timeout: Duration::from_millis(50), bytes: 100, ..KeyUrlLimits::default() };
    let url = url_of(&provider.url, limits.clone()).unwrap();
    assert!(matches!(url.fetch().await, Err(KeyUrlError::TooLong)));
    let patient = KeyUrlLimits { timeout: Duration::from_secs(30), ..limits };
    let url = url_of(&provider.url, patient).unwrap();
    provider.answers(ok(&"x".repeat(101)));
    assert!(matches!(url.fetch().await, Err(KeyUrlError::TooLarge)));
    // One that does not say how much it is.
    provider.answers(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(10_000)));
    assert!(matches!(url.fetch().await, Err(KeyUrlError::TooLarge)));
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n";
    provider.answers(elsewhere.to_owned());
    assert!(matches!(url.fetch().await, Err(KeyUrlError::Answer(code)) if code == 302));
    provider.answers(ok("set"));
    assert_eq!(url.fetch().await.unwrap(), "set");
}

#[test]
fn a_set_comes_over_tls_or_from_loopback() {
    for url in ["https://id.example/jwks", "http://127.0.0.1:1/jwks", "http://localhost/jwks"] {
        assert!(url_of(url, eager()).is_ok(), "{url}");
    }
    for url in ["http://id.example/jwks", "ftp://127.0.0.1/jwks", "/jwks", "id.example", ""] {
        assert!(matches!(url_of(url, eager()), Err(KeyUrlError::Url)), "{url}");
    }
}
