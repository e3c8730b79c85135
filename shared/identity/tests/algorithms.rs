//! A key of each type beside the others: each checks its own tokens, by its own algorithm, and nothing else.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use yinyom_identity::{AuthError, TokenVerifier, Why};
use yinyom_kernel::{ManualClock, from_micros};

const NOW: i64 = 1_780_000_000;

struct Signer {
    kid: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
    public: Jwk,
}

impl Signer {
    fn new(kid: &'static str, algorithm: Algorithm, pkcs8: &[u8]) -> Self {
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(pkcs8)
        );
        let key = match algorithm {
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        let key = key.unwrap();
        let mut public = Jwk::from_encoding_key(&key, algorithm).unwrap();
        public.common.key_id = Some(kid.to_owned());
        Self { kid, algorithm, key, public }
    }

    fn sign(&self, kid: &str, algorithm: Algorithm) -> Option<String> {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
        encode(&header, &claims(), &self.key).ok()
    }
}

fn signers() -> [Signer; 3] {
    let random = SystemRandom::new();
    let ed = Ed25519KeyPair::generate_pkcs8v1(&random).unwrap();
    let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    [
        Signer::new("ed", Algorithm::EdDSA, ed.as_ref()),
        Signer::new("ec", Algorithm::ES256, ec.as_ref()),
        Signer::new("rsa", Algorithm::RS256, rsa.as_der().unwrap().as_ref()),
    ]
}

fn claims() -> Value {
    json!({"iss": "issuer", "aud": "yinyom", "sub": "reports", "exp": NOW + 60})
}

/// Sets without `alg`, as some providers publish them, say the algorithm by the type of the key.
fn verifier(signers: &[Signer], declared: bool) -> TokenVerifier {
    let mut keys: Vec<_> = signers.iter().map(|signer| signer.public.clone()).collect();
    if !declared {
        for key in &mut keys {
            key.common.key_algorithm = None;
        }
    }
    let jwks = serde_json::to_string(&JwkSet { keys }).unwrap();
    let clock = Arc::new(ManualClock::at(from_micros(NOW * 1_000_000)));
    TokenVerifier::new(&jwks, "issuer", "yinyom", clock).unwrap()
}

#[test]
fn a_key_of_each_type_checks_its_own_tokens() {
    let signers = signers();
    for declared in [true, false] {
        let verifier = verifier(&signers, declared);
        for signer in &signers {
            let token = signer.sign(signer.kid, signer.algorithm).unwrap();
            assert_eq!(verifier.verify(&token).unwrap().subject, "reports", "{}", signer.kid);
        }
    }
}

/// Every key under every name with every algorithm that it can sign with: good in three of all cases.
#[test]
fn no_key_is_taken_for_another_and_no_algorithm_but_its_own() {
    const ALL: [Algorithm; 12] = [
        Algorithm::EdDSA,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::HS256,
        Algorithm::HS384,
        Algorithm::HS512,
    ];
    let (signers, mut tried) = (signers(), 0);
    let verifier = verifier(&signers, false);
    for signer in &signers {
        for named in &signers {
            for algorithm in ALL {
                let Some(token) = signer.sign(named.kid, algorithm) else { continue };
                let good = signer.kid == named.kid && algorithm == signer.algorithm;
                let found = verifier.verify(&token);
                assert_eq!(found.is_ok(), good, "{} as {}, {algorithm:?}", signer.kid, named.kid);
                tried += usize::from(!good);
            }
        }
    }
    assert!(tried >= 20, "{tried}");
}

/// The oldest trick: the public key, which everybody has, as the secret of a symmetric signature.
#[test]
fn a_public_key_is_nobodys_secret() {
    let signers = signers();
    let verifier = verifier(&signers, false);
    for signer in &signers {
        let public = serde_json::to_value(&signer.public).unwrap();
        let parts = ["n", "x", "y"].iter().filter_map(|part| public[part].as_str());
        let texts = parts.map(str::to_owned).chain([public.to_string()]);
        for secret in texts {
            for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                let header = Header { kid: Some(signer.kid.to_owned()), ..Header::new(algorithm) };
                let key = EncodingKey::from_secret(secret.as_bytes());
                let token = encode(&header, &claims(), &key).unwrap();
                assert_eq!(verifier.verify(&token), Err(AuthError(Why::WrongAlgorithm)));
            }
        }
    }
}
