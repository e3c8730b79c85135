//! What several customers say at the same time is one unit of work, and each is heard for himself.

use contact_directory::MIGRATIONS;
use contact_directory::commands::consents::Saying;
use contact_directory::domain::Contact;
use contact_directory::store::contacts;
use futures::future::join_all;
use futures::poll;
use tokio::sync::oneshot;
use yinyom_consent::Cause::{Created, Set as SetByWord, Withdrawn};
use yinyom_db::DbError;
use yinyom_kernel::{Code, ContactId};
use yinyom_testkit::{TestDb, both_databases};

use super::{
    ABSENT, DENIED, GRANTED, ONE, PHONE, TWO, causes, create, everything, read, request, say,
    saying, set, set_to, states, why, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    who_is_refused_takes_nobody_with_him,
    what_is_said_twice_of_a_contact_is_said_one_after_the_other,
    a_request_that_comes_twice_at_once_is_carried_out_once,
    a_request_id_that_was_used_refuses_its_own_caller_alone,
    who_waits_for_a_locked_contact_holds_up_nobody,
);

async fn people(house: &House) -> [Contact; 4] {
    [
        create(house, "A", &[ONE]).await,
        create(house, "B", &[TWO]).await,
        create(house, "C", &[]).await,
        create(house, "D", &[]).await,
    ]
}

fn denial(contact: ContactId) -> Saying {
    word(contact, set_to(&[(PHONE, DENIED)]))
}

/// On one thread, so that all have come before anybody sees to them.
#[tokio::test]
async fn all_that_is_said_at_once_is_committed_at_once() {
    let db = yinyom_testkit::postgres(&MIGRATIONS).await;
    let house = House::on(db.handle()).await;
    let (people, owner) = (people(&house).await, house.session(&house.owner).await);
    let said = people.iter().map(|of| house.directory.say(&owner, denial(of.id), None));
    for (said, contact) in join_all(said).await.into_iter().zip(&people) {
        let now = said.unwrap().now.unwrap();
        assert_eq!((now.id, states(&house, &now).0, now.consent_seq), (contact.id, DENIED, 2));
        assert_eq!(read(&house, contact.id).await.without_points(), now);
        assert_eq!(causes(&house, contact.id).await, [Created, SetByWord]);
    }
    let commits = "SELECT COUNT(DISTINCT xmin::text) FROM contacts WHERE business_id = $1";
    assert_eq!(house.count(commits).await, 1);
}

#[tokio::test]
async fn who_gives_up_in_the_line_has_said_nothing() {
    let db = yinyom_testkit::sqlite(&MIGRATIONS).await;
    let house = House::on(db.handle()).await;
    let contact = saying(&house, &[ONE], &[(PHONE, GRANTED)]).await;
    let owner = house.session(&house.owner).await;
    {
        let mut gives_up = std::pin::pin!(house.directory.say(&owner, denial(contact.id), None));
        assert!(poll!(&mut gives_up).is_pending());
    }
    set(&house, &house.owner, contact.id, &[(PHONE, GRANTED)]).await.unwrap();
    assert_eq!(causes(&house, contact.id).await, [Created, SetByWord, SetByWord]);
    assert_eq!(states(&house, &read(&house, contact.id).await).0, GRANTED);
}

async fn who_is_refused_takes_nobody_with_him(db: TestDb) {
    let house = House::on(db.handle()).await;
    let [a, b, c, d] = people(&house).await;
    set(&house, &house.owner, d.id, &[(PHONE, DENIED)]).await.unwrap();
    let stale = Saying { etag: "\"0\"".to_owned(), ..denial(b.id) };
    let nobody = denial(ContactId::generate());
    let lifts = word(d.id, set_to(&[(PHONE, GRANTED)]));
    let withdraws = word(c.id, withdrawal(&[PHONE]));
    let (a_said, stale, nobody, lifts, withdraws) = tokio::join!(
        say(&house, &house.owner, denial(a.id)),
        say(&house, &house.owner, stale),
        say(&house, &house.owner, nobody),
        say(&house, &house.user, lifts),
        say(&house, &house.user, withdraws),
    );
    assert_eq!(states(&house, &a_said.unwrap().now.unwrap()).0, DENIED);
    assert_eq!(states(&house, &withdraws.unwrap().now.unwrap()).0, DENIED);
    assert_eq!(why(stale).0, Code::Aborted);
    assert_eq!(why(nobody), ABSENT);
    assert_eq!(why(lifts), (Code::PermissionDenied, "CANNOT_LIFT_OWN_MASK"));
    assert_eq!(causes(&house, b.id).await, [Created]);
    assert_eq!(causes(&house, c.id).await, [Created, Withdrawn]);
    assert_eq!(causes(&house, d.id).await, [Created, SetByWord]);
}

async fn what_is_said_twice_of_a_contact_is_said_one_after_the_other(db: TestDb) {
    let house = House::on(db.handle()).await;
    let people = people(&house).await;
    let [a, b, ..] = &people;
    let (no, other, yes) = tokio::join!(
        set(&house, &house.owner, a.id, &[(PHONE, DENIED)]),
        set(&house, &house.owner, b.id, &[(PHONE, DENIED)]),
        set(&house, &house.owner, a.id, &[(PHONE, GRANTED)]),
    );
    let seqs = [no, other, yes].map(|said| said.unwrap().receipt.consent_seq);
    assert_eq!(seqs, [2, 2, 3]);
    let after = read(&house, a.id).await;
    assert_eq!((states(&house, &after).0, after.consent_seq), (GRANTED, 3));
    assert_eq!(house.ledger().await.len(), people.len() + 3);
}

async fn a_request_that_comes_twice_at_once_is_carried_out_once(db: TestDb) {
    let house = House::on(db.handle()).await;
    let people = people(&house).await;
    let [a, b, ..] = &people;
    let owner = house.session(&house.owner).await;
    let request = request("some call", b"this");
    let send = || house.directory.say(&owner, denial(a.id), Some(request.clone()));
    let (first, other, second) =
        tokio::join!(send(), say(&house, &house.owner, denial(b.id)), send());
    let first = first.unwrap().receipt;
    assert_eq!(second.unwrap().receipt, first);
    other.unwrap();
    let before = everything(&house).await;
    assert_eq!(send().await.unwrap().receipt, first);
    assert_eq!(everything(&house).await, before);
    assert_eq!(house.ledger().await.len(), people.len() + 2);
}

async fn a_request_id_that_was_used_refuses_its_own_caller_alone(db: TestDb) {
    let house = House::on(db.handle()).await;
    let [a, b, c, _] = people(&house).await;
    let owner = house.session(&house.owner).await;
    let used = request("some call", b"this");
    house.directory.say(&owner, denial(a.id), Some(used.clone())).await.unwrap();
    let other = contact_directory::commands::Request { body: b"that".to_vec(), ..used };
    let (reused, fresh, without) = tokio::join!(
        house.directory.say(&owner, denial(b.id), Some(other)),
        house.directory.say(&owner, denial(c.id), Some(request("some call", b"new"))),
        say(&house, &house.owner, denial(a.id)),
    );
    assert_eq!(why(reused), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    assert_eq!(fresh.unwrap().receipt.consent_seq, 2);
    assert_eq!(without.unwrap().receipt.consent_seq, 3);
    assert_eq!(causes(&house, b.id).await, [Created]);
}

async fn who_waits_for_a_locked_contact_holds_up_nobody(db: TestDb) {
    if !db.is_postgres() {
        // SQLite has one unit of work at a time: everybody waits for everybody.
        return;
    }
    let house = House::on(db.handle()).await;
    let [a, b, ..] = people(&house).await;
    let keys = house.keys.of(&house.db, house.scope(), 0).await.unwrap();
    let ((locked, is_locked), (release, released)) = (oneshot::channel(), oneshot::channel::<()>());
    let holds = house.db.write(house.scope(), move |mut tx| async move {
        contacts::lock(&mut tx, &keys, &[a.id]).await.unwrap();
        locked.send(()).unwrap();
        released.await.unwrap();
        tx.done::<_, DbError>(())
    });
    let works = async {
        is_locked.await.unwrap();
        let mut waits = std::pin::pin!(say(&house, &house.owner, denial(a.id)));
        assert!(poll!(&mut waits).is_pending());
        set(&house, &house.owner, b.id, &[(PHONE, DENIED)]).await.unwrap();
        assert!(poll!(&mut waits).is_pending());
        // A second one, which begins while the first one waits.
        set(&house, &house.owner, b.id, &[(PHONE, GRANTED)]).await.unwrap();
        release.send(()).unwrap();
        assert_eq!(waits.await.unwrap().receipt.consent_seq, 2);
    };
    let (held, ()) = tokio::join!(holds, works);
    held.unwrap();
}
