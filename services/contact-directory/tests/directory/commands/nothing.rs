//! What is refused has done nothing: no change, no row for the ledger, no record of its request.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::consents::Saying;
use contact_directory::commands::contacts::{ContactPatch, NamePatch, NewContact};
use contact_directory::commands::leads::{LeadPatch, Link, Target};
use contact_directory::domain::surface::Place;
use contact_directory::store::StoreError;
use yinyom_kernel::{AccountId, Code, ContactId, Fault, PointId};
use yinyom_testkit::{TestDb, both_databases};

use super::accounts::account;
use super::leads::{lead, new_lead};
use super::{
    DENIED, EMAIL, GRANTED, MAIL, ONE, PHONE, TWO, create, everything, grant_for, new, number,
    points, read, request, set, set_to, why, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    a_refused_call_leaves_nothing_and_its_request_can_be_sent_again,
    a_call_that_fails_at_its_last_step_leaves_nothing,
    a_call_that_was_given_up_leaves_all_or_nothing,
);

async fn a_refused_call_leaves_nothing_and_its_request_can_be_sent_again(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (owner, user) = (house.session(&house.owner).await, house.session(&house.user).await);
    let directory = &house.directory;
    let numbered = NewContact { external_id: number("C-1"), ..new("Numbered", &[]) };
    directory.create_contact(&owner, numbered.clone(), None).await.unwrap();
    // Its phone ran out, which the next change records: unless that is refused. Its e-mail is hidden from the user.
    let contact = create(&house, "Somchai", &[ONE, MAIL]).await;
    set(&house, &house.owner, contact.id, &[(EMAIL, DENIED)]).await.unwrap();
    grant_for(&house, contact.id, PHONE, Duration::from_mins(1)).await;
    let (lead, customer) = (lead(&house, &contact).await, account(&house, "Acme").await);
    house.pass(Duration::from_mins(1)).await;
    let before = everything(&house).await;

    let sent = request("the call", b"");
    let id = || Some(sent.clone());
    let (etag, stale) = (String::new, || "stale".to_owned());
    let (cid, lid, aid) = (contact.id, lead.id, customer.id);
    let nobody = ContactId::generate();
    // It goes wrong after the external id, the name and one channel have been dealt with.
    let late = ContactPatch {
        external_id: Some(number("C-2")),
        name: Some(NamePatch { first: Some("Other".to_owned()), last: None }),
        points: yinyom_consent::ByChannel {
            phone: points(&[(None, TWO)]).points.phone,
            email: points(&[(Some(PointId::generate()), "two@example.com")]).points.email,
        },
    };
    let title = LeadPatch { title: Some("Other".to_owned()), ..LeadPatch::default() };
    let moved = LeadPatch { primary_contact: Some(nobody), ..title.clone() };
    let into_nothing = || Target::Existing(AccountId::generate());
    let false_place = Saying { place: Place::Api, ..word(cid, withdrawal(&[PHONE])) };
    let lifts = word(cid, set_to(&[(PHONE, GRANTED), (EMAIL, GRANTED)]));
    let old = Saying { etag: stale(), ..word(cid, set_to(&[(PHONE, GRANTED)])) };
    let to = Link::Add(vec![contact.id, nobody]);

    let refused = [
        directory.create_contact(&owner, numbered, id()).await.map(drop),
        directory.update_contact(&owner, cid, late, etag(), id()).await.map(drop),
        directory.update_contact(&user, cid, points(&[(None, TWO)]), etag(), id()).await.map(drop),
        directory
            .update_contact(&owner, cid, ContactPatch::default(), stale(), id())
            .await
            .map(drop),
        directory.delete_contact(&owner, cid, etag(), id()).await,
        directory.delete_contact(&user, cid, etag(), id()).await,
        directory.say(&user, lifts, id()).await.map(drop),
        directory.say(&owner, false_place, id()).await.map(drop),
        directory.say(&owner, old, id()).await.map(drop),
        directory.create_lead(&owner, new_lead("New", nobody), id()).await.map(drop),
        directory.update_lead(&owner, lid, title, stale(), id()).await.map(drop),
        directory.update_lead(&owner, lid, moved, etag(), id()).await.map(drop),
        directory.link_lead_contacts(&owner, lid, to.clone(), id()).await.map(drop),
        directory.link_lead_contacts(&owner, lid, Link::Remove(vec![cid]), id()).await.map(drop),
        directory.convert_lead(&owner, lid, into_nothing(), etag(), id()).await.map(drop),
        directory.delete_lead(&owner, lid, stale(), id()).await,
        directory.update_account(&owner, aid, Some("x".into()), stale(), id()).await.map(drop),
        directory.link_account_contacts(&owner, aid, to, id()).await.map(drop),
        directory.delete_account(&owner, aid, stale(), id()).await,
    ];
    for (call, result) in refused.into_iter().enumerate() {
        let error = result.expect_err(&format!("call {call} is refused"));
        assert_ne!(error.code(), Code::Internal, "call {call}");
    }
    assert_eq!(everything(&house).await, before);

    directory.create_contact(&owner, new("Now", &[]), id()).await.unwrap();
    assert_eq!(house.count("SELECT COUNT(*) FROM requests WHERE business_id = $1").await, 1);
}

/// The row for the ledger is the last thing that is written: here it cannot be.
async fn a_call_that_fails_at_its_last_step_leaves_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    let stream = contact.id.uuid();
    let meddle = house.db.write::<(), StoreError, _, _>(house.scope(), move |mut tx| async move {
        tx.scoped(
            "INSERT INTO outbox (business_id, stream_id, seq, created_at, due_at)
             SELECT business_id, stream_id, 2, created_at, due_at
             FROM outbox WHERE business_id = $1 AND stream_id = $2",
        )
        .bind(stream)
        .execute()
        .await?;
        tx.done(())
    });
    meddle.await.unwrap();
    let before = everything(&house).await;
    let (owner, directory) = (house.session(&house.owner).await, &house.directory);
    let (sent, yes) = (request("set", b""), set_to(&[(PHONE, GRANTED)]));
    let said = directory.say(&owner, word(contact.id, yes.clone()), Some(sent.clone())).await;
    assert_eq!(why(said).0, Code::Aborted);
    let rows = vec![Ok(word(contact.id, yes)), Ok(word(contact.id, withdrawal(&[PHONE])))];
    assert_eq!(why(directory.say_all(&owner, rows, Some(sent.clone())).await).0, Code::Aborted);
    let deleted = directory.delete_contact(&owner, contact.id, String::new(), Some(sent)).await;
    assert_eq!(why(deleted).0, Code::Aborted);
    assert_eq!(everything(&house).await, before);
    assert_eq!(read(&house, contact.id).await, contact);
}

/// TRAPS 5: a caller who goes away at any moment leaves a whole change or none.
async fn a_call_that_was_given_up_leaves_all_or_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    let owner = house.session(&house.owner).await;
    for polls in 0..60 {
        let sent = request("set", b"");
        let said = word(contact.id, set_to(&[(PHONE, GRANTED)]));
        let mut call = Box::pin(house.directory.say(&owner, said, Some(sent)));
        for _ in 0..polls {
            if futures::poll!(&mut call).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
    }
    // One more waits for all that are still under way.
    set(&house, &house.owner, contact.id, &[(PHONE, DENIED)]).await.unwrap();
    let (after, changes) = (read(&house, contact.id).await, house.ledger().await.len());
    assert_eq!(usize::try_from(after.consent_seq).unwrap(), changes);
    assert_eq!(after.revision, after.consent_seq);
    let requests = house.count("SELECT COUNT(*) FROM requests WHERE business_id = $1").await;
    assert_eq!(requests, after.consent_seq - 2, "each with its record, and no record more");
}
