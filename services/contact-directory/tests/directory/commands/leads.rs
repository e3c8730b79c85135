//! Leads, their contacts, and turning them into accounts.

use contact_directory::MIGRATIONS;
use contact_directory::commands::leads::{LeadPatch, Link, NewLead, Target};
use contact_directory::commands::{Error, Session};
use contact_directory::domain::Contact;
use contact_directory::domain::lead::{Account, Lead};
use contact_directory::domain::order::{Order, OrderKey};
use contact_directory::store::leads::Wanted;
use yinyom_kernel::{AccountId, Code, ContactId, Etag, LeadId};
use yinyom_testkit::{TestDb, both_databases};

use super::accounts::account;
use super::{
    ABSENT, DENIED, EMAIL, GRANTED, MAIL, ONE, PHONE, create, everything, request, saying,
    stranger, why,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    a_lead_is_created_changed_and_deleted,
    a_lead_has_a_primary_contact_of_its_business,
    contacts_are_linked_all_or_none,
    nobody_reaches_another_businesss_lead,
    converting_keeps_every_consent,
    linking_and_unlinking_keep_every_consent,
    a_lead_is_converted_once,
    converting_into_nothing_does_nothing,
    an_account_that_gains_contacts_has_changed,
    a_lead_whose_account_was_deleted_is_open_again,
    a_conversion_that_is_repeated_after_the_account_is_gone,
);

pub fn new_lead(title: &str, primary_contact: ContactId) -> NewLead {
    NewLead { title: title.to_owned(), source: "Web".to_owned(), primary_contact }
}

pub async fn lead(house: &House, primary: &Contact) -> Lead {
    let session = house.session(&house.owner).await;
    let new = new_lead("Buys", primary.id);
    house.directory.create_lead(&session, new, None).await.unwrap().now.unwrap()
}

pub async fn link(house: &House, lead: &Lead, contact: &Contact) {
    let (session, link) = (house.session(&house.owner).await, Link::Add(vec![contact.id]));
    house.directory.link_lead_contacts(&session, lead.id, link, None).await.unwrap();
}

async fn convert(
    house: &House,
    session: &Session,
    lead: LeadId,
    target: Target,
) -> Result<(Lead, Account), Error> {
    let converted = house.directory.convert_lead(session, lead, target, String::new(), None);
    let (lead, account) = converted.await?;
    Ok((lead.now.unwrap(), account.now.unwrap()))
}

fn new_account() -> Target {
    Target::New { display_name: "Acme".to_owned() }
}

async fn a_lead_is_created_changed_and_deleted(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (contact, other) = (create(&house, "One", &[ONE]).await, create(&house, "Two", &[]).await);
    let (session, directory) = (house.session(&house.user).await, &house.directory);
    let new = lead(&house, &contact).await;
    assert_eq!(directory.lead(&session, new.id).await.unwrap(), new);
    let etag = Etag::of(1).to_string();
    let patch = || LeadPatch {
        title: Some("Buys more".to_owned()),
        source: None,
        primary_contact: Some(other.id),
    };
    let changed = directory.update_lead(&session, new.id, patch(), etag.clone(), None).await;
    let changed = changed.unwrap().now.unwrap();
    assert_eq!(
        (&changed.title[..], &changed.source[..], changed.revision),
        ("Buys more", "Web", 2)
    );
    assert_eq!(directory.lead(&session, new.id).await.unwrap(), changed);
    let page = directory.contacts_of_lead(&session, new.id, None, 9).await.unwrap();
    assert_eq!(page.items.len(), 2, "the new primary one is linked, the old one stays");

    let before = everything(&house).await;
    let stale = (Code::Aborted, "ETAG_MISMATCH");
    let again = directory.update_lead(&session, new.id, patch(), etag.clone(), None).await;
    assert_eq!(why(again), stale);
    assert_eq!(why(directory.delete_lead(&session, new.id, etag.clone(), None).await), stale);
    let converted = directory.convert_lead(&session, new.id, new_account(), etag, None).await;
    assert_eq!(why(converted), stale);
    assert_eq!(everything(&house).await, before);
    directory.delete_lead(&session, new.id, String::new(), None).await.unwrap();
    assert_eq!(why(directory.lead(&session, new.id).await), ABSENT);
    assert_eq!(house.contacts().await.len(), 2, "its contacts stay");
}

async fn a_lead_has_a_primary_contact_of_its_business(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "One", &[]).await;
    let own = lead(&house, &contact).await;
    let theirs = stranger(&house).await;
    let foreign = house.directory.create_contact(&theirs, super::new("Theirs", &[]), None).await;
    let (session, before) = (house.session(&house.owner).await, everything(&house).await);
    for absent in [foreign.unwrap().receipt.id.into(), ContactId::generate()] {
        let created = house.directory.create_lead(&session, new_lead("L", absent), None).await;
        assert_eq!(why(created), ABSENT);
        let patch = LeadPatch { primary_contact: Some(absent), ..LeadPatch::default() };
        let updated =
            house.directory.update_lead(&session, own.id, patch, String::new(), None).await;
        assert_eq!(why(updated), ABSENT);
    }
    assert_eq!(everything(&house).await, before);
}

async fn contacts_are_linked_all_or_none(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (primary, one) = (create(&house, "P", &[]).await, create(&house, "One", &[]).await);
    let lead = lead(&house, &primary).await;
    let (session, before) = (house.session(&house.user).await, everything(&house).await);
    let add = Link::Add(vec![one.id, ContactId::generate()]);
    let added = house.directory.link_lead_contacts(&session, lead.id, add, None).await;
    assert_eq!(why(added), ABSENT);
    assert_eq!(everything(&house).await, before);
    link(&house, &lead, &one).await;
    let remove = Link::Remove(vec![one.id, one.id]);
    let removed = house.directory.link_lead_contacts(&session, lead.id, remove, None).await;
    assert_eq!(removed.unwrap().now.unwrap().revision, 3);
    let page = house.directory.contacts_of_lead(&session, lead.id, None, 9).await.unwrap();
    assert_eq!(page.items, [primary]);
}

async fn nobody_reaches_another_businesss_lead(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "One", &[]).await;
    let own = lead(&house, &contact).await;
    let (before, theirs) = (everything(&house).await, stranger(&house).await);
    let directory = &house.directory;
    for id in [own.id, LeadId::generate()] {
        let (patch, etag) = (LeadPatch::default(), String::new);
        assert_eq!(why(directory.lead(&theirs, id).await), ABSENT);
        assert_eq!(why(directory.update_lead(&theirs, id, patch, etag(), None).await), ABSENT);
        assert_eq!(why(directory.delete_lead(&theirs, id, etag(), None).await), ABSENT);
        let link = Link::Remove(vec![ContactId::generate()]);
        assert_eq!(why(directory.link_lead_contacts(&theirs, id, link, None).await), ABSENT);
        assert_eq!(why(directory.contacts_of_lead(&theirs, id, None, 9).await), ABSENT);
        assert_eq!(why(convert(&house, &theirs, id, new_account()).await), ABSENT);
    }
    let order = Order { key: OrderKey::Name, descending: false };
    let found = directory.find_leads(&theirs, &Wanted::default(), order, None, 9).await;
    assert_eq!(found.unwrap().items, []);
    assert_eq!(everything(&house).await, before);
}

async fn converting_keeps_every_consent(db: TestDb) {
    let house = House::on(db.handle()).await;
    let primary = saying(&house, &[ONE, MAIL], &[(PHONE, GRANTED), (EMAIL, DENIED)]).await;
    let other = saying(&house, &[ONE], &[(PHONE, DENIED)]).await;
    let lead = lead(&house, &primary).await;
    link(&house, &lead, &other).await;
    let ledger = house.ledger().await;
    // A colleague who sees neither address may convert: nothing is shown by it.
    let session = house.session(&house.user).await;
    let (converted, account) = convert(&house, &session, lead.id, new_account()).await.unwrap();
    assert_eq!((converted.account, converted.revision), (Some(account.id), lead.revision + 2));
    let page = house.directory.contacts_of_account(&session, account.id, None, 9).await.unwrap();
    let mut expected = [primary, other];
    expected.sort_by_key(|contact| contact.id);
    assert_eq!(page.items, expected, "as they were, etags and all");
    assert_eq!(house.ledger().await, ledger);
}

async fn linking_and_unlinking_keep_every_consent(db: TestDb) {
    let house = House::on(db.handle()).await;
    let primary = create(&house, "P", &[]).await;
    let contact = saying(&house, &[ONE, MAIL], &[(PHONE, GRANTED), (EMAIL, DENIED)]).await;
    let (lead, account) = (lead(&house, &primary).await, account(&house, "Acme").await);
    let (session, ledger) = (house.session(&house.user).await, house.ledger().await);
    for link in [Link::Add(vec![contact.id]), Link::Remove(vec![contact.id])] {
        let linked = house.directory.link_lead_contacts(&session, lead.id, link.clone(), None);
        linked.await.unwrap();
        let linked = house.directory.link_account_contacts(&session, account.id, link, None);
        linked.await.unwrap();
        assert_eq!(super::read(&house, contact.id).await, contact, "etag and all");
        assert_eq!(house.ledger().await, ledger);
    }
}

async fn a_lead_is_converted_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let primary = create(&house, "P", &[]).await;
    let lead = lead(&house, &primary).await;
    let session = house.session(&house.owner).await;
    let mut converting = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (directory, session, id) = (house.directory.clone(), session.clone(), lead.id);
        converting.spawn(async move {
            directory.convert_lead(&session, id, new_account(), String::new(), None).await
        });
    }
    let outcomes = converting.join_all().await;
    let (done, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 5));
    for refusal in refused {
        assert_eq!(why(refusal), (Code::FailedPrecondition, "ALREADY_CONVERTED"));
    }
    assert_eq!(house.count("SELECT COUNT(*) FROM accounts WHERE business_id = $1").await, 1);
}

async fn converting_into_nothing_does_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    let primary = create(&house, "P", &[]).await;
    let lead = lead(&house, &primary).await;
    let theirs = stranger(&house).await;
    let foreign = house.directory.create_account(&theirs, "Theirs".to_owned(), None).await;
    let (session, before) = (house.session(&house.owner).await, everything(&house).await);
    for absent in [foreign.unwrap().now.unwrap().id, AccountId::generate()] {
        let converted = convert(&house, &session, lead.id, Target::Existing(absent)).await;
        assert_eq!(why(converted), ABSENT);
    }
    assert_eq!(everything(&house).await, before);
}

async fn an_account_that_gains_contacts_has_changed(db: TestDb) {
    let house = House::on(db.handle()).await;
    let primary = create(&house, "P", &[]).await;
    let customer = account(&house, "Acme").await;
    let session = house.session(&house.owner).await;
    for (n, revision) in [(1, 2), (2, 2)] {
        let lead = lead(&house, &primary).await;
        let target = Target::Existing(customer.id);
        let (_, account) = convert(&house, &session, lead.id, target).await.unwrap();
        assert_eq!(account.revision, revision, "lead {n}: only who is new changes it");
        assert_eq!(house.directory.account(&session, customer.id).await.unwrap(), account);
    }
}

async fn a_lead_whose_account_was_deleted_is_open_again(db: TestDb) {
    let house = House::on(db.handle()).await;
    let primary = create(&house, "P", &[]).await;
    let lead = lead(&house, &primary).await;
    let session = house.session(&house.owner).await;
    let (converted, account) = convert(&house, &session, lead.id, new_account()).await.unwrap();
    house.directory.delete_account(&session, account.id, String::new(), None).await.unwrap();
    let open = house.directory.lead(&session, lead.id).await.unwrap();
    assert_eq!((open.account, open.revision), (None, converted.revision + 1));
    let (again, account) = convert(&house, &session, lead.id, new_account()).await.unwrap();
    assert_eq!(again.account, Some(account.id));
}

async fn a_conversion_that_is_repeated_after_the_account_is_gone(db: TestDb) {
    let house = House::on(db.handle()).await;
    let primary = create(&house, "P", &[]).await;
    let lead = lead(&house, &primary).await;
    let session = house.session(&house.owner).await;
    let request = request("convert", b"");
    let convert = || {
        let request = Some(request.clone());
        house.directory.convert_lead(&session, lead.id, new_account(), String::new(), request)
    };
    let (_, account) = convert().await.unwrap();
    let id = account.receipt.id.into();
    house.directory.delete_account(&session, id, String::new(), None).await.unwrap();
    let before = everything(&house).await;
    let (again, gone) = convert().await.unwrap();
    assert_eq!((gone.receipt, gone.now), (account.receipt, None));
    assert_eq!(again.now.unwrap().account, None);
    assert_eq!(everything(&house).await, before);
}
