//! A request that is sent again: it did what it did, once.

use contact_directory::MIGRATIONS;
use contact_directory::api::wire::consents::{saying as saying_of, withdrawal as withdrawal_of};
use contact_directory::commands::consents::{Row, RowReceipt};
use contact_directory::commands::contacts::{ContactPatch, NamePatch};
use contact_directory::commands::leads::{LeadPatch, Link, Target};
use contact_directory::commands::{Error, Receipt, Request, Session};
use jiff::SignedDuration;
use yinyom_consent::CONTACTS;
use yinyom_consent::wire::timestamp;
use yinyom_kernel::{Clock, Code, Fault};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::types::v1 as types;
use yinyom_testkit::{TestDb, both_databases};

use super::accounts::account;
use super::leads::{lead, new_lead};
use super::{
    DENIED, GRANTED, MAIL, ONE, PHONE, create, delete, everything, new, points, read, request,
    saying, set, set_to, states, why, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    contacts_are_written_once,
    words_are_written_once,
    leads_are_written_once,
    accounts_are_written_once,
    a_repeated_request_is_answered_with_what_is_there_now,
    a_repeated_request_whose_result_is_gone_shows_nothing,
    a_repeated_request_outlives_the_times_in_it,
    another_caller_and_another_call_have_requests_of_their_own,
    the_same_request_many_times_at_once_is_one,
    a_record_holds_nothing_that_was_said,
);

/// Sends it, sends it again, and sends another one under its id.
async fn repeats<F>(house: &House, what: &str, send: impl Fn(Request) -> F)
where
    F: Future<Output = Result<Option<Receipt>, Error>>,
{
    let request = request("some call", b"this");
    let first = send(request.clone()).await.unwrap();
    let before = everything(house).await;
    assert_eq!(send(request.clone()).await.unwrap(), first, "{what}: the outcome that it had");
    assert_eq!(everything(house).await, before, "{what}: and nothing more");
    let other = Request { body: b"that".to_vec(), ..request };
    let reused = (Code::AlreadyExists, "REQUEST_ID_REUSED");
    assert_eq!(why(send(other).await), reused, "{what}");
    assert_eq!(everything(house).await, before, "{what}");
}

fn renamed(first: &str) -> ContactPatch {
    let name = Some(NamePatch { first: Some(first.to_owned()), last: None });
    ContactPatch { name, ..ContactPatch::default() }
}

async fn contacts_are_written_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (owner, directory) = (house.session(&house.owner).await, &house.directory);
    let contact = saying(&house, &[ONE, MAIL], &[(PHONE, DENIED)]).await;
    repeats(&house, "create", |request| async {
        let written = directory.create_contact(&owner, new("New", &[ONE]), Some(request)).await?;
        Ok(Some(written.receipt))
    })
    .await;
    // With the etag that it has before: when it is repeated, that is an old one.
    let etag = contact.etag().to_string();
    repeats(&house, "update", |request| async {
        let patch =
            ContactPatch { points: points(&[(None, "021234567")]).points, ..renamed("Other") };
        let (id, etag) = (contact.id, etag.clone());
        let written = directory.update_contact(&owner, id, patch, etag, Some(request)).await?;
        Ok(Some(written.receipt))
    })
    .await;
    let etag = read(&house, contact.id).await.etag().to_string();
    repeats(&house, "delete", |request| async {
        directory.delete_contact(&owner, contact.id, etag.clone(), Some(request)).await?;
        Ok(None)
    })
    .await;
}

async fn words_are_written_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (owner, directory) = (house.session(&house.owner).await, &house.directory);
    let contact = create(&house, "Somchai", &[ONE]).await;
    for (what, said) in [("set", set_to(&[(PHONE, GRANTED)])), ("withdraw", withdrawal(&[PHONE]))] {
        repeats(&house, what, |request| async {
            let said = word(contact.id, said.clone());
            Ok(Some(directory.say(&owner, said, Some(request)).await?.receipt))
        })
        .await;
    }
    assert_eq!(read(&house, contact.id).await.consent_seq, 3);
}

async fn leads_are_written_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (owner, directory) = (house.session(&house.owner).await, &house.directory);
    let (contact, other) = (create(&house, "One", &[]).await, create(&house, "Two", &[]).await);
    let lead = lead(&house, &contact).await;
    repeats(&house, "create", |request| async {
        let new = new_lead("New", contact.id);
        Ok(Some(directory.create_lead(&owner, new, Some(request)).await?.receipt))
    })
    .await;
    repeats(&house, "update", |request| async {
        let patch = LeadPatch { title: Some("Other".to_owned()), ..LeadPatch::default() };
        let etag = yinyom_kernel::Etag::of(1).to_string();
        let written = directory.update_lead(&owner, lead.id, patch, etag, Some(request)).await?;
        Ok(Some(written.receipt))
    })
    .await;
    for (what, add) in [("add contacts", true), ("remove contacts", false)] {
        repeats(&house, what, |request| async {
            let ids = vec![other.id];
            let link = if add { Link::Add(ids) } else { Link::Remove(ids) };
            let written =
                directory.link_lead_contacts(&owner, lead.id, link, Some(request)).await?;
            Ok(Some(written.receipt))
        })
        .await;
    }
    repeats(&house, "convert", |request| async {
        let target = Target::New { display_name: "Acme".to_owned() };
        let converted =
            directory.convert_lead(&owner, lead.id, target, String::new(), Some(request));
        let (lead, account) = converted.await?;
        assert_eq!(lead.now.unwrap().account, account.now.map(|account| account.id));
        Ok(Some(account.receipt))
    })
    .await;
    repeats(&house, "delete", |request| async {
        directory.delete_lead(&owner, lead.id, String::new(), Some(request)).await?;
        Ok(None)
    })
    .await;
}

async fn accounts_are_written_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (owner, directory) = (house.session(&house.owner).await, &house.directory);
    let (contact, own) = (create(&house, "One", &[]).await, account(&house, "Acme").await);
    repeats(&house, "create", |request| async {
        let written = directory.create_account(&owner, "New".to_owned(), Some(request)).await?;
        Ok(Some(written.receipt))
    })
    .await;
    repeats(&house, "update", |request| async {
        let (name, etag) = (Some("Other".to_owned()), yinyom_kernel::Etag::of(1).to_string());
        let written = directory.update_account(&owner, own.id, name, etag, Some(request)).await?;
        Ok(Some(written.receipt))
    })
    .await;
    for (what, add) in [("add contacts", true), ("remove contacts", false)] {
        repeats(&house, what, |request| async {
            let ids = vec![contact.id];
            let link = if add { Link::Add(ids) } else { Link::Remove(ids) };
            let linked = directory.link_account_contacts(&owner, own.id, link, Some(request));
            Ok(Some(linked.await?.receipt))
        })
        .await;
    }
    repeats(&house, "delete", |request| async {
        directory.delete_account(&owner, own.id, String::new(), Some(request)).await?;
        Ok(None)
    })
    .await;
}

async fn a_repeated_request_is_answered_with_what_is_there_now(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (user, directory) = (house.session(&house.user).await, &house.directory);
    let request = request("create", b"");
    let create = || directory.create_contact(&user, new("Somchai", &[ONE]), Some(request.clone()));
    let first = create().await.unwrap();
    let id = first.now.as_ref().unwrap().id;
    set(&house, &house.owner, id, &[(PHONE, DENIED)]).await.unwrap();
    let again = create().await.unwrap();
    assert_eq!(again.receipt, first.receipt, "with the etag and the seq that it had then");
    // What the caller may see of it is decided on its state now: refused, and so hidden from the user.
    let now = again.now.unwrap();
    assert_eq!((states(&house, &now).0, now), (DENIED, read(&house, id).await));
}

async fn a_repeated_request_whose_result_is_gone_shows_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (owner, directory) = (house.session(&house.owner).await, &house.directory);
    let request = request("create", b"");
    let create = || directory.create_contact(&owner, new("Somchai", &[ONE]), Some(request.clone()));
    let first = create().await.unwrap();
    delete(&house, &house.owner, first.receipt.id.into()).await.unwrap();
    let again = create().await.unwrap();
    assert_eq!((again.receipt, again.now), (first.receipt, None));
    assert!(house.contacts().await.is_empty(), "it is not created anew");
}

/// An expiry that was to come, and a claimed time that was past by the clock of the replica that took it.
async fn a_repeated_request_outlives_the_times_in_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    let (owner, directory) = (house.session(&house.owner).await, &house.directory);
    let name = CONTACTS.format(house.business, contact.id);
    let soon = timestamp(house.clock.now() + SignedDuration::from_hours(1));
    let evidence = types::Evidence { claimed_time: Some(soon), ..<_>::default() };
    let phone = types::Channel::Phone.into();
    let grant = pb::SetContactConsentsRequest {
        contact: name.clone(),
        surface: types::Surface::Contacts.into(),
        assignments: vec![pb::ConsentAssignment {
            channel: phone,
            state: types::ConsentState::Granted.into(),
            expire_time: Some(soon),
        }],
        ..<_>::default()
    };
    let refusal = pb::WithdrawConsentRequest {
        contact: name,
        surface: types::Surface::Contacts.into(),
        channels: vec![phone],
        evidence: Some(evidence),
        ..<_>::default()
    };
    let (granting, refusing, several) =
        (request("set", b"set"), request("withdraw", b"withdraw"), request("batch", b"batch"));
    let set = |now, request: &Request| {
        directory.say(&owner, saying_of(&grant, now).unwrap().1, Some(request.clone()))
    };
    let withdraw = |now, request: &Request| {
        directory.say(&owner, withdrawal_of(&refusal, now).unwrap().1, Some(request.clone()))
    };
    let batch = |now, request: &Request| {
        let row = saying_of(&grant, now).map(|(_, saying)| saying).map_err(Error::from);
        directory.say_all(&owner, vec![row], Some(request.clone()))
    };
    let (before, after) = (house.clock.now(), house.clock.now() + SignedDuration::from_hours(2));
    let granted = set(before, &granting).await.unwrap().receipt;
    let rows = format!(
        "{:?}",
        batch(before, &several).await.unwrap().iter().map(RowReceipt::from).collect::<Vec<_>>()
    );
    let refused = withdraw(after, &refusing).await.unwrap().receipt;
    let all = everything(&house).await;

    assert_eq!(set(after, &granting).await.unwrap().receipt, granted);
    assert_eq!(withdraw(before, &refusing).await.unwrap().receipt, refused);
    let again = batch(after, &several).await.unwrap();
    assert_eq!(format!("{:?}", again.iter().map(RowReceipt::from).collect::<Vec<_>>()), rows);
    assert_eq!(everything(&house).await, all);

    // What comes for the first time is refused for them.
    let invalid = (Code::InvalidArgument, "INVALID_INPUT");
    assert_eq!(why(set(after, &request("set", b"set")).await), invalid);
    assert_eq!(why(withdraw(before, &request("withdraw", b"withdraw")).await), invalid);
    let row = batch(after, &request("batch", b"batch")).await.unwrap().remove(0);
    assert!(matches!(row, Row::Refused(error) if error.reason() == "INVALID_INPUT"));
    assert_eq!(read(&house, contact.id).await.consent_seq, contact.consent_seq + 3);
}

async fn another_caller_and_another_call_have_requests_of_their_own(db: TestDb) {
    let house = House::on(db.handle()).await;
    let mine = request("create", b"mine");
    let create = async |session: &Session, request: &Request| {
        let new = new("Somchai", &[]);
        house
            .directory
            .create_contact(session, new, Some(request.clone()))
            .await
            .unwrap()
            .receipt
            .id
    };
    let mut made = std::collections::HashSet::new();
    let same_id = Request { body: b"theirs".to_vec(), ..mine.clone() };
    made.insert(create(&house.session(&house.owner).await, &mine).await);
    made.insert(create(&house.session(&house.admin).await, &same_id).await);
    made.insert(create(&house.neighbour().await, &same_id).await);
    let another_call = Request { rpc: "another call".to_owned(), ..same_id };
    made.insert(create(&house.session(&house.owner).await, &another_call).await);
    assert_eq!(made.len(), 4);
}

async fn the_same_request_many_times_at_once_is_one(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[ONE]).await;
    let (owner, request) = (house.session(&house.owner).await, request("set", b""));
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (directory, session, request) =
            (house.directory.clone(), owner.clone(), request.clone());
        let said = word(contact.id, set_to(&[(PHONE, GRANTED)]));
        sending.spawn(async move { directory.say(&session, said, Some(request)).await });
    }
    let receipts: Vec<_> =
        sending.join_all().await.into_iter().map(|said| said.unwrap().receipt).collect();
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));
    assert_eq!(read(&house, contact.id).await.consent_seq, 2);
    assert_eq!(house.ledger().await.len(), 2);
}

async fn a_record_holds_nothing_that_was_said(db: TestDb) {
    let house = House::on(db.handle()).await;
    let owner = house.session(&house.owner).await;
    let request = Request { body: format!("{ONE} Somchai").into_bytes(), ..request("create", b"") };
    let new = new("Somchai", &[ONE]);
    house.directory.create_contact(&owner, new, Some(request.clone())).await.unwrap();
    let sql = "SELECT fingerprint, outcome FROM requests WHERE business_id = $1";
    let records: Vec<(Vec<u8>, Vec<u8>)> = house.rows(sql).await;
    let [(fingerprint, outcome)] = &records[..] else { panic!("one record") };
    for hidden in ["Somchai", &ONE[1..]] {
        let holds = |bytes: &[u8]| bytes.windows(hidden.len()).any(|w| w == hidden.as_bytes());
        assert!(!holds(fingerprint) && !holds(outcome));
    }
    // Who reads the table cannot try all phone numbers: the fingerprint is under the business's key.
    let keys = house.keys.of(&house.db, house.scope(), 0).await.unwrap();
    let parts = [request.rpc.as_bytes(), &request.body[..]];
    assert_eq!(*fingerprint, keys.digest("request", &parts));
    let theirs = house.neighbour().await;
    let theirs = house.keys.of(&house.db, theirs.scope, 0).await.unwrap();
    assert_ne!(*fingerprint, theirs.digest("request", &parts));
}
