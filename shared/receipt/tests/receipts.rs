//! A receipt says what the ledger has, and whoever changes a word of it is found.

#![allow(clippy::unwrap_used, clippy::panic)]

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;
use yinyom_consent::{
    Actor, Cause, Channel, ChannelChange, ConsentChange, ConsentState, EvidenceMethod, Role,
    Surface, SurfaceParent,
};
use yinyom_kernel::{BusinessId, ContactId, Language};
use yinyom_receipt::{Facts, Receipt, ReceiptError, TYPE, verify};
use yinyom_transparency::{Checkpoint, Frontier, Hash, Jws, JwsError, LedgerKey, PublicKeys};

use ConsentState::{Denied, Granted, NotSet};

const NOW: i64 = 1_772_323_200;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOW + second).unwrap()
}

fn change(seq: i64, cause: Cause, to: Option<ConsentState>) -> ConsentChange {
    ConsentChange {
        business: Uuid::from_u128(1).into(),
        contact: Uuid::from_u128(2).into(),
        seq,
        recorded_at: at(seq),
        cause,
        surface: Surface::Contacts,
        surface_parent: None,
        actor: Actor::Member { member: Uuid::from_u128(5).into(), role: Some(Role::User) },
        channels: vec![ChannelChange {
            channel: Channel::Phone,
            from: (seq > 1).then_some(NotSet),
            to,
            expires_at: (to == Some(Granted)).then(|| at(1_000)),
        }],
        method: Some(EvidenceMethod::Form),
        notice_version: Some("<2026-01> & \"x\"".to_owned()),
        claimed_at: Some(at(-60)),
        evidence_commitment: Some([7; 32]),
    }
}

/// Of a ledger of these two changes alone, so that each is the other's proof.
struct Desk {
    key: LedgerKey,
    changes: Vec<(ConsentChange, u64, Vec<Hash>)>,
    checkpoint: String,
    merged: Vec<ContactId>,
    omitted: u64,
}

impl Desk {
    fn new(first: &ConsentChange, second: &ConsentChange) -> Self {
        let key = LedgerKey::generate().unwrap();
        let mut tree = Frontier::default();
        let mut complete = Vec::new();
        for change in [first, second] {
            tree.append(change.leaf_hash(), |node, hash| complete.push((node, hash)));
        }
        let business = BusinessId::from(Uuid::from_u128(1));
        let origin = format!("yinyom.test/businesses/{business}");
        let checkpoint = Checkpoint { origin, size: tree.size(), root: tree.root() }.sign(&key);
        let changes = vec![
            (second.clone(), 1, vec![first.leaf_hash()]),
            (first.clone(), 0, vec![second.leaf_hash()]),
        ];
        let (merged, omitted) = (Vec::new(), 0);
        Self { key, changes, checkpoint, merged, omitted }
    }

    fn usual() -> Self {
        Self::new(&change(1, Cause::Created, Some(NotSet)), &change(2, Cause::Set, Some(Granted)))
    }

    fn keys(&self) -> PublicKeys {
        PublicKeys::one(*self.key.public())
    }

    fn receipt(&self, language: Language, second: i64) -> Receipt {
        Receipt::new(&Facts {
            id: "0190a000-0000-7000-8000-00000000000f".to_owned(),
            business: Uuid::from_u128(1).into(),
            contact: Uuid::from_u128(2).into(),
            channel: Channel::Phone,
            language,
            time_zone: "Asia/Bangkok".to_owned(),
            at: at(second),
            changes: &self.changes,
            omitted: self.omitted,
            merged: &self.merged,
            checkpoint: self.checkpoint.clone(),
            tree_size: 2,
        })
    }

    fn signed(&self) -> String {
        self.receipt(Language::English, 10).sign(&self.key).unwrap()
    }

    /// What is found where somebody who has the key signs something else.
    fn found(&self, edit: impl FnOnce(&mut Value)) -> ReceiptError {
        let mut json: Value =
            serde_json::from_str(&self.receipt(Language::Thai, 10).json().unwrap()).unwrap();
        edit(&mut json);
        let jws = Jws::sign(&self.key, TYPE, json.to_string().as_bytes());
        verify(&jws, &self.keys()).unwrap_err()
    }
}

#[test]
fn a_receipt_verifies_with_nothing_but_the_public_keys() {
    let desk = Desk::usual();
    let said = verify(&format!("{}\n", desk.signed()), &desk.keys()).unwrap();
    assert_eq!(said.receipt, desk.receipt(Language::English, 10));
    assert_eq!(said.key, *desk.key.public());
    let purpose = &said.receipt.pii_processing.purposes[0];
    assert_eq!(purpose.state.as_deref(), Some("GRANTED"));
    assert_eq!(purpose.expire_time, Some(at(1_000)));
}

#[test]
fn a_grant_that_has_run_out_is_no_consent() {
    let desk = Desk::usual();
    let receipt = desk.receipt(Language::English, 1_000);
    let purpose = &receipt.pii_processing.purposes[0];
    assert_eq!((purpose.state.as_deref(), purpose.expire_time), (Some("NOT_SET"), None));
    assert!(verify(&receipt.sign(&desk.key).unwrap(), &desk.keys()).is_ok());
}

#[test]
fn a_contact_that_is_gone_has_a_receipt_without_a_state() {
    let (first, last) = (change(1, Cause::Created, Some(Denied)), change(2, Cause::Deleted, None));
    let desk = Desk::new(&first, &last);
    let receipt = desk.receipt(Language::Thai, 10);
    assert_eq!(receipt.pii_processing.purposes[0].state, None);
    let jws = receipt.sign(&desk.key).unwrap();
    assert!(verify(&jws, &desk.keys()).is_ok());
    let page = receipt.page(&jws).unwrap();
    assert!(page.contains("ไม่มีข้อมูลผู้ติดต่อแล้ว"));
    assert!(verify(&page, &desk.keys()).is_ok());
}

#[test]
fn every_character_of_a_signed_receipt_counts() {
    let desk = Desk::usual();
    let (jws, keys) = (desk.signed(), desk.keys());
    for at in (0..jws.len()).step_by(7) {
        let mut edited = jws.clone().into_bytes();
        edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
        let edited = String::from_utf8(edited).unwrap();
        assert!(verify(&edited, &keys).is_err(), "{at}");
    }
}

#[test]
fn a_receipt_that_another_key_signed_is_none() {
    let (desk, other) = (Desk::usual(), Desk::usual());
    let found = verify(&desk.signed(), &other.keys()).unwrap_err();
    assert!(matches!(found, ReceiptError::Signature(JwsError::UnknownKey(_))), "{found}");
    for text in ["", "receipt", "<html></html>", "<meta name=\"consent-receipt\" content=\""] {
        assert!(verify(text, &desk.keys()).is_err(), "{text}");
    }
}

/// By whoever has the key, or a manager that is wrong: the ledger's own content speaks against it.
#[test]
fn what_a_receipt_says_must_be_what_the_ledger_has() {
    let desk = Desk::usual();
    let found = desk.found(|json| json["events"][0]["event_state"] = "DENIED".into());
    assert!(matches!(found, ReceiptError::Event(0)), "{found}");
    let found = desk.found(|json| json["events"][1]["event_time"] = "2026-01-01T00:00:00Z".into());
    assert!(matches!(found, ReceiptError::Event(1)), "{found}");
    let found = desk.found(|json| {
        json["pii_processing"]["purposes"][0]["state"] = "DENIED".into();
    });
    assert!(matches!(found, ReceiptError::State), "{found}");
    let found = desk.found(|json| json["events"][1]["ledger"]["index"] = 1.into());
    assert!(matches!(found, ReceiptError::Proof(1, 1)), "{found}");
    let found = desk.found(|json| json["events"].as_array_mut().unwrap().swap(0, 1));
    assert!(matches!(found, ReceiptError::Order(1)), "{found}");
    let found = desk.found(|json| json["events"] = Value::Array(Vec::new()));
    assert!(matches!(found, ReceiptError::State), "{found}");
    let other = json_of_other();
    let found = desk.found(|json| json["pii_principal_id"] = other.clone().into());
    assert!(matches!(found, ReceiptError::OtherCheckpoint), "{found}");
    let found = desk.found(|json| {
        json["pii_principal_id"] = other.clone().into();
        json["record_id"] = format!("{other}/consents/PHONE").into();
    });
    assert!(matches!(found, ReceiptError::Content(0)), "{found}");
    let found = desk.found(|json| json["ledger"]["tree_size"] = 3.into());
    assert!(matches!(found, ReceiptError::OtherCheckpoint), "{found}");
    let found = desk.found(|json| json["note"] = "x".into());
    assert!(matches!(found, ReceiptError::Payload(_)), "{found}");
}

/// Another contact of the same business.
fn json_of_other() -> String {
    format!("businesses/{}/contacts/{}", Uuid::from_u128(1), Uuid::from_u128(3))
}

#[test]
fn a_page_shows_what_was_signed_or_is_refused() {
    let desk = Desk::usual();
    for language in [Language::English, Language::Thai] {
        let receipt = desk.receipt(language, 10);
        let page = receipt.page(&receipt.sign(&desk.key).unwrap()).unwrap();
        assert!(verify(&page, &desk.keys()).is_ok());
        let word = if language == Language::Thai { "ยินยอม" } else { "consent given" };
        assert!(page.contains(&format!("<strong>{word}</strong>")));
        let edited = page.replace(&format!("<strong>{word}"), "<strong>?");
        let found = verify(&edited, &desk.keys()).unwrap_err();
        assert!(matches!(found, ReceiptError::Page), "{found}");
    }
}

#[test]
fn a_page_runs_nothing_loads_nothing_and_escapes_what_it_shows() {
    let desk = Desk::usual();
    let receipt = desk.receipt(Language::Thai, 10);
    let page = receipt.page("x.y.z").unwrap();
    for evil in ["<script", "src=", "href=", "url(", "@import", " on", "<2026-01>"] {
        assert!(!page.contains(evil), "{evil}");
    }
    assert!(page.contains("&lt;2026-01&gt; &amp; &quot;x&quot;"));
    assert!(page.contains("28 กุมภาพันธ์ 2569") || page.contains("1 มีนาคม 2569"), "{page}");
}

/// With that contact.
fn with(other: u128, change: ConsentChange) -> ConsentChange {
    let surface_parent = Some(SurfaceParent::Contact(Uuid::from_u128(other).into()));
    ConsentChange { surface_parent, ..change }
}

fn record_of(contact: u128) -> String {
    let business = Uuid::from_u128(1);
    format!("businesses/{business}/contacts/{}/consents/PHONE", Uuid::from_u128(contact))
}

impl Desk {
    /// A contact that has absorbed another one, number 3.
    fn merged() -> Self {
        let first = change(1, Cause::Created, Some(NotSet));
        let mut desk = Self::new(&first, &with(3, change(2, Cause::Merged, Some(Denied))));
        desk.merged = vec![Uuid::from_u128(3).into()];
        desk
    }
}

fn name_merged(json: &mut Value, contacts: &[u128]) {
    json["merged_records"] = contacts.iter().map(|it| Value::from(record_of(*it))).collect();
}

#[test]
fn a_receipt_names_whom_its_contact_has_absorbed_and_no_others() {
    let desk = Desk::merged();
    let said = verify(&desk.signed(), &desk.keys()).unwrap();
    assert_eq!(said.receipt.merged_records, [record_of(3)]);
    for language in [Language::English, Language::Thai] {
        let receipt = desk.receipt(language, 10);
        let page = receipt.page(&receipt.sign(&desk.key).unwrap()).unwrap();
        assert!(page.contains(record_of(3).trim_end_matches("/consents/PHONE")));
        assert!(verify(&page, &desk.keys()).is_ok());
    }
    for named in [&[][..], &[4], &[3, 4], &[4, 3], &[3, 3]] {
        let found = desk.found(|json| name_merged(json, named));
        assert!(matches!(found, ReceiptError::Merged), "{named:?} {found}");
    }
    let found = desk.found(|json| json["merged_into_record"] = record_of(3).into());
    assert!(matches!(found, ReceiptError::Merged), "{found}");
    let usual = Desk::usual();
    let found = usual.found(|json| name_merged(json, &[3]));
    assert!(matches!(found, ReceiptError::Merged), "{found}");
}

#[test]
fn of_merges_that_are_older_than_its_events_a_receipt_may_know_more() {
    let mut desk = Desk::merged();
    desk.omitted = 1;
    desk.merged.insert(0, Uuid::from_u128(4).into());
    let said = verify(&desk.signed(), &desk.keys()).unwrap();
    assert_eq!(said.receipt.merged_records, [record_of(4), record_of(3)]);
    // But not of what its events say otherwise.
    for named in [&[][..], &[4], &[3, 4], &[3, 3]] {
        let found = desk.found(|json| name_merged(json, named));
        assert!(matches!(found, ReceiptError::Merged), "{named:?} {found}");
    }
    let first = change(1, Cause::Created, Some(NotSet));
    let mut undone = Desk::new(&first, &with(3, change(2, Cause::MergeUndone, Some(NotSet))));
    undone.omitted = 1;
    assert!(verify(&undone.signed(), &undone.keys()).is_ok());
    let found = undone.found(|json| name_merged(json, &[3]));
    assert!(matches!(found, ReceiptError::Merged), "{found}");
}

#[test]
fn a_receipt_of_an_absorbed_contact_says_where_it_goes_on() {
    let first = change(1, Cause::Created, Some(Denied));
    let desk = Desk::new(&first, &with(3, change(2, Cause::Merged, None)));
    let said = verify(&desk.signed(), &desk.keys()).unwrap();
    assert_eq!(said.receipt.merged_into_record, Some(record_of(3)));
    assert_eq!(said.receipt.pii_processing.purposes[0].state, None);
    for other in [Value::Null, record_of(4).into()] {
        let found = desk.found(|json| json["merged_into_record"] = other);
        assert!(matches!(found, ReceiptError::Merged), "{found}");
    }
}

/// Those that people have: they say nothing of merges, and mean what they meant.
#[test]
fn receipts_of_the_first_edition_are_verified_as_ever() {
    for desk in [Desk::usual(), Desk::merged()] {
        let mut json: Value =
            serde_json::from_str(&desk.receipt(Language::Thai, 10).json().unwrap()).unwrap();
        let whole = json.as_object_mut().unwrap();
        whole["schema_version"] = "ISO/IEC TS 27560:2023; yinyom/1".into();
        let named = whole.remove("merged_records");
        let sign = |json: &Value| Jws::sign(&desk.key, TYPE, json.to_string().as_bytes());
        let said = verify(&sign(&json), &desk.keys()).unwrap();
        let page = said.receipt.page(&sign(&json)).unwrap();
        assert!(verify(&page, &desk.keys()).is_ok());
        if let Some(named) = named {
            json["merged_records"] = named;
            let found = verify(&sign(&json), &desk.keys()).unwrap_err();
            assert!(matches!(found, ReceiptError::Merged), "{found}");
        }
    }
}
