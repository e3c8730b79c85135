//! Erasing a person: that nothing is left, that nobody who may is refused and nobody else does it, and that nothing brings
//! the person back.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::Error;
use contact_directory::commands::consents::Saying;
use contact_directory::commands::erase::{Erasure, Replay};
use contact_directory::commands::leads::{Link, NewLead};
use contact_directory::store::erase::Erased;
use prost::Message;
use uuid::Uuid;
use yinyom_consent::Cause::{Created, Deleted, Expired, Set as SetByWord};
use yinyom_consent::{CONTACTS, Cause};
use yinyom_db::DbError;
use yinyom_identity::Caller;
use yinyom_kernel::{Clock, Code, ContactId};
use yinyom_proto::manager::v1 as manager;
use yinyom_testkit::{TestDb, both_databases};

use super::{
    ABSENT, DENIED, EMAIL, GRANTED, MAIL, NOT_SET, NOTE, ONE, PHONE, TWO, causes, create, delete,
    everything, evidence, grant_for, new, number, read, request, say, saying, set, set_to, states,
    why, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    nothing_of_the_person_is_left,
    evidence_that_the_ledger_does_not_have_yet_goes_too,
    who_reads_the_ledger_may_erase_and_nobody_else,
    no_mask_no_lead_and_no_lost_key_refuses_it,
    without_live_rules_nobody_is_erased_by_a_role,
    a_deleted_contact_is_erased_with_what_it_refused,
    what_somebody_else_refused_stays,
    erasing_again_changes_nothing,
    a_request_takes_effect_once,
    absent_and_foreign_contacts_are_alike,
    an_old_request_does_not_make_the_person_anew,
    the_same_person_is_nobody_known_afterwards,
    a_grant_that_ran_out_is_recorded_before_the_erasure,
    a_withdrawal_at_the_same_time_is_before_it_or_finds_nobody,
    two_erasures_at_the_same_time_are_one,
    a_database_from_before_is_told,
);

async fn erase(house: &House, by: &Caller, contact: ContactId) -> Result<Erasure, Error> {
    house.directory.erase_subject(by, (house.business, contact), None).await
}

fn officer(house: &House) -> Caller {
    house.listed.clone()
}

async fn appoint(house: &House) {
    let member = officer(house).member().unwrap();
    house
        .rule(|policy| {
            let of = policy.members.get_mut(&member).unwrap();
            (of.listed, of.protection_officer) = (false, true);
        })
        .await;
}

/// Rows of every table that can name a contact, where they name this one.
async fn named(house: &House, contact: ContactId) -> Vec<(&'static str, i64)> {
    let mut found = Vec::new();
    for (table, sql) in [
        ("contacts", "SELECT COUNT(*) FROM contacts WHERE business_id = $1 AND contact_id = $2"),
        (
            "points",
            "SELECT COUNT(*) FROM contact_points WHERE business_id = $1 AND contact_id = $2",
        ),
        (
            "fingerprints",
            "SELECT COUNT(*) FROM contact_fingerprints WHERE business_id = $1 AND contact_id = $2",
        ),
        (
            "accounts",
            "SELECT COUNT(*) FROM account_contacts WHERE business_id = $1 AND contact_id = $2",
        ),
        ("leads", "SELECT COUNT(*) FROM lead_contacts WHERE business_id = $1 AND contact_id = $2"),
        (
            "primary",
            "SELECT COUNT(*) FROM leads WHERE business_id = $1 AND primary_contact_id = $2",
        ),
        ("refusers", "SELECT COUNT(*) FROM refusers WHERE business_id = $1 AND contact_id = $2"),
        (
            "departed",
            "SELECT COUNT(*) FROM departed_contacts WHERE business_id = $1 AND contact_id = $2",
        ),
    ] {
        let mut tx = house.db.read(house.scope()).await.unwrap();
        let rows: i64 = tx.scoped(sql).bind(contact.uuid()).scalar().await.unwrap();
        if rows > 0 {
            found.push((table, rows));
        }
    }
    found
}

async fn nothing_of_the_person_is_left(db: TestDb) {
    let house = House::on(db.handle()).await;
    let directory = &house.directory;
    let session = house.session(&house.owner).await;
    let mut wanted = new("Somchai", &[ONE, TWO, MAIL]);
    wanted.external_id = number("C-1");
    let made = directory.create_contact(&session, wanted, Some(request("create", b"x"))).await;
    let contact = made.unwrap().now.unwrap();
    let other = create(&house, "Malee", &[]).await;
    set(&house, &house.owner, contact.id, &[(PHONE, DENIED)]).await.unwrap();
    let account = directory.create_account(&session, "Acme".to_owned(), None).await.unwrap();
    let account = account.now.unwrap().id;
    let link = Link::Add(vec![contact.id]);
    directory.link_account_contacts(&session, account, link, None).await.unwrap();
    let lead = |title: &str, of| NewLead {
        title: title.to_owned(),
        source: "fair".to_owned(),
        primary_contact: of,
    };
    let alone = directory.create_lead(&session, lead("Somchai buys", contact.id), None).await;
    let alone = alone.unwrap().now.unwrap().id;
    let shared = directory.create_lead(&session, lead("Somchai rents", contact.id), None).await;
    let shared = shared.unwrap().now.unwrap().id;
    let link = Link::Add(vec![other.id]);
    directory.link_lead_contacts(&session, shared, link, None).await.unwrap();
    let theirs = directory.create_lead(&session, lead("Malee sells", other.id), None).await;
    let theirs = theirs.unwrap().now.unwrap().id;
    let link = Link::Add(vec![contact.id]);
    directory.link_lead_contacts(&session, theirs, link, None).await.unwrap();
    assert_eq!(named(&house, contact.id).await.len(), 6, "it was everywhere");

    let erasure = erase(&house, &house.owner, contact.id).await.unwrap();
    assert_eq!((erasure.at, &erasure.deleted_leads[..]), (house.clock.now(), &[alone][..]));
    let mut linked = [shared, theirs];
    linked.sort_unstable_by_key(|lead| lead.uuid());
    assert_eq!((&erasure.leads[..], &erasure.accounts[..]), (&linked[..], &[account][..]));
    assert_eq!(named(&house, contact.id).await, []);
    assert_eq!(
        house.count("SELECT COUNT(*) FROM refused_addresses WHERE business_id = $1").await,
        0
    );
    let titles: Vec<(String, String, String)> = house
        .rows("SELECT title, sort_title, source FROM leads WHERE business_id = $1 ORDER BY title")
        .await;
    let rest = [("-", "-", ""), ("Malee sells", "malee sells", "fair")];
    assert_eq!(titles, rest.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    let leads = directory.leads(&session, &[shared]).await.unwrap();
    assert_eq!(leads[0].primary_contact, other.id);
    let told = "SELECT COUNT(*) FROM requests WHERE business_id = $1 AND length(fingerprint) > 0";
    assert_eq!(house.count(told).await, 0, "fingerprints of what was in requests");
    assert_eq!(causes(&house, contact.id).await, [Created, SetByWord, Cause::Erased]);
    let last = house.ledger().await.into_iter().rfind(|change| change.contact == contact.id);
    let last = last.unwrap();
    let ends: Vec<_> = last.channels.iter().map(|of| (of.from, of.to)).collect();
    assert_eq!(ends, [(Some(DENIED), None), (Some(NOT_SET), None)]);
    assert_eq!(read(&house, other.id).await.revision, other.revision, "who is somebody else");
}

/// What waits to be sent of a contact: whether it has evidence, a commitment to it, and a key.
async fn waiting(house: &House, contact: ContactId) -> Vec<[bool; 3]> {
    let payloads: Vec<(Vec<u8>,)> = house
        .rows("SELECT payload FROM outbox_payloads WHERE business_id = $1 ORDER BY stream_id, seq")
        .await;
    let name = CONTACTS.format(house.business, contact);
    (payloads.iter())
        .map(|(bytes,)| manager::ConsentChange::decode(&bytes[..]).unwrap())
        .filter(|change| change.contact == name)
        .map(|change| {
            [change.sealed_evidence, change.evidence_commitment, change.subject_key]
                .map(|bytes| !bytes.is_empty())
        })
        .collect()
}

async fn evidence_that_the_ledger_does_not_have_yet_goes_too(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    let noted = |to| Saying { evidence: evidence(), ..word(contact.id, set_to(&[(PHONE, to)])) };
    say(&house, &house.owner, noted(GRANTED)).await.unwrap();
    say(&house, &house.owner, noted(DENIED)).await.unwrap();
    assert_eq!(waiting(&house, contact.id).await, [[false; 3], [true; 3], [true; 3]]);
    let before: Vec<_> =
        house.ledger().await.iter().map(yinyom_consent::ConsentChange::leaf_hash).collect();
    erase(&house, &house.owner, contact.id).await.unwrap();
    let proof = [false, true, false];
    assert_eq!(waiting(&house, contact.id).await, [[false; 3], proof, proof, [false; 3]]);
    let after: Vec<_> =
        house.ledger().await.iter().map(yinyom_consent::ConsentChange::leaf_hash).collect();
    assert_eq!(after[..3], before[..], "the leaves are what they were");
}

async fn who_reads_the_ledger_may_erase_and_nobody_else(db: TestDb) {
    let house = House::on(db.handle()).await;
    appoint(&house).await;
    let service = House::service(&[]);
    for by in [&house.owner, &house.admin, &officer(&house), &service] {
        let contact = saying(&house, &[ONE], &[(PHONE, DENIED)]).await;
        erase(&house, by, contact.id).await.unwrap();
        let last = house.ledger().await.into_iter().rfind(|change| change.contact == contact.id);
        assert_eq!(last.unwrap().actor, house.session(by).await.actor);
    }
    let contact = saying(&house, &[ONE], &[(PHONE, GRANTED)]).await;
    house.rule(|policy| policy.rules.enforcement = false).await;
    let before = everything(&house).await;
    let denied = (Code::PermissionDenied, "ERASURE_NOT_ALLOWED");
    assert_eq!(why(erase(&house, &house.user, contact.id).await), denied);
    let stranger = house.neighbour().await;
    assert_ne!(stranger.business(), house.business);
    house.remove(&house.admin).await;
    assert_eq!(why(erase(&house, &house.admin, contact.id).await), ABSENT);
    assert_eq!(everything(&house).await, before);
}

async fn no_mask_no_lead_and_no_lost_key_refuses_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    appoint(&house).await;
    let contact = saying(&house, &[ONE, MAIL], &[(PHONE, DENIED), (EMAIL, DENIED)]).await;
    let session = house.session(&house.owner).await;
    let lead =
        NewLead { title: "Buys".to_owned(), source: String::new(), primary_contact: contact.id };
    house.directory.create_lead(&session, lead, None).await.unwrap();
    house
        .db
        .write(house.scope(), move |mut tx| async move {
            let lose = "UPDATE contact_points SET sealed = blind_index WHERE business_id = $1";
            tx.scoped(lose).execute().await?;
            tx.done::<_, DbError>(())
        })
        .await
        .unwrap();
    let asked = house.directory.contact(&session, contact.id).await;
    assert_eq!(why(asked).0, Code::Internal, "nobody can open it any more");
    erase(&house, &officer(&house), contact.id).await.unwrap();
    assert_eq!(named(&house, contact.id).await, []);
}

async fn without_live_rules_nobody_is_erased_by_a_role(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    house.lapse();
    let before = everything(&house).await;
    let unknown = (Code::Unavailable, "POLICY_UNAVAILABLE");
    assert_eq!(why(erase(&house, &house.owner, contact.id).await), unknown);
    assert_eq!(everything(&house).await, before);
    erase(&house, &House::service(&[]), contact.id).await.unwrap();
}

async fn a_deleted_contact_is_erased_with_what_it_refused(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = saying(&house, &[ONE, MAIL], &[(PHONE, DENIED), (EMAIL, GRANTED)]).await;
    delete(&house, &house.owner, contact.id).await.unwrap();
    assert_eq!(named(&house, contact.id).await, [("refusers", 1), ("departed", 1)]);
    erase(&house, &house.owner, contact.id).await.unwrap();
    assert_eq!(named(&house, contact.id).await, []);
    assert_eq!(causes(&house, contact.id).await, [Created, SetByWord, Deleted, Cause::Erased]);
    let again = create(&house, "Somchai", &[ONE]).await;
    assert_eq!(again.consents.phone.state, NOT_SET, "kept until erasure only");
}

async fn what_somebody_else_refused_stays(db: TestDb) {
    let house = House::on(db.handle()).await;
    let one = saying(&house, &[ONE], &[(PHONE, DENIED)]).await;
    let other = saying(&house, &[ONE], &[(PHONE, DENIED)]).await;
    delete(&house, &house.owner, one.id).await.unwrap();
    delete(&house, &house.owner, other.id).await.unwrap();
    erase(&house, &house.owner, one.id).await.unwrap();
    assert_eq!(create(&house, "Somchai", &[ONE]).await.consents.phone.state, DENIED);
    erase(&house, &house.owner, other.id).await.unwrap();
    assert_eq!(create(&house, "Somchai", &[ONE]).await.consents.phone.state, NOT_SET);
}

async fn erasing_again_changes_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    let first = erase(&house, &house.owner, contact.id).await.unwrap();
    house.pass(Duration::from_mins(1)).await;
    let before = everything(&house).await;
    let second = erase(&house, &house.admin, contact.id).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(everything(&house).await, before);
}

async fn a_request_takes_effect_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (one, other) = (create(&house, "One", &[ONE]).await, create(&house, "Two", &[TWO]).await);
    let session = house.session(&house.owner).await;
    let lead = NewLead { title: "Buys".to_owned(), source: String::new(), primary_contact: one.id };
    house.directory.create_lead(&session, lead, None).await.unwrap();
    let asked = request("erase", b"one");
    let directory = &house.directory;
    let first =
        directory.erase_subject(&house.owner, (house.business, one.id), Some(asked.clone()));
    let first = first.await.unwrap();
    assert_eq!(first.deleted_leads.len(), 1);
    house.pass(Duration::from_mins(1)).await;
    let before = everything(&house).await;
    let again =
        directory.erase_subject(&house.owner, (house.business, one.id), Some(asked.clone()));
    assert_eq!(again.await.unwrap(), first);
    let mut changed = asked;
    changed.body = b"other".to_vec();
    let changed = directory.erase_subject(&house.owner, (house.business, other.id), Some(changed));
    assert_eq!(why(changed.await), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    assert_eq!(everything(&house).await, before);
}

async fn absent_and_foreign_contacts_are_alike(db: TestDb) {
    let house = House::on(db.handle()).await;
    let neighbour = house.neighbour().await;
    let made = house.directory.create_contact(&neighbour, new("Theirs", &[ONE]), None).await;
    let theirs = made.unwrap().now.unwrap();
    assert_eq!(why(erase(&house, &house.owner, theirs.id).await), ABSENT);
    assert_eq!(why(erase(&house, &house.owner, ContactId::generate()).await), ABSENT);
    let foreign =
        house.directory.erase_subject(&house.owner, (neighbour.business(), theirs.id), None);
    assert_eq!(why(foreign.await), ABSENT);
    assert!(house.directory.contact(&neighbour, theirs.id).await.is_ok());
}

async fn an_old_request_does_not_make_the_person_anew(db: TestDb) {
    let house = House::on(db.handle()).await;
    let session = house.session(&house.owner).await;
    let asked = request("create", b"Somchai");
    let create =
        || house.directory.create_contact(&session, new("Somchai", &[ONE]), Some(asked.clone()));
    let contact = create().await.unwrap().now.unwrap();
    erase(&house, &house.owner, contact.id).await.unwrap();
    assert_eq!(why(create().await), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    assert!(house.contacts().await.is_empty());
}

async fn the_same_person_is_nobody_known_afterwards(db: TestDb) {
    let house = House::on(db.handle()).await;
    let gone = saying(&house, &[ONE, MAIL], &[(PHONE, DENIED), (EMAIL, DENIED)]).await;
    erase(&house, &house.owner, gone.id).await.unwrap();
    let back = create(&house, "Somchai", &[ONE, MAIL]).await;
    assert_ne!(back.id, gone.id);
    assert_eq!(states(&house, &back), (NOT_SET, NOT_SET));
    assert!(!back.consents.phone.ever_refused(), "no memory of the refusal");
    assert_eq!(back.consent_seq, 1, "a ledger of its own");
}

async fn a_grant_that_ran_out_is_recorded_before_the_erasure(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    grant_for(&house, contact.id, PHONE, Duration::from_mins(1)).await;
    house.pass(Duration::from_secs(61)).await;
    erase(&house, &house.owner, contact.id).await.unwrap();
    assert_eq!(causes(&house, contact.id).await, [Created, SetByWord, Expired, Cause::Erased]);
}

async fn a_withdrawal_at_the_same_time_is_before_it_or_finds_nobody(db: TestDb) {
    let house = House::on(db.handle()).await;
    let mut ends = [0, 0];
    for round in 0..20 {
        let contact = saying(&house, &[ONE], &[(PHONE, GRANTED)]).await;
        let saying = Saying { evidence: evidence(), ..word(contact.id, withdrawal(&[PHONE])) };
        let withdrawing = async {
            tokio::task::yield_now().await;
            say(&house, &house.user, saying).await
        };
        let erasing = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            erase(&house, &house.owner, contact.id).await
        };
        let (withdrawn, erased) = tokio::join!(withdrawing, erasing);
        erased.unwrap();
        match withdrawn {
            Ok(_) => ends[0] += 1,
            Err(error) => {
                assert_eq!(why(Err::<(), _>(error)), ABSENT);
                ends[1] += 1;
            }
        }
        // Numbers have no gap, and nothing comes after it.
        assert_eq!(causes(&house, contact.id).await.pop(), Some(Cause::Erased));
        assert_eq!(named(&house, contact.id).await, []);
        assert!(waiting(&house, contact.id).await.iter().all(|[sealed, _, key]| !sealed && !key));
    }
    assert_eq!(ends[0] + ends[1], 20, "{NOTE}");
}

async fn two_erasures_at_the_same_time_are_one(db: TestDb) {
    let house = House::on(db.handle()).await;
    for _ in 0..10 {
        let contact = create(&house, "Somchai", &[ONE]).await;
        let (one, other) = tokio::join!(
            erase(&house, &house.owner, contact.id),
            erase(&house, &house.admin, contact.id),
        );
        assert_eq!(one.unwrap().at, other.unwrap().at);
        assert_eq!(causes(&house, contact.id).await, [Created, Cause::Erased]);
    }
}

async fn a_database_from_before_is_told(db: TestDb) {
    let house = House::on(db.handle()).await;
    let there = saying(&house, &[ONE], &[(PHONE, DENIED)]).await;
    let deleted = saying(&house, &[TWO], &[(PHONE, DENIED)]).await;
    delete(&house, &house.owner, deleted.id).await.unwrap();
    let never = ContactId::generate();
    let replay = Replay::new(house.db.clone());
    for contact in [there.id, deleted.id, never] {
        let erased = Erased { contact, seq: 9, at: house.clock.now() };
        assert!(replay.erase(house.scope(), erased).await.unwrap());
        assert!(!replay.erase(house.scope(), erased).await.unwrap(), "once");
        assert_eq!(named(&house, contact).await, []);
        assert_eq!(waiting(&house, contact).await.len(), 0, "the ledger has it already");
    }
    let known = replay.known((Uuid::nil(), Uuid::nil()), 9).await.unwrap();
    assert_eq!(known.len(), 3);
    assert!(
        known
            .iter()
            .all(|(business, erased)| { *business == house.business.uuid() && erased.seq == 9 })
    );
    assert_eq!(
        house.count("SELECT COUNT(*) FROM refused_addresses WHERE business_id = $1").await,
        0
    );
}
