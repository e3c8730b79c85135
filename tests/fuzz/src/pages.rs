//! Page tokens.

use std::sync::LazyLock;

use yinyom_privacy::{DataKey, TokenSealer};

static SEALER: LazyLock<TokenSealer> = LazyLock::new(|| TokenSealer::new(&DataKey::generate()));

/// A token that opens was sealed by us, for that question, and as it stands.
pub fn page_token(data: &[u8]) {
    let context: [&[u8]; 2] = [b"/yinyom.directory.v1.ContactService/ListContacts", b"member"];
    // What comes from outside opens nothing.
    let stranger = String::from_utf8_lossy(data);
    assert!(SEALER.open(&context, &stranger).is_err(), "{stranger:?}");
    let at = data.first().map_or(0, |byte| usize::from(*byte));
    let payload = data.get(1..).unwrap_or_default();
    let token = SEALER.seal(&context, payload);
    assert_eq!(SEALER.open(&context, &token).ok().as_deref(), Some(payload));
    for other in [[context[0], b"nobody"], [context[1], context[0]], [&context[0][1..], context[1]]]
    {
        assert!(SEALER.open(&other, &token).is_err(), "it opens for another question");
    }
    assert!(SEALER.open(&context[..1], &token).is_err());
    // One character is another, one is missing, one is too many.
    let mut bytes = token.clone().into_bytes();
    let at = at * 7 % bytes.len();
    let is = bytes[at];
    for byte in [b'A', b'_', b'=', is ^ 1, is.wrapping_add(1)] {
        bytes[at] = byte;
        let changed = String::from_utf8_lossy(&bytes);
        assert!(changed == token || SEALER.open(&context, &changed).is_err(), "{at} {byte}");
    }
    bytes[at] = is;
    for changed in
        [&token[1..], &token[..token.len() - 1], &format!("{token}A"), &format!("{token}=")]
    {
        assert!(SEALER.open(&context, changed).is_err());
    }
}

pub fn page_tokens() -> Vec<Vec<u8>> {
    vec![Vec::new(), b"\x05somchai".to_vec(), vec![0; 64], SEALER.seal(&[], b"x").into_bytes()]
}
