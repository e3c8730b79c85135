//! Two contacts become one: who it is then, what it refuses, and what nobody gets by it.

use contact_directory::MIGRATIONS;
use contact_directory::commands::Error;
use contact_directory::commands::merges::{Merged, Pair};
use contact_directory::domain::Contact;
use contact_directory::domain::order::{Order, OrderKey};
use contact_directory::store::find::Wanted;
use contact_directory::store::merges::{self, Merge};
use jiff::Timestamp;
use yinyom_consent::{ByChannel, Cause, SurfaceParent};
use yinyom_db::DbError;
use yinyom_identity::Caller;
use yinyom_kernel::{Code, ContactId, MergeId};
use yinyom_testkit::{TestDb, both_databases};

use super::accounts::account;
use super::counts::assert_kept;
use super::leads::{lead, link};
use super::{
    ABSENT, DENIED, EMAIL, GRANTED, MAIL, NOT_SET, ONE, PHONE, TWO, address, causes, create,
    everything, new, number, read, request, saying, set, states, stranger, why, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    the_survivor_is_both,
    the_most_restrictive_word_wins_and_both_streams_say_with_whom,
    an_external_id_stays_taken,
    who_is_merged_first_does_not_matter,
    a_masked_point_refuses_it,
    absent_and_foreign_contacts_are_alike,
    an_old_etag_and_too_many_addresses_refuse_it,
    a_contact_has_a_hundred_merged_at_most,
    a_request_takes_effect_once,
    two_into_each_other_at_once_are_one,
    no_refusal_is_lost_to_a_merge_at_the_same_time,
);

pub async fn merge(
    house: &House,
    by: &Caller,
    survivor: ContactId,
    absorbed: ContactId,
) -> Result<Merged, Error> {
    house.directory.merge_contacts(&house.session(by).await, pair(survivor, absorbed), None).await
}

fn pair(survivor: ContactId, absorbed: ContactId) -> Pair {
    let (survivor_etag, absorbed_etag) = (String::new(), String::new());
    Pair { survivor, absorbed, survivor_etag, absorbed_etag }
}

/// The owner merges `absorbed` into `survivor`.
pub async fn merged(house: &House, survivor: &Contact, absorbed: &Contact) -> (Contact, MergeId) {
    let merged = merge(house, &house.owner, survivor.id, absorbed.id).await.unwrap();
    (merged.contact.now.unwrap(), merged.id)
}

/// Addresses, in their order.
pub fn addresses(contact: &Contact) -> Vec<String> {
    let mut all: Vec<_> =
        contact.points.iter().map(|point| point.address.canonical().expose().clone()).collect();
    all.sort_unstable();
    all
}

async fn found(house: &House, wanted: Wanted) -> Vec<ContactId> {
    let session = house.session(&house.owner).await;
    let order = Order { key: OrderKey::CreateTime, descending: false };
    let page = house.directory.find_contacts(&session, &wanted, order, None, 100).await.unwrap();
    page.items.iter().map(|contact| contact.id).collect()
}

async fn the_survivor_is_both(db: TestDb) {
    let house = House::on(db.handle()).await;
    let session = house.session(&house.owner).await;
    let survivor = create(&house, "Somchai", &[ONE, MAIL]).await;
    let mut of = new("Chai", &[ONE, TWO]);
    of.external_id = number("C-7");
    let absorbed = house.directory.create_contact(&session, of, None).await.unwrap().now.unwrap();
    let (theirs, both) = (lead(&house, &absorbed).await, lead(&house, &survivor).await);
    link(&house, &both, &absorbed).await;
    let account = account(&house, "Acme").await;
    let add = contact_directory::commands::leads::Link::Add(vec![absorbed.id]);
    house.directory.link_account_contacts(&session, account.id, add, None).await.unwrap();

    let (contact, _) = merged(&house, &survivor, &absorbed).await;
    assert_eq!(contact, read(&house, survivor.id).await);
    assert_eq!((contact.id, &contact.name), (survivor.id, &survivor.name));
    assert_eq!(contact.external_id, number("C-7"), "it had none");
    assert_eq!(addresses(&contact), ["+66812345671", "+66812345672", "one@example.com"]);
    let moved = absorbed.points.iter().find(|point| point.address == address(TWO)).unwrap();
    assert!(contact.points.contains(moved), "with its id");
    assert_eq!(contact.revision, survivor.revision + 1);

    assert_eq!(why(house.directory.contact(&session, absorbed.id).await), ABSENT);
    assert_eq!(why(house.directory.contacts(&session, &[survivor.id, absorbed.id]).await), ABSENT);
    assert_eq!(found(&house, Wanted::default()).await, [survivor.id]);
    let by_address = Wanted { addresses: vec![address(TWO)], ..Wanted::default() };
    assert_eq!(found(&house, by_address).await, [survivor.id]);
    for refused in [
        why(set(&house, &house.owner, absorbed.id, &[(PHONE, GRANTED)]).await),
        why(super::say(&house, &house.owner, word(absorbed.id, withdrawal(&[PHONE]))).await),
        why(super::delete(&house, &house.owner, absorbed.id).await),
    ] {
        assert_eq!(refused, ABSENT, "gone under every method");
    }

    let now = house.directory.lead(&session, theirs.id).await.unwrap();
    assert_eq!((now.primary_contact, now.revision), (survivor.id, theirs.revision + 1));
    for id in [theirs.id, both.id] {
        let page = house.directory.contacts_of_lead(&session, id, None, 9).await.unwrap();
        assert_eq!(page.items, std::slice::from_ref(&contact));
    }
    let page = house.directory.contacts_of_account(&session, account.id, None, 9).await.unwrap();
    assert_eq!(page.items, [contact]);
    assert_kept(&house).await;
}

async fn the_most_restrictive_word_wins_and_both_streams_say_with_whom(db: TestDb) {
    let house = House::on(db.handle()).await;
    let survivor = saying(&house, &[ONE, MAIL], &[(PHONE, GRANTED), (EMAIL, GRANTED)]).await;
    let absorbed = saying(&house, &[TWO, MAIL], &[(PHONE, DENIED)]).await;
    let (contact, _) = merged(&house, &survivor, &absorbed).await;
    assert_eq!(states(&house, &contact), (DENIED, NOT_SET));
    assert_eq!(causes(&house, survivor.id).await.last(), Some(&Cause::Merged));
    assert_eq!(causes(&house, absorbed.id).await.last(), Some(&Cause::Merged));
    let ledger = house.ledger().await;
    let last = |of: ContactId| ledger.iter().rfind(|change| change.contact == of).unwrap();
    let with = |of: &Contact| Some(SurfaceParent::Contact(of.id));
    assert_eq!(last(survivor.id).surface_parent, with(&absorbed));
    assert_eq!(last(absorbed.id).surface_parent, with(&survivor));
    let ends = |of: ContactId| last(of).channels.iter().map(|of| of.to).collect::<Vec<_>>();
    assert_eq!(ends(survivor.id), [Some(DENIED), Some(NOT_SET)]);
    assert_eq!(ends(absorbed.id), [None, None]);
    assert_kept(&house).await;
}

async fn an_external_id_stays_taken(db: TestDb) {
    let house = House::on(db.handle()).await;
    let session = house.session(&house.owner).await;
    let numbered = |first: &str, id: &str| {
        let mut of = new(first, &[]);
        of.external_id = number(id);
        of
    };
    let make = async |of| house.directory.create_contact(&session, of, None).await;
    let survivor = make(numbered("Somchai", "A-1")).await.unwrap().now.unwrap();
    let absorbed = make(numbered("Chai", "A-2")).await.unwrap().now.unwrap();
    let (contact, _) = merged(&house, &survivor, &absorbed).await;
    assert_eq!(contact.external_id, number("A-1"));
    let taken = (Code::AlreadyExists, "EXTERNAL_ID_TAKEN");
    assert_eq!(why(make(numbered("New", "A-2")).await), taken);
    for id in ["A-1", "A-2"] {
        let by_id = Wanted { external_id: Some(id.to_owned()), ..Wanted::default() };
        assert_eq!(found(&house, by_id).await, [survivor.id], "{id}");
    }
    let other = make(numbered("Other", "")).await.unwrap().now.unwrap();
    let patch = || contact_directory::commands::contacts::ContactPatch {
        external_id: Some(number("A-2")),
        ..Default::default()
    };
    assert_eq!(why(super::update(&house, &house.owner, other.id, patch()).await), taken);
    let own = super::update(&house, &house.owner, survivor.id, patch()).await.unwrap();
    assert_eq!(own.external_id, number("A-2"), "it is the survivor's to have");
    super::delete(&house, &house.owner, survivor.id).await.unwrap();
    assert!(make(numbered("New", "A-2")).await.is_ok(), "free with the contact");
}

/// Three cards of one person: two with the e-mail alone, one with a phone that they granted.
async fn who_is_merged_first_does_not_matter(db: TestDb) {
    let house = House::on(db.handle()).await;
    for order in [[0, 1, 2], [0, 2, 1], [2, 0, 1], [2, 1, 0], [1, 2, 0]] {
        let cards = [
            create(&house, "A", &[MAIL]).await,
            create(&house, "B", &[MAIL]).await,
            saying(&house, &[ONE], &[(PHONE, GRANTED)]).await,
        ];
        let [first, second, third] = order.map(|at: usize| &cards[at]);
        merged(&house, first, second).await;
        let (contact, _) = merged(&house, first, third).await;
        assert_eq!(states(&house, &contact), (GRANTED, NOT_SET), "{order:?}");
        assert_eq!(addresses(&contact).len(), 2);
    }
}

async fn a_masked_point_refuses_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let open = saying(&house, &[ONE], &[(PHONE, GRANTED)]).await;
    let masked = saying(&house, &[TWO], &[(PHONE, DENIED)]).await;
    let before = everything(&house).await;
    for regrant in [false, true] {
        house.rule(|policy| policy.rules.members_may_regrant = regrant).await;
        for (survivor, absorbed) in [(&open, &masked), (&masked, &open)] {
            let refused = merge(&house, &house.user, survivor.id, absorbed.id).await;
            assert_eq!(why(refused), (Code::PermissionDenied, "CONTACT_POINT_MASKED"));
        }
        let service = House::service(&[]);
        let refused = merge(&house, &service, open.id, masked.id).await;
        assert_eq!(why(refused), (Code::PermissionDenied, "CONTACT_POINT_MASKED"));
    }
    assert_eq!(everything(&house).await, before);
    house.lapse();
    let refused = merge(&house, &house.owner, open.id, masked.id).await;
    assert_eq!(why(refused), (Code::Unavailable, "POLICY_UNAVAILABLE"));
    assert_eq!(everything(&house).await, before);
}

async fn absent_and_foreign_contacts_are_alike(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (one, two) = (create(&house, "One", &[ONE]).await, create(&house, "Two", &[TWO]).await);
    let before = everything(&house).await;
    let absent = ContactId::generate();
    for (survivor, absorbed) in [(one.id, absent), (absent, one.id)] {
        assert_eq!(why(merge(&house, &house.owner, survivor, absorbed).await), ABSENT);
    }
    let theirs = stranger(&house).await;
    for (survivor, absorbed) in [(one.id, two.id), (two.id, one.id)] {
        let refused = house.directory.merge_contacts(&theirs, pair(survivor, absorbed), None);
        assert_eq!(why(refused.await), ABSENT);
    }
    assert_eq!(everything(&house).await, before);
    let third = create(&house, "Three", &[]).await;
    merged(&house, &one, &two).await;
    assert_eq!(why(merge(&house, &house.owner, third.id, two.id).await), ABSENT, "merged already");
    assert_eq!(why(merge(&house, &house.owner, two.id, third.id).await), ABSENT);
}

async fn an_old_etag_and_too_many_addresses_refuse_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (one, two) = (eleven(&house, 0).await, eleven(&house, 11).await);
    let before = everything(&house).await;
    let refused = merge(&house, &house.owner, one.id, two.id).await;
    assert_eq!(why(refused), (Code::FailedPrecondition, "TOO_MANY_POINTS"));
    let session = house.session(&house.owner).await;
    let old = || yinyom_kernel::Etag::of(99).to_string();
    for pair in [
        Pair { survivor_etag: old(), ..pair(one.id, two.id) },
        Pair { absorbed_etag: old(), ..pair(one.id, two.id) },
    ] {
        let refused = house.directory.merge_contacts(&session, pair, None).await;
        assert_eq!(why(refused), (Code::Aborted, "ETAG_MISMATCH"));
    }
    assert_eq!(everything(&house).await, before);
    let same = eleven(&house, 0).await;
    let (contact, _) = merged(&house, &one, &same).await;
    assert_eq!(contact.points, one.points, "the same addresses are none more");
}

/// A contact with eleven phones from that one on.
async fn eleven(house: &House, from: usize) -> Contact {
    let phones: Vec<_> = (from..from + 11).map(|n| format!("08{:08}", 10_000_000 + n)).collect();
    create(house, "Many", &phones.iter().map(|phone| &phone[..]).collect::<Vec<_>>()).await
}

async fn a_contact_has_a_hundred_merged_at_most(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (one, two) = (create(&house, "One", &[]).await, create(&house, "Two", &[]).await);
    let (three, of) = (create(&house, "Three", &[]).await, [one.id, two.id]);
    let unit = house.db.write::<_, DbError, _, _>(house.scope(), move |mut tx| async move {
        for n in 0..99 {
            let merge = Merge {
                id: MergeId::generate(),
                survivor: of[n % 2],
                absorbed: ContactId::generate(),
                at: Timestamp::UNIX_EPOCH,
                undo_until: Timestamp::UNIX_EPOCH,
                survivor_seq: 1,
                since: ByChannel::default(),
                sealed: None,
            };
            merges::insert(&mut tx, &merge).await?;
        }
        tx.done(())
    });
    unit.await.unwrap();
    merged(&house, &one, &two).await;
    let refused = merge(&house, &house.owner, one.id, three.id).await;
    assert_eq!(why(refused), (Code::FailedPrecondition, "TOO_MANY_MERGES"));
    let refused = merge(&house, &house.owner, three.id, one.id).await;
    assert_eq!(why(refused), (Code::FailedPrecondition, "TOO_MANY_MERGES"));
}

async fn a_request_takes_effect_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (one, two) = (create(&house, "One", &[ONE]).await, create(&house, "Two", &[TWO]).await);
    let session = house.session(&house.owner).await;
    let asked = request("MergeContacts", b"one and two");
    let send =
        || house.directory.merge_contacts(&session, pair(one.id, two.id), Some(asked.clone()));
    let first = send().await.unwrap();
    let after = everything(&house).await;
    let again = send().await.unwrap();
    assert_eq!((first.id, first.contact.receipt), (again.id, again.contact.receipt));
    assert_eq!(again.contact.now.as_ref(), first.contact.now.as_ref());
    assert!(again.merge.is_some());
    assert_eq!(everything(&house).await, after);
    let mut other = asked.clone();
    other.body = b"others".to_vec();
    let reused = house.directory.merge_contacts(&session, pair(one.id, two.id), Some(other)).await;
    assert_eq!(why(reused), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    super::delete(&house, &house.owner, one.id).await.unwrap();
    let gone = send().await.unwrap();
    assert!(gone.contact.now.is_none(), "nothing is shown of who is gone");
}

async fn two_into_each_other_at_once_are_one(db: TestDb) {
    let house = House::on(db.handle()).await;
    for _ in 0..6 {
        let (one, two) = (create(&house, "1", &[ONE]).await, create(&house, "2", &[TWO]).await);
        let (a, b) = tokio::join!(
            merge(&house, &house.owner, one.id, two.id),
            merge(&house, &house.admin, two.id, one.id),
        );
        let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
        let contact = won.unwrap().contact.now.unwrap();
        assert_eq!(why(lost), ABSENT);
        assert_eq!(addresses(&contact).len(), 2);
    }
    assert_kept(&house).await;
}

async fn no_refusal_is_lost_to_a_merge_at_the_same_time(db: TestDb) {
    let house = House::on(db.handle()).await;
    for round in 0..8 {
        let survivor = saying(&house, &[ONE], &[(PHONE, GRANTED)]).await;
        let absorbed = saying(&house, &[TWO], &[(PHONE, GRANTED)]).await;
        let who = if round % 2 == 0 { survivor.id } else { absorbed.id };
        let (merged, said) = tokio::join!(
            merge(&house, &house.owner, survivor.id, absorbed.id),
            super::say(&house, &house.user, word(who, withdrawal(&[PHONE]))),
        );
        merged.unwrap();
        let now = states(&house, &read(&house, survivor.id).await).0;
        match said {
            Ok(_) => assert_eq!(now, DENIED, "it was taken"),
            Err(error) => {
                assert_eq!((why::<()>(Err(error)), who, now), (ABSENT, absorbed.id, GRANTED));
            }
        }
    }
    assert_kept(&house).await;
}
