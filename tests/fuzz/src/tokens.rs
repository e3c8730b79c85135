//! Tokens, the claims in them, key sets and caller tables.

use std::sync::{Arc, LazyLock};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use yinyom_identity::{CallerTable, TokenIssuer, TokenVerifier};
use yinyom_kernel::{Clock, SystemClock};

const ISSUER: &str = "yinyom-fuzz";
const AUDIENCE: &str = "yinyom";

struct House {
    verifier: TokenVerifier,
    key: EncodingKey,
    header: Header,
    jwks: String,
    /// The key itself, as it stands in the set.
    public: String,
    good: String,
    now: i64,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let pem = TokenIssuer::generate_pem().unwrap();
    let issuer = TokenIssuer::from_pem(&pem, ISSUER, Arc::new(SystemClock)).unwrap();
    let jwks = issuer.jwks().unwrap();
    let verifier = TokenVerifier::new(&jwks, ISSUER, AUDIENCE, Arc::new(SystemClock)).unwrap();
    let key = EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
    let set: Value = serde_json::from_str(&jwks).unwrap();
    let of_key = |name: &str| set["keys"][0][name].as_str().unwrap().to_owned();
    let (kid, public) = (of_key("kid"), of_key("x"));
    let header = Header { kid: Some(kid), ..Header::new(Algorithm::EdDSA) };
    let now = SystemClock.now().as_second();
    let good = encode(&header, &good_claims(now), &key).unwrap();
    House { verifier, key, header, jwks, public, good, now }
});

fn good_claims(now: i64) -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "mailer", "exp": now + 86_400, "nbf": now - 60})
}

/// Nothing is a token that we did not sign, letter by letter.
pub fn token(data: &[u8]) {
    let house = &*HOUSE;
    let text = String::from_utf8_lossy(data);
    let taken = |token: &str| house.verifier.verify(token).is_ok();
    assert!(taken(&house.good));
    assert!(text == house.good || !taken(&text), "{text:?}");
    // The good one, with something else in one place.
    let at = data.first().map_or(0, |byte| usize::from(*byte) * 3 % house.good.len());
    let inserted: String = text.chars().skip(1).take(3).collect();
    let changed = [&house.good[..at], &inserted, &house.good[at + 1..]].concat();
    assert!(changed == house.good || !taken(&changed), "{changed}");
    // A good signature under other words.
    let (words, signature) = house.good.rsplit_once('.').unwrap();
    let (header, _) = words.split_once('.').unwrap();
    let other = format!("{header}.{text}.{signature}");
    assert!(other == house.good || !taken(&other), "{other}");
}

/// Claims that we signed: whatever they are, who is taken has said the right issuer, audience and times.
pub fn claims(data: &[u8]) {
    let house = &*HOUSE;
    let Ok(claims) = serde_json::from_slice::<Value>(data) else { return };
    let Ok(token) = encode(&house.header, &claims, &house.key) else { return };
    let Ok(caller) = house.verifier.verify(&token) else { return };
    assert_eq!(claims["iss"], ISSUER);
    let audience = &claims["aud"];
    let several = audience.as_array().is_some_and(|all| all.iter().any(|one| one == AUDIENCE));
    assert!(audience == AUDIENCE || several, "{claims}");
    assert!(claims["exp"].as_i64().is_some_and(|until| until > house.now - 60), "{claims}");
    let from = &claims["nbf"];
    assert!(
        from.is_null() || from.as_i64().is_some_and(|from| from < house.now + 7_200),
        "{claims}"
    );
    assert_eq!(claims["sub"].as_str(), Some(&*caller.subject));
    assert!(!caller.subject.is_empty());
    let business = caller.business.map(|business| business.to_string());
    assert_eq!(claims["biz"].as_str(), business.as_deref());
}

/// Files that an operator writes: a key set that is taken checks tokens, a caller table that is taken says who may call.
pub fn key_set(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(verifier) = TokenVerifier::new(&text, ISSUER, AUDIENCE, Arc::new(SystemClock)) {
        assert!(text.contains(&HOUSE.public) || verifier.verify(&HOUSE.good).is_err(), "{text}");
    }
    let _ = CallerTable::parse(&text);
}

pub fn tokens() -> Vec<Vec<u8>> {
    vec![
        HOUSE.good.clone().into_bytes(),
        b"\x01a.b.c".to_vec(),
        b"eyJhbGciOiJub25lIn0.e30.".to_vec(),
    ]
}

pub fn claims_of_a_token() -> Vec<Vec<u8>> {
    let good = good_claims(HOUSE.now);
    let mut member = good.clone();
    member["biz"] = json!("0190a000-0000-7000-8000-000000000001");
    let mut several = good.clone();
    several["aud"] = json!(["a", AUDIENCE]);
    [good, member, several].map(|claims| claims.to_string().into_bytes()).to_vec()
}

pub fn key_sets() -> Vec<Vec<u8>> {
    let callers = r#"{"operators": ["vendor"], "services": [{"name": "mailer", "businesses": "*",
        "rpcs": ["/yinyom.directory.v1.ContactService/*"], "scopes": ["addresses.read"],
        "spiffe_ids": ["spiffe://crm.example/ns/crm/sa/mailer"]}]}"#;
    vec![HOUSE.jwks.clone().into_bytes(), callers.as_bytes().to_vec(), b"{\"keys\": []}".to_vec()]
}
