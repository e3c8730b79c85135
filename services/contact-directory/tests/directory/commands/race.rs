//! Two at once: whoever comes first, nothing is left hanging and nobody is told of our troubles.

use contact_directory::MIGRATIONS;
use contact_directory::commands::Error;
use contact_directory::commands::contacts::NewContact;
use contact_directory::commands::leads::{Link, Target};
use yinyom_kernel::{Code, Fault};
use yinyom_testkit::{TestDb, both_databases};

use super::accounts::account;
use super::leads::{lead, link, new_lead};
use super::{
    ABSENT, GRANTED, MAIL, ONE, PHONE, TWO, create, new, number, saying, set_to, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    a_contact_goes_while_its_lead_is_converted,
    a_contact_goes_while_a_lead_is_made_for_it,
    a_contact_goes_while_an_account_takes_it,
    an_account_goes_while_a_lead_becomes_it,
    contacts_that_refused_the_same_addresses_go_together,
    batches_in_opposite_orders_do_not_stop_each_other,
    one_external_id_is_given_once,
);

const ROUNDS: usize = 8;

/// A result without what was written.
fn outcome<T>(result: Result<T, Error>) -> Option<(Code, &'static str)> {
    result.err().map(|error| (error.code(), error.reason()))
}

async fn a_contact_goes_while_its_lead_is_converted(db: TestDb) {
    let house = House::on(db.handle()).await;
    let primary = create(&house, "P", &[]).await;
    let owner = house.session(&house.owner).await;
    for _ in 0..ROUNDS {
        let (lead, gone) = (lead(&house, &primary).await, create(&house, "Gone", &[ONE]).await);
        link(&house, &lead, &gone).await;
        let target = Target::New { display_name: "Acme".to_owned() };
        let (converted, deleted) = tokio::join!(
            house.directory.convert_lead(&owner, lead.id, target, String::new(), None),
            house.directory.delete_contact(&owner, gone.id, String::new(), None),
        );
        deleted.unwrap();
        let (_, account) = converted.unwrap();
        let id = account.receipt.id.into();
        let page = house.directory.contacts_of_account(&owner, id, None, 9).await.unwrap();
        assert_eq!(page.items, std::slice::from_ref(&primary));
    }
}

async fn a_contact_goes_while_a_lead_is_made_for_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let owner = house.session(&house.owner).await;
    for _ in 0..ROUNDS {
        let contact = create(&house, "P", &[]).await;
        let (made, deleted) = tokio::join!(
            house.directory.create_lead(&owner, new_lead("Buys", contact.id), None),
            house.directory.delete_contact(&owner, contact.id, String::new(), None),
        );
        let kept = (None, Some((Code::FailedPrecondition, "PRIMARY_CONTACT")));
        let went = (Some(ABSENT), None);
        let came = (outcome(made), outcome(deleted));
        assert!(came == kept || came == went, "{came:?}");
    }
}

async fn a_contact_goes_while_an_account_takes_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (account, owner) = (account(&house, "Acme").await, house.session(&house.owner).await);
    for _ in 0..ROUNDS {
        let contact = create(&house, "P", &[]).await;
        let add = Link::Add(vec![contact.id]);
        let (linked, deleted) = tokio::join!(
            house.directory.link_account_contacts(&owner, account.id, add, None),
            house.directory.delete_contact(&owner, contact.id, String::new(), None),
        );
        deleted.unwrap();
        let linked = outcome(linked);
        assert!(linked.is_none() || linked == Some(ABSENT), "{linked:?}");
        assert_eq!(
            house.count("SELECT COUNT(*) FROM account_contacts WHERE business_id = $1").await,
            0
        );
    }
}

async fn an_account_goes_while_a_lead_becomes_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (primary, owner) = (create(&house, "P", &[]).await, house.session(&house.owner).await);
    for _ in 0..ROUNDS {
        let (account, lead) = (account(&house, "Acme").await, lead(&house, &primary).await);
        let target = Target::Existing(account.id);
        let (converted, deleted) = tokio::join!(
            house.directory.convert_lead(&owner, lead.id, target, String::new(), None),
            house.directory.delete_account(&owner, account.id, String::new(), None),
        );
        deleted.unwrap();
        let converted = outcome(converted);
        assert!(converted.is_none() || converted == Some(ABSENT), "{converted:?}");
        let lead = house.directory.lead(&owner, lead.id).await.unwrap();
        assert_eq!(lead.account, None, "no lead is an account that is not there");
    }
}

async fn contacts_that_refused_the_same_addresses_go_together(db: TestDb) {
    let house = House::on(db.handle()).await;
    let owner = house.session(&house.owner).await;
    for _ in 0..ROUNDS {
        let mut deleting = tokio::task::JoinSet::new();
        for _ in 0..6 {
            // Points are in the order of their ids, and so is what is kept of them, unless it is sorted.
            let addresses = [ONE, TWO, "021234567", "021234568", "021234569"];
            let denied = [(PHONE, super::DENIED), (super::EMAIL, super::DENIED)];
            let contact = saying(&house, &[&addresses[..], &[MAIL]].concat(), &denied).await;
            let (directory, session) = (house.directory.clone(), owner.clone());
            deleting.spawn(async move {
                directory.delete_contact(&session, contact.id, String::new(), None).await
            });
        }
        for deleted in deleting.join_all().await {
            deleted.unwrap();
        }
    }
}

async fn batches_in_opposite_orders_do_not_stop_each_other(db: TestDb) {
    let house = House::on(db.handle()).await;
    let owner = house.session(&house.owner).await;
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(create(&house, &format!("{n}"), &[ONE]).await.id);
    }
    let mut batches = tokio::task::JoinSet::new();
    for n in 0..ROUNDS {
        let mut ids = ids.clone();
        if n % 2 == 0 {
            ids.reverse();
        }
        let said = if n % 3 == 0 { withdrawal(&[PHONE]) } else { set_to(&[(PHONE, GRANTED)]) };
        let (directory, session) = (house.directory.clone(), owner.clone());
        let rows = ids.into_iter().map(move |id| Ok(word(id, said.clone()))).collect();
        batches.spawn(async move { directory.say_all(&session, rows, None).await.map(drop) });
    }
    for said in batches.join_all().await {
        said.unwrap();
    }
    assert_eq!(house.ledger().await.len(), 20 + 20 * ROUNDS);
}

async fn one_external_id_is_given_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let owner = house.session(&house.owner).await;
    let mut creating = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (directory, session) = (house.directory.clone(), owner.clone());
        let new = NewContact { external_id: number("C-1"), ..new("Somchai", &[]) };
        creating.spawn(async move { directory.create_contact(&session, new, None).await });
    }
    let outcomes: Vec<_> = creating.join_all().await.into_iter().map(outcome).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_none()).count(), 1);
    // Who lost the race itself is told to try again, and then that it is taken.
    let taken = (Code::AlreadyExists, "EXTERNAL_ID_TAKEN");
    for refusal in outcomes.into_iter().flatten() {
        assert!(refusal == taken || refusal == (Code::Aborted, "CONFLICT"), "{refusal:?}");
    }
    assert_eq!(house.contacts().await.len(), 1);
    assert_eq!(house.ledger().await.len(), 1);
}
