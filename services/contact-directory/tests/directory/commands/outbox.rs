//! What goes to the ledger: in order, without a gap, and with nobody's name on it.

use std::collections::HashMap;

use contact_directory::MIGRATIONS;
use contact_directory::commands::consents::Saying;
use contact_directory::commands::contacts::NewContact;
use prost::Message;
use yinyom_consent::open_evidence;
use yinyom_kernel::ContactId;
use yinyom_proto::manager::v1 as manager;
use yinyom_testkit::{TestDb, both_databases};

use super::{
    GRANTED, MAIL, NOTE, ONE, PHONE, TWO, address, create, delete, evidence, new, number, points,
    read, say, set_to, update, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    fifty_writers_at_once_leave_no_gap,
    no_payload_says_who_somebody_is,
    evidence_opens_with_the_contacts_key_alone,
    a_change_without_evidence_carries_no_key,
);

async fn fifty_writers_at_once_leave_no_gap(db: TestDb) {
    let house = House::on(db.handle()).await;
    let mut contacts = Vec::new();
    for name in ["One", "Two", "Three"] {
        contacts.push(create(&house, name, &[ONE, MAIL]).await.id);
    }
    let session = house.session(&house.owner).await;
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..50_usize {
        let (directory, session) = (house.directory.clone(), session.clone());
        let (yes, no) = (set_to(&[(PHONE, GRANTED)]), withdrawal(&[PHONE]));
        // Half of them batches, named in every order, so that locks cross if they can.
        let mut ids = contacts.clone();
        ids.rotate_left(n % 3);
        writers.spawn(async move {
            let one = word(ids[0], if n % 2 == 0 { yes.clone() } else { no });
            directory.say(&session, one, None).await.unwrap();
            if n % 2 == 0 {
                let rows = ids.iter().map(|id| Ok(word(*id, yes.clone()))).collect();
                directory.say_all(&session, rows, None).await.unwrap();
            } else {
                let patch = points(&[(None, ONE), (None, [ONE, TWO][n / 2 % 2])]);
                let patch = if n / 2 % 2 == 0 { points(&[(None, ONE)]) } else { patch };
                directory
                    .update_contact(&session, ids[1], patch, String::new(), None)
                    .await
                    .unwrap();
            }
        });
    }
    writers.join_all().await;
    // Fails on a gap, and on a change that does not start where the one before it ended.
    let ledger = house.ledger().await;
    let mut last: HashMap<ContactId, i64> = HashMap::new();
    for change in &ledger {
        last.insert(change.contact, change.seq);
    }
    for id in &contacts {
        assert_eq!(last[id], read(&house, *id).await.consent_seq);
    }
    // 3 were created; 50 words; 25 batches of 3. Changes of addresses ask anew what was granted just then.
    assert!(ledger.len() >= 3 + 50 + 25 * 3, "{} changes", ledger.len());
}

async fn payloads(house: &House) -> Vec<Vec<u8>> {
    let sql = "SELECT payload FROM outbox_payloads WHERE business_id = $1 ORDER BY stream_id, seq";
    house.rows::<(Vec<u8>,)>(sql).await.into_iter().map(|(bytes,)| bytes).collect()
}

async fn no_payload_says_who_somebody_is(db: TestDb) {
    let house = House::on(db.handle()).await;
    let session = house.session(&house.owner).await;
    let person = NewContact { external_id: number("C-4711"), ..new("Somchai", &[ONE, MAIL]) };
    let contact =
        house.directory.create_contact(&session, person, None).await.unwrap().now.unwrap();
    let yes = set_to(&[(PHONE, GRANTED)]);
    let said = Saying { evidence: evidence(), ..word(contact.id, yes) };
    say(&house, &house.owner, said).await.unwrap();
    update(&house, &house.owner, contact.id, points(&[(None, TWO)])).await.unwrap();
    delete(&house, &house.owner, contact.id).await.unwrap();
    let payloads = payloads(&house).await;
    assert_eq!(payloads.len(), 4);
    let keys = house.keys.of(&house.db, house.scope(), 0).await.unwrap();
    let mut hidden: Vec<Vec<u8>> =
        ["Somchai", "C-4711", &ONE[1..], &TWO[1..], MAIL, "example", NOTE, "สีลม", "A-17"]
            .map(|text| text.as_bytes().to_vec())
            .to_vec();
    // Not even a hash that an address could be tried against.
    hidden.extend([ONE, TWO, MAIL].map(|text| keys.blind_index(&address(text)).to_vec()));
    for payload in payloads {
        for text in &hidden {
            assert!(!payload.windows(text.len()).any(|window| window == text));
        }
    }
}

async fn evidence_opens_with_the_contacts_key_alone(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (contact, other) = (create(&house, "One", &[ONE]).await, create(&house, "Two", &[]).await);
    let evidence = evidence();
    let said = |id| Saying { evidence: evidence.clone(), ..word(id, withdrawal(&[PHONE])) };
    say(&house, &house.user, said(contact.id)).await.unwrap();
    say(&house, &house.user, said(other.id)).await.unwrap();
    delete(&house, &house.owner, contact.id).await.unwrap();
    let keys = house.keys.of(&house.db, house.scope(), 0).await.unwrap();
    let mut opened = 0;
    for payload in payloads(&house).await {
        let sent = manager::ConsentChange::decode(&payload[..]).unwrap();
        if sent.sealed_evidence.is_empty() {
            continue;
        }
        opened += 1;
        // The key travels along, sealed, because it is needed when the contact is gone.
        let is_first = sent.subject_key == contact.subject_key;
        let (id, foreign) = if is_first { (contact.id, other.id) } else { (other.id, contact.id) };
        let key = keys.unwrap_subject(id, &sent.subject_key).unwrap();
        let open = |id, seq| open_evidence(&key, house.business, id, seq, &sent.sealed_evidence);
        assert_eq!(open(id, 2).unwrap(), evidence.personal);
        assert!(open(foreign, 2).is_err() && open(id, 1).is_err(), "of that change alone");
        assert!(keys.unwrap_subject(foreign, &sent.subject_key).is_err());
    }
    assert_eq!(opened, 2);
}

async fn a_change_without_evidence_carries_no_key(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "One", &[ONE]).await;
    say(&house, &house.user, word(contact.id, withdrawal(&[PHONE]))).await.unwrap();
    for payload in payloads(&house).await {
        let sent = manager::ConsentChange::decode(&payload[..]).unwrap();
        assert!(sent.sealed_evidence.is_empty() && sent.subject_key.is_empty());
    }
}
