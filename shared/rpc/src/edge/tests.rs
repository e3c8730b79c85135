#![allow(clippy::unwrap_used)]

use yinyom_identity::{CallerTable, Subject, TokenIssuer, TokenVerifier};
use yinyom_kernel::Language;

use super::*;
use crate::ServerConfig;

fn edge(config: &ServerConfig, doors: HashMap<String, Door>) -> (Edge, TokenIssuer) {
    let clock: yinyom_kernel::SharedClock = Arc::new(yinyom_kernel::SystemClock);
    let issuer = TokenIssuer::generate("issuer", Arc::clone(&clock)).unwrap();
    let verifier = TokenVerifier::new(&issuer.jwks().unwrap(), "issuer", "yinyom", clock).unwrap();
    let callers = CallerTable::new(Vec::new(), vec!["vendor".to_owned()]).unwrap();
    let shared = Shared {
        authenticator: Arc::new(Authenticator::new(verifier, callers)),
        doors,
        admission: Admission::new(config),
        unary_timeout: Duration::from_secs(1),
        stream_idle_timeout: Duration::from_secs(1),
        limits: CallLimits::default(),
        draining: CancellationToken::new(),
        cut: CancellationToken::new(),
    };
    (Edge { routes: Routes::default(), shared: Arc::new(shared) }, issuer)
}

#[tokio::test]
async fn a_described_method_without_an_access_entry_is_refused_to_everybody() {
    let door = Door { access: None, streaming: false };
    let doors = HashMap::from([("/a.B/C".to_owned(), door)]);
    let (mut edge, issuer) = edge(&ServerConfig::default(), doors);
    let ttl = Duration::from_mins(1);
    let token = issuer.issue(&Subject::named("vendor"), "yinyom", ttl).unwrap();
    let request = Request::post("/a.B/C")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    let response = edge.call(request).await.unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(crate::reason(&status).as_deref(), Some("NO_ACCESS_ENTRY"));
}

/// Whoever comes with no token, too: to look at it costs more than to say so.
#[tokio::test(start_paused = true)]
async fn who_comes_in_vain_is_told_what_everybody_is_told() {
    const ID: &str = "0192f0c1-7b1e-7c3a-9d52-3f6f6b0a7e11";
    let config = ServerConfig { max_busy_calls: 1, ..<_>::default() };
    let (mut edge, _) = edge(&config, HashMap::new());
    let shared = Arc::clone(&edge.shared);
    let mut ask = async |language: &str| {
        let request = Request::post("/a.B/C")
            .header("accept-language", language)
            .header(REQUEST_ID, ID)
            .body(Body::empty());
        edge.call(request.unwrap()).await.unwrap()
    };
    let code = |response: &Response<Body>| {
        Status::from_header_map(response.headers()).map(|status| status.code())
    };
    assert_eq!(code(&ask("en").await), Some(Code::Unauthenticated));
    let take = || shared.admission.turns.take(false, None);
    let first = take().await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    drop(first);
    let _held = take().await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut waits = std::pin::pin!(take());
    assert!(futures::poll!(&mut waits).is_pending());
    for (language, spoken) in [("en", Language::English), ("th", Language::Thai)] {
        let response = ask(language).await;
        assert_eq!(response.headers()[REQUEST_ID], ID);
        assert!(response.body().is_end_stream());
        let told = Status::from_header_map(response.headers()).unwrap();
        let usual = status(&EdgeFault::Overloaded, spoken);
        assert_eq!((told.code(), told.message()), (usual.code(), usual.message()));
        assert_eq!(told.details(), usual.details());
    }
}
