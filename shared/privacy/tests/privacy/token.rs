use proptest::prelude::*;
use yinyom_kernel::{Code, Fault};
use yinyom_privacy::{DataKey, InvalidPageToken, MasterKey, MasterKeys, TokenSealer};

const CONTEXT: &[&[u8]] = &[b"ListContacts", b"business", b"viewer", b"query"];

#[test]
fn a_token_opens_for_the_query_and_viewer_that_it_was_made_for_only() {
    let sealer = TokenSealer::new(&DataKey::generate());
    let token = sealer.seal(CONTEXT, b"cursor");
    assert_eq!(sealer.open(CONTEXT, &token).unwrap(), b"cursor");
    for at in 0..CONTEXT.len() {
        let mut other = CONTEXT.to_vec();
        other[at] = b"other";
        assert_eq!(sealer.open(&other, &token), Err(InvalidPageToken));
    }
    assert_eq!(sealer.open(&[&CONTEXT.concat()], &token), Err(InvalidPageToken));
    let stranger = TokenSealer::new(&DataKey::generate());
    assert_eq!(stranger.open(CONTEXT, &token), Err(InvalidPageToken));
}

#[test]
fn every_replica_with_the_key_opens_the_token() {
    let key = DataKey::generate();
    let token = TokenSealer::new(&key).seal(CONTEXT, b"cursor");
    assert_eq!(TokenSealer::new(&key).open(CONTEXT, &token).unwrap(), b"cursor");
}

#[test]
fn a_tokens_length_does_not_tell_its_payloads() {
    let sealer = TokenSealer::new(&DataKey::generate());
    let length = |n: usize| sealer.seal(CONTEXT, &vec![b'x'; n]).len();
    assert!((0..=60).all(|n| length(n) == length(0)));
    assert!((61..=124).all(|n| length(n) == length(61)));
    assert!(length(61) > length(60));
}

#[test]
fn a_token_tells_nothing_of_its_payload_and_never_repeats() {
    let sealer = TokenSealer::new(&DataKey::generate());
    let (one, two) = (sealer.seal(CONTEXT, b"a"), sealer.seal(CONTEXT, b"a"));
    assert_ne!(one, two);
    assert!(one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
}

#[test]
fn what_is_no_token_is_refused_alike() {
    let sealer = TokenSealer::new(&DataKey::generate());
    let token = sealer.seal(CONTEXT, b"cursor");
    let cut = &token[..token.len() - 1];
    for text in [
        "",
        "x",
        "=",
        "a b",
        "ก",
        cut,
        &format!("{token}="),
        &format!("{token}A"),
        &"A".repeat(100_000),
    ] {
        assert_eq!(sealer.open(CONTEXT, text), Err(InvalidPageToken));
    }
    assert_eq!(InvalidPageToken.code(), Code::InvalidArgument);
    assert_eq!(InvalidPageToken.reason(), "INVALID_PAGE_TOKEN");
}

proptest! {
    #[test]
    fn what_was_sealed_opens_to_itself(payload in prop::collection::vec(any::<u8>(), 0..300)) {
        let sealer = TokenSealer::new(&DataKey::generate());
        prop_assert_eq!(sealer.open(CONTEXT, &sealer.seal(CONTEXT, &payload)).unwrap(), payload);
    }

    #[test]
    fn no_text_makes_the_sealer_panic(text in any::<String>()) {
        let sealer = TokenSealer::new(&DataKey::generate());
        prop_assert_eq!(sealer.open(CONTEXT, &text), Err(InvalidPageToken));
    }
}

/// Replicas are restarted one after the other: first with the new key to open, then with it to wrap.
#[tokio::test]
async fn a_token_is_good_at_each_replica_while_the_master_key_is_rotated() {
    let (old, new) = (MasterKey::generate(), MasterKey::generate());
    let before = MasterKeys::new(old.clone(), vec![new.clone()]).sealer("pages").await.unwrap();
    let after = MasterKeys::new(new.clone(), vec![old.clone()]).sealer("pages").await.unwrap();
    for (one, other) in [(&before, &after), (&after, &before)] {
        let token = one.seal(CONTEXT, b"cursor");
        assert_eq!(other.open(CONTEXT, &token).unwrap(), b"cursor");
    }
    let token = before.seal(CONTEXT, b"cursor");
    let alone = MasterKeys::new(new, Vec::new()).sealer("pages").await.unwrap();
    assert_eq!(alone.open(CONTEXT, &token), Err(InvalidPageToken));
    let purpose = MasterKeys::new(old, Vec::new()).sealer("other").await.unwrap();
    assert_eq!(purpose.open(CONTEXT, &token), Err(InvalidPageToken));
}
