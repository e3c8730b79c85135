//! Tokens that are wrong in one thing each, made with the very key that the house trusts.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use yinyom_identity::TokenIssuer;
use yinyom_kernel::{BusinessId, MemberId};
use yinyom_testkit::tokens::{AUDIENCE, ISSUER};

use crate::House;

/// Signs whatever it is given.
pub struct Forge {
    key: EncodingKey,
    kid: String,
    public: String,
    now: i64,
    claims: Value,
}

impl Forge {
    /// Tokens of `member` in `business`.
    pub fn of_member(house: &House, business: BusinessId, member: MemberId) -> Self {
        Self::new(house, &member.to_string(), Some(business))
    }

    /// Tokens of a service or an operator.
    pub fn of_named(house: &House, name: &str) -> Self {
        Self::new(house, name, None)
    }

    fn new(house: &House, subject: &str, business: Option<BusinessId>) -> Self {
        let jwks: Value = serde_json::from_str(&house.tokens.jwks()).expect("a key set");
        let of_key = |name: &str| jwks["keys"][0][name].as_str().expect("its part").to_owned();
        let now = house.clock.now().as_second();
        let mut claims =
            json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 3600});
        if let Some(business) = business {
            claims["biz"] = json!(business.to_string());
        }
        let key = EncodingKey::from_ed_pem(house.tokens.pem().as_bytes()).expect("a key");
        Self { key, kid: of_key("kid"), public: of_key("x"), now, claims }
    }

    /// One in which nothing is wrong.
    pub fn good(&self) -> String {
        self.sign(&self.claims)
    }

    /// What is wrong, and the token.
    pub fn bad(&self) -> Vec<(&'static str, String)> {
        vec![
            ("expired", self.with("exp", &json!(self.now - 60))),
            ("nbf in the future", self.with("nbf", &json!(self.now + 60))),
            ("wrong audience", self.with("aud", &json!("somebody"))),
            ("wrong issuer", self.with("iss", &json!("https://evil.example"))),
            ("no exp", self.with("exp", &Value::Null)),
            ("no subject", self.with("sub", &json!(""))),
            ("alg none", self.unsigned("none")),
            ("alg None", self.unsigned("None")),
            ("no signature", self.unsigned("EdDSA")),
            ("HS256 with the public key", self.symmetric()),
            ("another algorithm", self.es256()),
            ("unknown kid", self.under_kid(Some("another"))),
            ("no kid", self.under_kid(None)),
            ("another's key", self.by_a_stranger()),
            ("tampered", self.tampered()),
            ("garbage", "garbage".to_owned()),
            ("empty", String::new()),
        ]
    }

    fn header(&self, algorithm: Algorithm) -> Header {
        Header { kid: Some(self.kid.clone()), ..Header::new(algorithm) }
    }

    fn sign(&self, claims: &Value) -> String {
        encode(&self.header(Algorithm::EdDSA), claims, &self.key).expect("a token")
    }

    fn claims_with(&self, name: &str, value: &Value) -> Value {
        let mut claims = self.claims.clone();
        claims[name] = value.clone();
        claims
    }

    fn with(&self, name: &str, value: &Value) -> String {
        self.sign(&self.claims_with(name, value))
    }

    fn unsigned(&self, algorithm: &str) -> String {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": self.kid});
        format!("{}.{}.", part(&header), part(&self.claims))
    }

    fn symmetric(&self) -> String {
        let secret = EncodingKey::from_secret(self.public.as_bytes());
        encode(&self.header(Algorithm::HS256), &self.claims, &secret).expect("a token")
    }

    fn es256(&self) -> String {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        let random = aws_lc_rs::rand::SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let key = EncodingKey::from_ec_der(der.expect("a key").as_ref());
        encode(&self.header(Algorithm::ES256), &self.claims, &key).expect("a token")
    }

    fn under_kid(&self, kid: Option<&str>) -> String {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &self.claims, &self.key).expect("a token")
    }

    fn by_a_stranger(&self) -> String {
        let pem = TokenIssuer::generate_pem().expect("a key");
        let key = EncodingKey::from_ed_pem(pem.as_bytes()).expect("a key");
        encode(&self.header(Algorithm::EdDSA), &self.claims, &key).expect("a token")
    }

    /// A good signature under claims of somebody else.
    fn tampered(&self) -> String {
        let signed = self.good();
        let mut parts = signed.split('.');
        let (header, _, signature) = (parts.next(), parts.next(), parts.next());
        let other = part(&self.claims_with("sub", &json!(MemberId::generate().to_string())));
        format!("{}.{other}.{}", header.unwrap_or_default(), signature.unwrap_or_default())
    }
}

fn part(value: &Value) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
}
