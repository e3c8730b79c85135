//! Deleting contacts: what goes, what stays, and who cannot.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::leads::{LeadPatch, Link, NewLead};
use yinyom_consent::Cause::{Created, Deleted, Expired, Set as SetByWord};
use yinyom_kernel::Code;
use yinyom_testkit::{TestDb, both_databases};

use super::{
    ABSENT, DENIED, EMAIL, GRANTED, MAIL, ONE, PHONE, TWO, causes, create, delete, everything,
    grant_for, no_points, points, saying, update, why,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    what_was_deleted_leaves_its_refusals_alone,
    a_grant_that_ran_out_is_recorded_before_the_deletion,
    a_leads_primary_contact_stays,
    the_same_person_is_somebody_else_afterwards,
    a_refused_address_that_left_before_is_kept_too,
);

async fn a_refused_address_that_left_before_is_kept_too(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = saying(&house, &[ONE, MAIL], &[(PHONE, DENIED), (EMAIL, GRANTED)]).await;
    update(&house, &house.owner, contact.id, points(&[(None, TWO)])).await.unwrap();
    update(&house, &house.owner, contact.id, no_points(PHONE)).await.unwrap();
    update(&house, &house.owner, contact.id, no_points(EMAIL)).await.unwrap();
    delete(&house, &house.owner, contact.id).await.unwrap();
    let kept = "SELECT COUNT(*) FROM refused_addresses WHERE business_id = $1";
    assert_eq!(house.count(kept).await, 2, "both numbers; the e-mail was never refused");
    for number in [ONE, TWO] {
        let again = create(&house, "Somchai", &[number]).await;
        assert_eq!(again.consents.phone.state, DENIED);
    }
}

async fn what_was_deleted_leaves_its_refusals_alone(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = saying(&house, &[ONE, TWO, MAIL], &[(PHONE, DENIED), (EMAIL, GRANTED)]).await;
    let session = house.session(&house.owner).await;
    let account = house.directory.create_account(&session, "Acme".to_owned(), None).await.unwrap();
    let link = Link::Add(vec![contact.id]);
    let id = account.now.unwrap().id;
    house.directory.link_account_contacts(&session, id, link, None).await.unwrap();
    delete(&house, &house.owner, contact.id).await.unwrap();
    for table in [
        "SELECT COUNT(*) FROM contacts WHERE business_id = $1",
        "SELECT COUNT(*) FROM contact_points WHERE business_id = $1",
        "SELECT COUNT(*) FROM contact_fingerprints WHERE business_id = $1",
        "SELECT COUNT(*) FROM account_contacts WHERE business_id = $1",
    ] {
        assert_eq!(house.count(table).await, 0, "{table}");
    }
    let kept = "SELECT COUNT(*) FROM refused_addresses WHERE business_id = $1 AND channel = 1";
    assert_eq!(house.count(kept).await, 2);
    let kept = "SELECT COUNT(*) FROM refused_addresses WHERE business_id = $1";
    assert_eq!(house.count(kept).await, 2, "the e-mail was never refused");
    let ledger = house.ledger().await;
    let last = ledger.last().unwrap();
    assert_eq!((last.seq, last.cause), (3, Deleted));
    let told: Vec<_> = last.channels.iter().map(|c| (c.from, c.to)).collect();
    assert_eq!(told, [(Some(DENIED), None), (Some(GRANTED), None)]);
    assert_eq!(why(delete(&house, &house.owner, contact.id).await), ABSENT);
}

async fn a_grant_that_ran_out_is_recorded_before_the_deletion(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    grant_for(&house, contact.id, PHONE, Duration::from_mins(1)).await;
    house.pass(Duration::from_secs(61)).await;
    delete(&house, &house.owner, contact.id).await.unwrap();
    assert_eq!(causes(&house, contact.id).await, [Created, SetByWord, Expired, Deleted]);
    let kept = "SELECT COUNT(*) FROM refused_addresses WHERE business_id = $1";
    assert_eq!(house.count(kept).await, 0, "that a yes ran out is no refusal");
}

async fn a_leads_primary_contact_stays(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (contact, other) = (create(&house, "One", &[ONE]).await, create(&house, "Two", &[]).await);
    let session = house.session(&house.owner).await;
    let new =
        NewLead { title: "Buys".to_owned(), source: String::new(), primary_contact: contact.id };
    let lead = house.directory.create_lead(&session, new, None).await.unwrap().now.unwrap();
    let before = everything(&house).await;
    let primary = (Code::FailedPrecondition, "PRIMARY_CONTACT");
    assert_eq!(why(delete(&house, &house.owner, contact.id).await), primary);
    let remove = Link::Remove(vec![other.id, contact.id]);
    let removed = house.directory.link_lead_contacts(&session, lead.id, remove, None).await;
    assert_eq!(why(removed), primary);
    assert_eq!(everything(&house).await, before);

    let patch = LeadPatch { primary_contact: Some(other.id), ..LeadPatch::default() };
    let directory = &house.directory;
    directory.update_lead(&session, lead.id, patch, String::new(), None).await.unwrap();
    delete(&house, &house.owner, contact.id).await.unwrap();
    let left = directory.contacts_of_lead(&session, lead.id, None, 9).await.unwrap();
    assert_eq!(left.items.iter().map(|c| c.id).collect::<Vec<_>>(), [other.id]);
}

async fn the_same_person_is_somebody_else_afterwards(db: TestDb) {
    let house = House::on(db.handle()).await;
    let gone = saying(&house, &[ONE], &[(PHONE, GRANTED)]).await;
    delete(&house, &house.owner, gone.id).await.unwrap();
    let back = create(&house, "Somchai", &[ONE]).await;
    assert_ne!(back.id, gone.id);
    assert_eq!(back.consent_seq, 1, "a ledger of its own");
    assert_eq!(why(update(&house, &house.owner, gone.id, no_points(PHONE)).await), ABSENT);
}
