//! Recording what one customer said.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::consents::Saying;
use contact_directory::commands::leads::Link;
use contact_directory::domain::surface::Place;
use yinyom_consent::Cause::{Created, Expired, Set as SetByWord};
use yinyom_consent::{Actor, Role, SurfaceParent};
use yinyom_db::DbError;
use yinyom_identity::Caller;
use yinyom_kernel::{AccountId, Code, ContactId, LeadId};
use yinyom_testkit::{TestDb, both_databases};

use super::accounts::account;
use super::leads::{lead, link};
use super::{
    ABSENT, DENIED, EMAIL, GRANTED, MAIL, NOT_SET, ONE, PHONE, causes, create, everything,
    grant_for, read, say, saying, set, set_to, states, why, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    both_channels_change_as_one_change_or_neither_does,
    the_same_word_again_is_a_change,
    who_says_it_where_is_recorded,
    a_false_surface_is_refused,
    a_lead_of_nobody_is_as_false_as_one_of_somebody_else,
    a_grant_that_ran_out_is_recorded_first_as_a_change_of_its_own,
    a_word_on_what_has_changed_since_is_refused,
    an_etag_changes_with_every_word,
    nobody_says_anything_of_who_is_absent,
    what_is_said_and_what_was_said_opens_no_address,
);

async fn both_channels_change_as_one_change_or_neither_does(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = saying(&house, &[ONE, MAIL], &[(PHONE, DENIED)]).await;
    let before = everything(&house).await;
    let both = [(PHONE, GRANTED), (EMAIL, GRANTED)];
    let lifts = (Code::PermissionDenied, "CANNOT_LIFT_OWN_MASK");
    assert_eq!(why(set(&house, &house.user, contact.id, &both).await), lifts);
    assert_eq!(everything(&house).await, before);
    let after = set(&house, &house.owner, contact.id, &both).await.unwrap().now.unwrap();
    assert_eq!(states(&house, &after), (GRANTED, GRANTED));
    assert_eq!((after.consent_seq, after.revision), (3, 3));
    let ledger = house.ledger().await;
    assert_eq!(ledger.last().unwrap().channels.len(), 2, "one change of two channels");
    assert_eq!(read(&house, contact.id).await.without_points(), after);
}

async fn the_same_word_again_is_a_change(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    for _ in 0..3 {
        set(&house, &house.user, contact.id, &[(PHONE, GRANTED)]).await.unwrap();
    }
    assert_eq!(causes(&house, contact.id).await, [Created, SetByWord, SetByWord, SetByWord]);
}

async fn who_says_it_where_is_recorded(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    let lead = lead(&house, &contact).await;
    let customer = account(&house, "Acme").await;
    let (owner, link) = (house.session(&house.owner).await, Link::Add(vec![contact.id]));
    house.directory.link_account_contacts(&owner, customer.id, link, None).await.unwrap();
    let service = House::service(&[]);
    let member = |caller: &Caller, role| Actor::Member { member: caller.member().unwrap(), role };
    let cases = [
        (&house.user, Place::Lead(lead.id), member(&house.user, Some(Role::User))),
        (&house.admin, Place::LeadContacts(lead.id), member(&house.admin, Some(Role::Admin))),
        (
            &house.owner,
            Place::AccountContacts(customer.id),
            member(&house.owner, Some(Role::Owner)),
        ),
        (&house.listed, Place::Contacts, member(&house.listed, Some(Role::User))),
        (&service, Place::Api, Actor::Service { name: "crm".to_owned() }),
    ];
    for (caller, place, actor) in cases {
        let said = Saying { place, ..word(contact.id, set_to(&[(PHONE, GRANTED)])) };
        say(&house, caller, said).await.unwrap();
        let ledger = house.ledger().await;
        let last = ledger.last().unwrap();
        assert_eq!((last.surface, last.surface_parent), (place.surface(), place.parent()));
        assert_eq!(last.actor, actor);
        let parent = matches!(place, Place::Lead(_) | Place::LeadContacts(_));
        assert_eq!(last.surface_parent == Some(SurfaceParent::Lead(lead.id)), parent);
    }
}

async fn a_false_surface_is_refused(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (primary, linked) = (create(&house, "P", &[]).await, create(&house, "L", &[]).await);
    let (nowhere, of_account) = (create(&house, "N", &[]).await, create(&house, "A", &[]).await);
    let lead = lead(&house, &primary).await;
    link(&house, &lead, &linked).await;
    let customer = account(&house, "Acme").await;
    let (owner, add) = (house.session(&house.owner).await, Link::Add(vec![of_account.id]));
    house.directory.link_account_contacts(&owner, customer.id, add, None).await.unwrap();
    let before = everything(&house).await;
    let (member, service) = (&house.owner, &House::service(&[]));
    let mismatch = (Code::FailedPrecondition, "SURFACE_MISMATCH");
    for (caller, contact, place) in [
        (member, &linked, Place::Lead(lead.id)),
        (member, &nowhere, Place::Lead(lead.id)),
        (member, &nowhere, Place::LeadContacts(lead.id)),
        (member, &of_account, Place::LeadContacts(lead.id)),
        (member, &primary, Place::AccountContacts(customer.id)),
        (member, &primary, Place::Api),
        (member, &primary, Place::Import),
        (service, &primary, Place::Lead(lead.id)),
        (service, &of_account, Place::AccountContacts(customer.id)),
        (service, &primary, Place::Contacts),
        (service, &primary, Place::Import),
    ] {
        let granted = set_to(&[(PHONE, GRANTED)]);
        for said in [granted, withdrawal(&[PHONE])] {
            let said = Saying { place, ..word(contact.id, said) };
            assert_eq!(why(say(&house, caller, said).await), mismatch, "{place:?}");
        }
    }
    assert_eq!(everything(&house).await, before);
}

async fn a_lead_of_nobody_is_as_false_as_one_of_somebody_else(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[]).await;
    let theirs = house.neighbour().await;
    let (person, directory) = (super::new("Theirs", &[]), &house.directory);
    let foreign = directory.create_contact(&theirs, person, None).await.unwrap();
    let foreign = super::leads::new_lead("Theirs", foreign.receipt.id.into());
    let foreign = directory.create_lead(&theirs, foreign, None).await.unwrap().now.unwrap();
    let mismatch = (Code::FailedPrecondition, "SURFACE_MISMATCH");
    for lead in [foreign.id, LeadId::generate()] {
        for place in [Place::Lead(lead), Place::LeadContacts(lead)] {
            let said = Saying { place, ..word(contact.id, withdrawal(&[PHONE])) };
            assert_eq!(why(say(&house, &house.owner, said).await), mismatch);
        }
    }
    let place = Place::AccountContacts(AccountId::generate());
    let said = Saying { place, ..word(contact.id, withdrawal(&[PHONE])) };
    assert_eq!(why(say(&house, &house.owner, said).await), mismatch);
}

async fn a_grant_that_ran_out_is_recorded_first_as_a_change_of_its_own(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE, MAIL]).await;
    let granted = grant_for(&house, contact.id, PHONE, Duration::from_mins(1)).await;
    house.pass(Duration::from_mins(1)).await;
    // Of the other channel: what ran out is recorded all the same, on nobody's evidence.
    let said =
        Saying { evidence: super::evidence(), ..word(contact.id, set_to(&[(EMAIL, GRANTED)])) };
    let after = say(&house, &house.owner, said).await.unwrap().now.unwrap();
    assert_eq!((after.consent_seq, after.revision), (4, 3));
    assert_eq!(states(&house, &after), (NOT_SET, GRANTED));
    let ledger = house.ledger().await;
    let [_, _, expired, set] = &ledger[..] else { panic!("four changes") };
    assert_eq!((expired.cause, set.cause), (Expired, SetByWord));
    let [change] = expired.channels[..] else { panic!("one channel ran out") };
    assert_eq!((change.channel, change.from, change.to), (PHONE, Some(GRANTED), Some(NOT_SET)));
    assert_eq!(change.expires_at, granted.consents.phone.expires_at);
    assert!(expired.evidence_commitment.is_none() && set.evidence_commitment.is_some());
    let nobody = Actor::Service { name: "contact-directory".to_owned() };
    assert_eq!(expired.actor, nobody, "whoever comes next has not ended the grant");
}

async fn a_word_on_what_has_changed_since_is_refused(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    let said = |etag: String| Saying { etag, ..word(contact.id, set_to(&[(PHONE, GRANTED)])) };
    let etag = contact.etag().to_string();
    say(&house, &house.owner, said(etag.clone())).await.unwrap();
    let before = everything(&house).await;
    let stale = say(&house, &house.owner, said(etag.clone())).await;
    assert_eq!(why(stale), (Code::Aborted, "ETAG_MISMATCH"));
    assert_eq!(everything(&house).await, before);
    // A no is taken whatever changed.
    let no = Saying { etag, ..word(contact.id, withdrawal(&[PHONE])) };
    let after = say(&house, &house.user, no).await.unwrap().now.unwrap();
    assert_eq!(states(&house, &after).0, DENIED);
}

async fn an_etag_changes_with_every_word(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    let mut etags = std::collections::HashSet::from([contact.etag().to_string()]);
    for _ in 0..4 {
        let set = set(&house, &house.owner, contact.id, &[(PHONE, GRANTED)]).await.unwrap();
        assert_eq!(set.receipt.revision, set.now.as_ref().unwrap().revision);
        assert!(etags.insert(set.now.unwrap().etag().to_string()));
    }
}

async fn nobody_says_anything_of_who_is_absent(db: TestDb) {
    let house = House::on(db.handle()).await;
    let before = everything(&house).await;
    let id = ContactId::generate();
    assert_eq!(why(set(&house, &house.owner, id, &[(PHONE, GRANTED)]).await), ABSENT);
    let no = word(id, withdrawal(&[PHONE]));
    assert_eq!(why(say(&house, &house.owner, no).await), ABSENT);
    assert_eq!(everything(&house).await, before);
}

/// Nobody can open this one's any more.
async fn what_is_said_and_what_was_said_opens_no_address(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE, MAIL]).await;
    let damaged = house.db.write(house.scope(), |mut tx| async move {
        let damage = "UPDATE contact_points SET sealed = blind_index WHERE business_id = $1";
        tx.scoped(damage).execute().await?;
        tx.done::<_, DbError>(())
    });
    damaged.await.unwrap();
    let session = house.session(&house.user).await;
    let opened = house.directory.contact(&session, contact.id).await;
    assert_eq!(why(opened).0, Code::Internal);
    let after = set(&house, &house.user, contact.id, &[(PHONE, GRANTED)]).await.unwrap();
    let told = house.directory.consents(&session, contact.id).await.unwrap();
    assert_eq!(Some(&told), after.now.as_ref());
    assert_eq!(states(&house, &told), (GRANTED, NOT_SET));
}
