//! Who gets past the door.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use yinyom_identity::{Access, Authenticator, CallerTable, Members, TokenIssuer, TokenVerifier};
use yinyom_kernel::{MemberId, SystemClock};
use yinyom_rpc::{ServeError, Server, ServerConfig, reason};

use crate::echo::{ACCESS, CHAT, COUNT, Echo, HIDDEN, SAY, SERVICES_ONLY, descriptors};
use crate::running::{AUDIENCE, Answer, ISSUER, Running, frame, framed, now};

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "reports", "iat": now(), "exp": now() + 60,
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn without(key: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(key);
    claims
}

/// Signs whatever it is given with the server's own key, or with others.
struct Forge {
    key: EncodingKey,
    kid: String,
    public: String,
}

impl Forge {
    fn of(server: &Running) -> Self {
        let jwks: Value = serde_json::from_str(&server.issuer.jwks().unwrap()).unwrap();
        let text = |name: &str| jwks["keys"][0][name].as_str().unwrap().to_owned();
        Self {
            key: EncodingKey::from_ed_pem(server.pem.as_bytes()).unwrap(),
            kid: text("kid"),
            public: text("x"),
        }
    }

    fn header(&self, algorithm: Algorithm) -> Header {
        let mut header = Header::new(algorithm);
        header.kid = Some(self.kid.clone());
        header
    }

    fn sign(&self, claims: &Value) -> String {
        encode(&self.header(Algorithm::EdDSA), claims, &self.key).unwrap()
    }

    fn hs256(&self, secret: &[u8]) -> String {
        let key = EncodingKey::from_secret(secret);
        encode(&self.header(Algorithm::HS256), &claims(), &key).unwrap()
    }

    fn es256(&self) -> String {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        let random = aws_lc_rs::rand::SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EncodingKey::from_ec_der(der.as_ref());
        encode(&self.header(Algorithm::ES256), &claims(), &key).unwrap()
    }

    fn unsigned(&self, algorithm: &str) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": self.kid});
        format!("{}.{}.", part(&header), part(&claims()))
    }

    fn unknown_kid(&self) -> String {
        let mut header = self.header(Algorithm::EdDSA);
        header.kid = Some("another".to_owned());
        encode(&header, &claims(), &self.key).unwrap()
    }

    fn no_kid(&self) -> String {
        encode(&Header::new(Algorithm::EdDSA), &claims(), &self.key).unwrap()
    }

    fn critical(&self) -> String {
        let mut header = self.header(Algorithm::EdDSA);
        header.crit = Some(vec!["exp".to_owned()]);
        encode(&header, &claims(), &self.key).unwrap()
    }

    /// Another key under the server's kid.
    fn stranger(&self) -> String {
        let pem = TokenIssuer::generate_pem().unwrap();
        let key = EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
        encode(&self.header(Algorithm::EdDSA), &claims(), &key).unwrap()
    }

    /// A good signature under claims that were changed afterwards.
    fn altered(&self) -> String {
        let signed = self.sign(&claims());
        let (rest, signature) = signed.rsplit_once('.').unwrap();
        let (header, _) = rest.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(with("sub", json!("mail")).to_string());
        format!("{header}.{other}.{signature}")
    }

    fn bad_tokens(&self) -> Vec<(&'static str, String)> {
        let raw = URL_SAFE_NO_PAD.decode(&self.public).unwrap();
        vec![
            ("expired", self.sign(&with("exp", json!(now() - 6)))),
            ("exp is text", self.sign(&with("exp", json!("9999999999")))),
            ("nbf in the future", self.sign(&with("nbf", json!(now() + 6)))),
            ("wrong audience", self.sign(&with("aud", json!("other")))),
            ("audience among none", self.sign(&with("aud", json!([])))),
            ("wrong issuer", self.sign(&with("iss", json!("https://evil.example")))),
            ("one issuer of two", self.sign(&with("iss", json!([ISSUER, "https://evil.example"])))),
            ("no exp", self.sign(&without("exp"))),
            ("no iss", self.sign(&without("iss"))),
            ("no aud", self.sign(&without("aud"))),
            ("no sub", self.sign(&without("sub"))),
            ("empty sub", self.sign(&with("sub", json!("")))),
            ("unknown service", self.sign(&with("sub", json!("nobody")))),
            ("biz is no id", self.sign(&with("biz", json!("x")))),
            ("member is no id", self.sign(&with("biz", json!(MemberId::generate().to_string())))),
            ("wrong algorithm", self.es256()),
            ("none", self.unsigned("none")),
            ("None", self.unsigned("None")),
            ("empty signature", self.unsigned("EdDSA")),
            ("HS256 with the raw public key", self.hs256(&raw)),
            ("HS256 with the public key as text", self.hs256(self.public.as_bytes())),
            ("unknown kid", self.unknown_kid()),
            ("no kid", self.no_kid()),
            ("critical extension", self.critical()),
            ("another key", self.stranger()),
            ("altered", self.altered()),
            ("garbage", "garbage".to_owned()),
            ("dots", "..".to_owned()),
            ("empty", String::new()),
            ("long", "a".repeat(10_000)),
        ]
    }
}

async fn with_authorization(server: &Running, values: &[&str]) -> Answer {
    let headers: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
    server.post(SAY, &headers, frame("who")).await
}

#[tokio::test]
async fn no_bad_token_gets_in_and_all_are_answered_alike() {
    let server = Running::start().await;
    let none = with_authorization(&server, &[]).await.status();
    assert_eq!(none.code(), Code::Unauthenticated);
    assert_eq!(reason(&none).as_deref(), Some("UNAUTHENTICATED"));
    for (name, token) in Forge::of(&server).bad_tokens() {
        let status = with_authorization(&server, &[&format!("Bearer {token}")]).await.status();
        assert_eq!(status.code(), Code::Unauthenticated, "{name}");
        assert_eq!(status.message(), none.message(), "{name}");
        assert_eq!(status.details(), none.details(), "{name}");
    }
}

#[tokio::test]
async fn the_forge_itself_makes_tokens_that_get_in() {
    let server = Running::start().await;
    let forge = Forge::of(&server);
    for good in [claims(), with("aud", json!(["other", AUDIENCE])), with("nbf", json!(now() + 5))] {
        let bearer = format!("bearer {}", forge.sign(&good));
        assert_eq!(with_authorization(&server, &[&bearer]).await.text(), "service:reports");
    }
}

#[tokio::test]
async fn another_scheme_and_a_second_header_are_refused() {
    let server = Running::start().await;
    let token = server.named("reports");
    let bearer = format!("Bearer {token}");
    for values in [&[token.as_str()][..], &["Basic cmVwb3J0cw=="], &[&bearer, &bearer]] {
        let status = with_authorization(&server, values).await.status();
        assert_eq!(status.code(), Code::Unauthenticated, "{values:?}");
    }
}

#[tokio::test]
async fn a_handler_hears_who_calls() {
    let server = Running::start().await;
    let member = MemberId::generate();
    let bearer = format!("Bearer {}", server.member(member));
    let answer = with_authorization(&server, &[&bearer]).await;
    assert_eq!(answer.text(), format!("member:{member}"));
    let answer = server.post(CHAT, &[("authorization", &bearer)], frame("hello")).await;
    assert!(answer.holds(&format!("member:{member} hello")));
}

#[tokio::test]
async fn a_kind_of_caller_that_the_table_does_not_name_is_refused() {
    let server = Running::start().await;
    let member = server.member(MemberId::generate());
    for (path, token) in
        [(SAY, server.named("vendor")), (SERVICES_ONLY, member), (SAY, server.named("mail"))]
    {
        let bearer = format!("Bearer {token}");
        let status = server.post(path, &[("authorization", &bearer)], frame("who")).await.status();
        assert_eq!(status.code(), Code::PermissionDenied, "{path}");
        assert_eq!(reason(&status).as_deref(), Some("RPC_NOT_ALLOWED"));
    }
}

#[tokio::test]
async fn a_method_that_no_descriptor_holds_is_not_reached_even_if_it_is_routed() {
    let server = Running::start().await;
    let bearer = format!("Bearer {}", server.named("reports"));
    for path in [HIDDEN, "/yinyom.test.v1.Echo/", "/a.B/C", "/", "/grpc.health.v1.HealthX/Check"] {
        let status = server.post(path, &[], frame("who")).await.status();
        assert_eq!(status.code(), Code::Unauthenticated, "{path}");
        let status = server.post(path, &[("authorization", &bearer)], frame("who")).await.status();
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
        assert_eq!(reason(&status).as_deref(), Some("UNKNOWN_METHOD"));
    }
}

#[tokio::test]
async fn health_and_reflection_ask_for_no_token() {
    let server = Running::start().await;
    let health = "/grpc.health.v1.Health/Check";
    for service in ["", "yinyom.test.v1.Echo"] {
        let answer = server.post(health, &[], frame(service)).await;
        assert_eq!(answer.status().code(), Code::Ok);
        assert_eq!(&answer.body[5..], [8, 1], "serving");
    }
    let unknown = server.post(health, &[], frame("no.such.Service")).await.status();
    assert_eq!((unknown.code(), reason(&unknown).as_deref()), (Code::NotFound, Some("NOT_FOUND")));
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        // `list_services`, field 7.
        let answer = server.post(&path, &[], framed(&[0x3a, 0])).await;
        assert_eq!(answer.status().code(), Code::Ok);
        assert!(answer.holds("yinyom.test.v1.Echo"), "{version}");
    }
}

async fn refused_at_start(access: &'static [Access]) -> Vec<String> {
    let clock = Arc::new(SystemClock);
    let issuer = TokenIssuer::generate(ISSUER, clock.clone()).unwrap();
    let jwks = issuer.jwks().unwrap();
    let verifier = TokenVerifier::new(&jwks, ISSUER, AUDIENCE, clock).unwrap();
    let authenticator = Arc::new(Authenticator::new(verifier, CallerTable::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // One that starts after all stops at once.
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let served = Server::new(ServerConfig::default(), authenticator, descriptors(), access)
        .add_service(Echo(Arc::default()))
        .serve(listener, shutdown)
        .await;
    match served {
        Err(ServeError::AccessTable(gaps)) => gaps,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_whose_access_table_does_not_fit_does_not_start() {
    static MISSING: [Access; 3] = [ACCESS[0], ACCESS[1], ACCESS[2]];
    static STALE: [Access; 5] = [
        ACCESS[0],
        ACCESS[1],
        ACCESS[2],
        ACCESS[3],
        Access {
            rpc: HIDDEN,
            members: Members::Any,
            services: true,
            operators: true,
            urgent: false,
        },
    ];
    static TWICE: [Access; 5] = [ACCESS[0], ACCESS[1], ACCESS[2], ACCESS[3], ACCESS[2]];
    assert_eq!(refused_at_start(&MISSING).await, [format!("{CHAT} has no access entry")]);
    let stale = format!("{HIDDEN} has an access entry and is no method");
    assert_eq!(refused_at_start(&STALE).await, [stale]);
    assert_eq!(refused_at_start(&TWICE).await, [format!("{COUNT} has more than one access entry")]);
}
