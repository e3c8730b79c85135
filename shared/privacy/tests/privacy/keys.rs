use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use yinyom_kernel::{Code, Fault};
use yinyom_privacy::{
    Address, BlindIndexKey, DataKey, Email, KeyError, MasterKey, MasterKeys, OpenError, Personal,
    Phone, WrapError, context,
};

/// The bytes 0 to 31: known values below were computed by another implementation.
const KNOWN: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn known() -> MasterKeys {
    MasterKeys::new(MasterKey::from_text(KNOWN).unwrap(), Vec::new())
}

fn hex32(bytes: [u8; 32]) -> String {
    hex::encode(bytes)
}

#[test]
fn what_is_stored_today_can_be_read_for_ever() {
    let business = DataKey::restore(&hex::decode(KNOWN).unwrap()).unwrap().derive("a business");
    let sealed = "01000102030405060708090a0b\
                  4d9881cb6ba7c88900c9460f2ea0f17b97c76da8b39d15e2e0380856";
    let opened = business
        .open_text(&context(&[b"points", b"row 1"]), &hex::decode(sealed).unwrap())
        .unwrap();
    assert_eq!(opened.expose(), "+66812345678");

    let index = BlindIndexKey::of(&business);
    assert_eq!(
        hex32(index.index("phone", "+66812345678")),
        "3d86bd691aeed011e619c8dee6da688fa5efc850ec34008a817acc53c1805d69"
    );
    assert_eq!(
        hex32(index.digest("import row", &[b"a", b"bc"])),
        "6c39a4ccbb7f6be6f771067cd8a57d05cfc7e6fac7bdf0ead442f4f352dace40"
    );
    assert_eq!(MasterKey::from_text(KNOWN).unwrap().id().to_string(), "113a6811a75868c1");
}

#[test]
fn a_sealed_value_opens_in_its_own_row_only() {
    let key = DataKey::generate();
    let blob = key.seal_text(b"row 1", &Personal::from("+66812345678"));
    assert_eq!(key.open_text(b"row 1", &blob).unwrap().expose(), "+66812345678");
    assert_eq!(key.open(b"row 2", &blob), Err(OpenError::Damaged));
    assert_eq!(DataKey::generate().open(b"row 1", &blob), Err(OpenError::Damaged));
    assert_eq!(key.derive("other").open(b"row 1", &blob), Err(OpenError::Damaged));
}

#[test]
fn two_seals_of_one_value_differ() {
    let key = DataKey::generate();
    assert_ne!(key.seal(b"", b"x"), key.seal(b"", b"x"));
}

#[test]
fn a_changed_or_cut_value_is_refused() {
    let key = DataKey::generate();
    let blob = key.seal(b"row", b"value");
    for at in 0..blob.len() {
        let mut changed = blob.clone();
        changed[at] ^= 1;
        assert!(key.open(b"row", &changed).is_err(), "byte {at}");
        assert!(key.open(b"row", &blob[..at]).is_err(), "cut at {at}");
    }
    let mut newer = blob;
    newer[0] = 2;
    assert_eq!(key.open(b"row", &newer), Err(OpenError::UnknownVersion(2)));
}

#[test]
fn a_value_that_is_no_text_is_damaged() {
    let key = DataKey::generate();
    let blob = key.seal(b"", &[0xFF, 0xFE]);
    assert_eq!(key.open_text(b"", &blob), Err(OpenError::Damaged));
    assert_eq!(OpenError::Damaged.code(), Code::Internal);
}

#[test]
fn contexts_do_not_run_into_each_other() {
    assert_ne!(context(&[b"ab", b"c"]), context(&[b"a", b"bc"]));
    assert_ne!(context(&[b"a"]), context(&[b"a", b""]));
    assert_ne!(context(&[]), context(&[b""]));
}

#[test]
fn derived_keys_differ_by_label_and_repeat() {
    let key = DataKey::generate();
    let blob = key.derive("a").seal(b"", b"x");
    assert!(key.derive("a").open(b"", &blob).is_ok());
    assert!(key.derive("b").open(b"", &blob).is_err());
}

#[test]
fn keys_never_print() {
    let master = MasterKey::from_text(KNOWN).unwrap();
    let data = DataKey::generate();
    let shown = format!(
        "{master:?} {data:?} {:?} {:?}",
        BlindIndexKey::of(&data),
        MasterKeys::new(master.clone(), vec![master.clone()]),
    );
    assert!(!shown.contains("0001") && !shown.contains("[0, 1"), "{shown}");
    assert!(shown.contains("[secret]"));
}

#[tokio::test]
async fn a_rotated_master_key_still_unwraps_and_says_what_is_left_to_do() {
    let (old, new) = (MasterKey::generate(), MasterKey::generate());
    let before = MasterKeys::new(old.clone(), Vec::new());
    let after = MasterKeys::new(new.clone(), vec![old]);
    let key = DataKey::generate();
    let sealed = key.seal(b"", b"value");

    let wrapped = before.wrap(&key, b"business 1").await.unwrap();
    assert!(before.is_current(&wrapped));
    assert!(!after.is_current(&wrapped));
    let unwrapped = after.unwrap(&wrapped, b"business 1").await.unwrap();
    assert_eq!(&**unwrapped.open(b"", &sealed).unwrap(), b"value");

    let again = after.wrap(&unwrapped, b"business 1").await.unwrap();
    assert!(after.is_current(&again));
    let only_new = MasterKeys::new(new, Vec::new());
    assert!(only_new.unwrap(&again, b"business 1").await.is_ok());
    let lost = only_new.unwrap(&wrapped, b"business 1").await;
    assert!(matches!(lost, Err(WrapError::Sealed(OpenError::UnknownKey(_)))));
}

#[tokio::test]
async fn a_wrapped_key_belongs_to_its_business() {
    let keys = known();
    let wrapped = keys.wrap(&DataKey::generate(), b"business 1").await.unwrap();
    let moved = keys.unwrap(&wrapped, b"business 2").await.unwrap_err();
    assert!(matches!(moved, WrapError::Sealed(OpenError::Damaged)));
    assert_eq!(moved.code(), Code::Internal);
    for at in 0..wrapped.len() {
        assert!(keys.unwrap(&wrapped[..at], b"business 1").await.is_err());
    }
}

#[test]
fn a_contacts_key_hangs_on_its_businesss() {
    let (business, contact) = (DataKey::generate(), DataKey::generate());
    let wrapped = business.wrap(&contact, b"contact 1");
    let sealed = contact.seal(b"", b"note");
    let unwrapped = business.unwrap(&wrapped, b"contact 1").unwrap();
    assert_eq!(&**unwrapped.open(b"", &sealed).unwrap(), b"note");
    assert!(business.unwrap(&wrapped, b"contact 2").is_err());
    let short = business.seal(b"contact 1", b"short");
    assert_eq!(business.unwrap(&short, b"contact 1").unwrap_err(), OpenError::Damaged);
}

#[test]
fn a_blind_index_differs_by_business_field_and_value_and_by_nothing_else() {
    let (one, two) = (DataKey::generate(), DataKey::generate());
    let (a, b) = (BlindIndexKey::of(&one), BlindIndexKey::of(&two));
    let index = a.index("phone", "+66812345678");
    assert_eq!(index, BlindIndexKey::of(&one).index("phone", "+66812345678"));
    assert_ne!(index, b.index("phone", "+66812345678"));
    assert_ne!(index, a.index("email", "+66812345678"));
    assert_ne!(index, a.index("phone", "+66812345679"));
    assert_ne!(index, a.digest("phone", &[b"+66812345678"]));

    let typed = Address::from(Phone::parse("081-234-5678").unwrap());
    assert_eq!(typed.index(&a), index);
    let email = Address::from(Email::parse("A@example.com").unwrap());
    assert_eq!(email.index(&a), a.index("email", "a@example.com"));
}

#[test]
fn a_digest_counts_the_borders_of_its_parts() {
    let key = BlindIndexKey::of(&DataKey::generate());
    assert_ne!(key.digest("l", &[b"ab", b"c"]), key.digest("l", &[b"a", b"bc"]));
    assert_ne!(key.digest("l", &[b"a"]), key.digest("l", &[b"a", b""]));
    assert_ne!(key.digest("l", &[b"a"]), key.digest("m", &[b"a"]));
}

#[test]
fn a_master_key_is_read_in_every_form_that_operators_have() {
    let raw: Vec<u8> = (0..32).collect();
    let id = MasterKey::from_text(KNOWN).unwrap().id();
    let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    for text in [&KNOWN.to_uppercase(), &format!(" {KNOWN}\n"), base64, &format!("{base64}=\n")] {
        assert_eq!(MasterKey::from_text(text).unwrap().id(), id, "{text}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    for bytes in [raw, format!("{KNOWN}\n").into_bytes(), base64.as_bytes().to_vec()] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(MasterKey::from_file(&path).unwrap().id(), id);
    }
}

#[test]
fn what_is_no_master_key_is_refused() {
    for text in ["", "key", &KNOWN[..32], &KNOWN[1..], &format!("{KNOWN}00"), "กุญแจ"] {
        assert!(matches!(MasterKey::from_text(text), Err(KeyError::NotAKey)), "{text}");
    }
    assert!(matches!(MasterKey::from_text(&"00".repeat(32)), Err(KeyError::Weak)));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    for bytes in [vec![], KNOWN.as_bytes()[..32].to_vec(), vec![0x80; 31], vec![b'a'; 2000]] {
        fs::write(&path, bytes).unwrap();
        assert!(matches!(MasterKey::from_file(&path), Err(KeyError::NotAKey)));
    }
    let missing = MasterKey::from_file(&dir.path().join("none"));
    assert!(matches!(missing, Err(KeyError::Unreadable { .. })));
}

#[test]
fn a_new_key_file_is_its_owners_alone_and_never_replaces_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let key = MasterKey::generate();
    key.write_new(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(MasterKey::from_file(&path).unwrap().id(), key.id());

    let refused = MasterKey::generate().write_new(&path);
    assert!(matches!(refused, Err(KeyError::Unwritable { .. })));
    assert_eq!(MasterKey::from_file(&path).unwrap().id(), key.id());
}

proptest! {
    #[test]
    fn what_was_sealed_opens_to_itself(
        aad in prop::collection::vec(any::<u8>(), 0..40),
        value in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let key = DataKey::generate();
        let blob = key.seal(&aad, &value);
        prop_assert_eq!(blob.len(), value.len() + 1 + 12 + 16);
        prop_assert_eq!(&**key.open(&aad, &blob).unwrap(), &value[..]);
    }

    #[test]
    fn no_bytes_make_the_keys_panic(blob in prop::collection::vec(any::<u8>(), 0..100), text in any::<String>()) {
        let key = DataKey::generate();
        prop_assert!(key.open(b"", &blob).is_err());
        prop_assert!(key.unwrap(&blob, b"").is_err());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        prop_assert!(runtime.block_on(known().unwrap(&blob, b"")).is_err());
        let _ = MasterKey::from_text(&text);
    }
}
