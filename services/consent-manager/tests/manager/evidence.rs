//! What identifies a person: shown to readers of the ledger, and nowhere else.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use consent_manager::MIGRATIONS;
use tracing_subscriber::filter::LevelFilter;
use yinyom_consent::Cause;
use yinyom_kernel::Scope;
use yinyom_privacy::DataKey;
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::types::v1::Evidence;
use yinyom_testkit::{TestDb, both_databases};

use crate::support::*;

const NOTE: &str = "spoke with khun Somchai at the fair";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that anybody in this process logs, however quietly.
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_writer(move || writer.clone())
            .init();
        log
    })
}

async fn noted(db: TestDb) -> (World, Contact, pb::ConsentChange) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    let change = contact.phone_with_note(world.now(), Granted, NOTE);
    world.take(vec![change.clone()]).await;
    (world, contact, change)
}

async fn evidence(world: &World, contact: &Contact) -> Vec<Option<Evidence>> {
    world.history(contact).await.entries.into_iter().map(|entry| entry.evidence).collect()
}

async fn readers_of_the_ledger_see_the_evidence_in_history_and_list(db: TestDb) {
    let (world, contact, _) = noted(db).await;
    let shown = evidence(&world, &contact).await.remove(0).unwrap();
    assert_eq!((shown.note.as_str(), shown.reference.as_str()), (NOTE, "ticket 7"));
    assert_eq!((shown.method, shown.notice_version.as_str()), (2, "3"));
    let request = pb::ListConsentChangesRequest { parent: world.parent(), ..Default::default() };
    let mut ledger = world.ledger(world.members.admin);
    let listed = ledger.list_consent_changes(request).await.unwrap().into_inner();
    assert_eq!(listed.entries[0].evidence, Some(shown));
}

async fn nothing_personal_is_stored_in_the_clear_or_logged(db: TestDb) {
    let log = log();
    let (world, mut contact, change) = noted(db).await;
    evidence(&world, &contact).await;
    // The alarms, too: a conflict, a change that cannot be read, evidence that cannot be opened.
    let mut forged = change.clone();
    forged.notice_version.push('4');
    world.send(vec![forged]).await;
    let mut unreadable = contact.phone_with_note(world.now(), Denied, NOTE);
    unreadable.cause = 0;
    world.send(vec![unreadable.clone()]).await;
    unreadable.cause = 2;
    unreadable.sealed_evidence.reverse();
    world.take(vec![unreadable]).await;
    let shown = evidence(&world, &contact).await;
    assert_eq!(shown[0].as_ref().map(|evidence| evidence.note.as_str()), Some(""));
    assert_eq!(shown[1].as_ref().map(|evidence| evidence.note.as_str()), Some(NOTE));

    let key = contact.key.expose().to_vec();
    let hex = format!("{:032x}{:032x}", half(&key[..16]), half(&key[16..]));
    let logged = log.0.lock().unwrap().clone();
    assert!(contains(&logged, b"a change differs") && contains(&logged, b"evidence is lost"));
    let secrets =
        [NOTE.as_bytes(), b"ticket 7", &key, hex.as_bytes(), format!("{key:?}").as_bytes()]
            .map(<[u8]>::to_vec);
    for secret in &secrets {
        assert!(!contains(&logged, secret), "logged: {}", String::from_utf8_lossy(secret));
    }
    #[expect(clippy::disallowed_methods, reason = "the test looks into the store of its business")]
    let scope = Scope::assume(world.business);
    let mut tx = world.db.read(scope).await.unwrap();
    let stored: Vec<(Vec<u8>, Vec<u8>)> = tx
        .scoped(
            "SELECT l.sealed_evidence, s.wrapped_key FROM ledger l JOIN subjects s
             ON s.business_id = l.business_id AND s.contact_id = l.contact_id
             WHERE l.business_id = $1",
        )
        .fetch_all()
        .await
        .unwrap();
    assert_eq!(stored.len(), 2);
    for (sealed, wrapped) in stored {
        assert!(!contains(&sealed, b"Somchai") && !contains(&wrapped, &key));
    }
}

fn half(key: &[u8]) -> u128 {
    u128::from_be_bytes(key.try_into().unwrap())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

async fn erasure_destroys_what_identifies_and_keeps_the_proof(db: TestDb) {
    let (world, mut contact, change) = noted(db).await;
    let before = world.history(&contact).await.entries.remove(0);
    world.take(vec![contact.gone(world.now(), Cause::Erased)]).await;
    // A relay that repeats itself does not bring the key back.
    world.take(vec![change]).await;
    let history = world.history(&contact).await;
    assert!(history.consents.is_empty());
    let after = &history.entries[1];
    let kept = after.evidence.clone().unwrap();
    assert_eq!((kept.note.as_str(), kept.reference.as_str(), kept.method), ("", "", 2));
    assert_eq!(after.leaf_hash, before.leaf_hash);
}

async fn a_contact_keeps_its_first_key(db: TestDb) {
    let (world, mut contact, _) = noted(db).await;
    contact.key = DataKey::generate();
    world.take(vec![contact.phone_with_note(world.now(), Denied, "other")]).await;
    let notes: Vec<_> = evidence(&world, &contact)
        .await
        .into_iter()
        .map(|evidence| evidence.unwrap_or_default().note)
        .collect();
    assert_eq!(notes, ["", NOTE], "what could be read before can be read still");
}

async fn a_page_of_long_notes_fits_into_an_answer(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    let note = "ก".repeat(2_000);
    for _ in 0..2 {
        let batch = (0..400).map(|_| contact.phone_with_note(world.now(), Granted, &note));
        world.take(batch.collect()).await;
    }
    let mut ledger = world.ledger(world.members.owner);
    let mut request = pb::ListConsentChangesRequest {
        parent: world.parent(),
        page_size: 1_000,
        ..Default::default()
    };
    let mut indexes = Vec::new();
    loop {
        let page = ledger.list_consent_changes(request.clone()).await.unwrap().into_inner();
        indexes.extend(page.entries.iter().map(|entry| entry.ledger_index));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(indexes, (0..800).rev().collect::<Vec<_>>());
}

both_databases!(MIGRATIONS =>
    readers_of_the_ledger_see_the_evidence_in_history_and_list,
    nothing_personal_is_stored_in_the_clear_or_logged,
    erasure_destroys_what_identifies_and_keeps_the_proof,
    a_contact_keeps_its_first_key,
    a_page_of_long_notes_fits_into_an_answer,
);
