//! Tokens against the clock, the key set and the files that they come from. What a server makes of
//! forged ones is tested in `yinyom-rpc`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use yinyom_identity::{
    AuthError, Authenticator, Caller, CallerTable, Claims, KeyError, LEEWAY_SECONDS, Subject,
    TokenIssuer, TokenSource, TokenUnavailable, TokenVerifier, Why,
};
use yinyom_kernel::{BusinessId, ManualClock, MemberId, SharedClock, from_micros};

const TTL: Duration = Duration::from_mins(1);

struct House {
    clock: Arc<ManualClock>,
    issuer: Arc<TokenIssuer>,
    verifier: TokenVerifier,
}

fn house() -> House {
    let clock = Arc::new(ManualClock::at(from_micros(1_780_000_000_000_000)));
    let shared: SharedClock = clock.clone();
    let issuer = Arc::new(TokenIssuer::generate("issuer", Arc::clone(&shared)).unwrap());
    let jwks = issuer.jwks().unwrap();
    let verifier = TokenVerifier::new(&jwks, "issuer", "yinyom", shared).unwrap();
    House { clock, issuer, verifier }
}

impl House {
    fn token(&self) -> String {
        self.issuer.issue(&Subject::named("reports"), "yinyom", TTL).unwrap()
    }
}

#[test]
fn a_token_ends_when_it_says_though_it_was_taken_before() {
    let house = house();
    let token = house.token();
    let all_but_one_second = TTL.as_secs() + LEEWAY_SECONDS.unsigned_abs() - 1;
    house.clock.advance(Duration::from_secs(all_but_one_second));
    assert!(house.verifier.verify(&token).is_ok());
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.verifier.verify(&token), Err(AuthError(Why::Expired)));
}

#[test]
fn a_removed_key_ends_its_tokens_at_once() {
    let house = house();
    let token = house.token();
    assert!(house.verifier.verify(&token).is_ok());
    let other = TokenIssuer::generate("issuer", house.clock.clone()).unwrap();
    house.verifier.replace_keys(&other.jwks().unwrap()).unwrap();
    assert_eq!(house.verifier.verify(&token), Err(AuthError(Why::UnknownKey)));
    let token = other.issue(&Subject::named("reports"), "yinyom", TTL).unwrap();
    assert!(house.verifier.verify(&token).is_ok());
}

#[test]
fn a_bad_key_set_leaves_the_old_one_in_force() {
    let house = house();
    assert!(house.verifier.replace_keys("{}").is_err());
    assert!(matches!(house.verifier.replace_keys(r#"{"keys": []}"#), Err(KeyError::Empty)));
    assert!(house.verifier.verify(&house.token()).is_ok());
}

#[test]
fn a_members_token_names_a_business_and_a_services_does_not() {
    let house = house();
    let (business, member) = (BusinessId::generate(), MemberId::generate());
    let token = house.issuer.issue(&Subject::Member { business, member }, "yinyom", TTL).unwrap();
    let claims = Claims { subject: member.to_string(), business: Some(business) };
    assert_eq!(house.verifier.verify(&token), Ok(claims));
    let claims = Claims { subject: "reports".to_owned(), business: None };
    assert_eq!(house.verifier.verify(&house.token()), Ok(claims));
}

#[test]
fn a_service_that_left_the_table_is_nobody_though_its_token_is_good() {
    let house = house();
    let bearer = format!("Bearer {}", house.token());
    let callers = r#"{"services": [{"name": "reports", "businesses": "*", "rpcs": ["*"]}]}"#;
    let authenticator = Authenticator::new(house.verifier, CallerTable::parse(callers).unwrap());
    let caller = authenticator.authenticate([bearer.as_bytes()], None);
    assert!(matches!(caller, Ok(Caller::Service(_))));
    authenticator.replace_callers(CallerTable::default());
    let caller = authenticator.authenticate([bearer.as_bytes()], None);
    assert_eq!(caller, Err(AuthError(Why::UnknownSubject)));
}

#[test]
fn a_source_mints_a_new_token_before_the_old_one_ends() {
    let house = house();
    let source = TokenSource::issuer(Arc::clone(&house.issuer), "directory", "yinyom");
    let first = source.token().unwrap();
    assert_eq!(source.token().unwrap(), first, "one token serves many calls");
    for _ in 0..100 {
        house.clock.advance(Duration::from_secs(59));
        assert!(house.verifier.verify(&source.token().unwrap()).is_ok());
    }
    assert_ne!(source.token().unwrap(), first);
}

#[test]
fn a_token_file_is_read_again_when_it_may_have_changed() {
    let clock = house().clock;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let source = TokenSource::file(&path, clock.clone());
    assert!(matches!(source.token(), Err(TokenUnavailable::File(_))));
    std::fs::write(&path, "one\n").unwrap();
    assert_eq!(&*source.token().unwrap(), "one");
    std::fs::write(&path, "two\n").unwrap();
    clock.advance(Duration::from_secs(30));
    assert_eq!(&*source.token().unwrap(), "two");
}

#[test]
fn a_key_file_is_made_once_and_for_its_owner_alone() {
    let house = house();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("issuer.pem");
    let load = || TokenIssuer::load_or_create(&path, "issuer", house.clock.clone()).unwrap();
    let (first, second) = (load(), load());
    assert_eq!(first.jwks().unwrap(), second.jwks().unwrap());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!first.jwks().unwrap().contains("\"d\""), "the private part stays in the file");
}

#[test]
fn what_is_no_ed25519_key_is_refused() {
    let clock = house().clock;
    for pem in ["", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"] {
        let read = TokenIssuer::from_pem(pem, "issuer", clock.clone());
        assert!(matches!(read, Err(KeyError::NotEd25519)));
    }
}
