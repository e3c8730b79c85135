//! When it cannot be recorded: somebody holds the lock that numbers are given under, as a slow disk or a lost database
//! would.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;
use yinyom_db::DbError;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::directory::v1::VisibilityReason as Reason;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::types::v1::ConsentState::{Denied, Granted, NotSet};
use yinyom_tests::eventually;

use crate::reveals::{EMAIL, PHONE, World, get, scope};

/// Holds the business's reveals up until it is let go.
struct Hold {
    let_go: oneshot::Sender<()>,
    unit: JoinHandle<Result<(), DbError>>,
}

impl Hold {
    async fn on(world: &World) -> Self {
        let db = (*world.house.databases[1]).clone();
        let scope = scope(world.business.id);
        let ((held, is_held), (let_go, released)) = (oneshot::channel(), oneshot::channel());
        let unit = tokio::spawn(async move {
            db.write(scope, move |mut tx| async move {
                tx.scoped(
                    "INSERT INTO audit_heads (business_id, last_seq) VALUES ($1, 0)
                     ON CONFLICT (business_id) DO UPDATE SET last_seq = audit_heads.last_seq",
                )
                .execute()
                .await?;
                let _ = held.send(());
                let _ = released.await;
                tx.done::<_, DbError>(())
            })
            .await
        });
        is_held.await.unwrap();
        Self { let_go, unit }
    }

    async fn release(self) {
        self.let_go.send(()).unwrap();
        self.unit.await.unwrap().unwrap();
    }
}

fn points(contact: &dir::Contact) -> [(String, Reason); 2] {
    [&contact.phones[0], &contact.emails[0]].map(|point| (point.value.clone(), point.reason()))
}

pub async fn what_cannot_be_recorded_is_masked_and_the_rest_is_shown(world: World) {
    let owner = world.business.owner.bearer.clone();
    let mixed = world.contact(Denied, Granted).await;
    let granted = world.contact(Granted, Granted).await;
    world.arrived().await;
    let hold = Hold::on(&world).await;
    let during = Uuid::now_v7().to_string();
    let seen = get(&world.house, &owner, &mixed, &during).await.expect("the call succeeds");
    let masked = ("•••-•••-••••".to_owned(), Reason::RevealNotRecorded);
    assert_eq!(points(&seen), [masked.clone(), (EMAIL.to_owned(), Reason::Privileged)]);
    let list = dir::ListContactsRequest {
        parent: world.business.name.clone(),
        page_size: 1_000,
        ..Default::default()
    };
    let mut contacts = world.business.admin.contacts.clone();
    let page = contacts.list_contacts(list).await.unwrap().into_inner().contacts;
    let seen = page.iter().find(|contact| contact.name == mixed).unwrap();
    assert_eq!(points(seen), [masked, (EMAIL.to_owned(), Reason::Privileged)]);
    // A contact that is found by a number that is masked would tell the number.
    let search = dir::SearchContactsRequest {
        parent: world.business.name.clone(),
        phone: PHONE.to_owned(),
        ..Default::default()
    };
    let found = contacts.search_contacts(search.clone()).await.unwrap().into_inner();
    assert_eq!((found.contacts, found.next_page_token.as_str()), (vec![], ""));
    // Who needs no privilege waits for nothing.
    let seen = get(&world.house, &owner, &granted, &during).await.unwrap();
    assert_eq!(seen.phones[0].value, PHONE);
    let user = world.business.user.bearer.clone();
    let seen = get(&world.house, &user, &mixed, &during).await.unwrap();
    assert_eq!(seen.emails[0].reason(), Reason::Granted);
    hold.release().await;

    let shown = eventually(
        async || get(&world.house, &owner, &mixed, &Uuid::now_v7().to_string()).await.unwrap(),
        |contact| contact.phones[0].value == PHONE,
    );
    assert_eq!(shown.await.phones[0].reason(), Reason::Privileged);
    assert!(!contacts.search_contacts(search).await.unwrap().into_inner().contacts.is_empty());
}

/// Neither is it sent while the commit is under way: what was answered then would be masked or wrong.
pub async fn a_reveal_is_on_disk_when_its_answer_is_there(world: World) {
    let owner = world.business.owner.bearer.clone();
    let contact = world.contact(Denied, NotSet).await;
    world.arrived().await;
    for _ in 0..20 {
        let before = world.recorded().await;
        let hold = Hold::on(&world).await;
        let (house, id) = (&world.house, Uuid::now_v7().to_string());
        let mut asked = Box::pin(get(house, &owner, &contact, &id));
        // Long enough to be answered by anything that does not wait.
        let early = timeout(Duration::from_millis(50), &mut asked).await;
        assert!(early.is_err(), "answered before it can have been recorded: {early:?}");
        hold.release().await;
        let seen = asked.await.unwrap();
        let recorded = world.recorded().await;
        if seen.phones[0].value == PHONE {
            assert_eq!(recorded, before + 1);
            world.reveal_of(&id).await;
        } else {
            assert_eq!(seen.phones[0].reason(), Reason::RevealNotRecorded);
        }
    }
}

pub async fn consent_changes_do_not_wait_for_reveals(world: World) {
    let contact = world.contact(Denied, NotSet).await;
    world.arrived().await;
    // The manager takes no reveal of this business any more.
    let db = (*world.house.databases[1]).clone();
    db.write(scope(world.business.id), |mut tx| async move {
        tx.scoped("UPDATE audit_heads SET last_seq = last_seq + 5 WHERE business_id = $1")
            .execute()
            .await?;
        tx.done::<_, DbError>(())
    })
    .await
    .unwrap();
    let owner = world.business.owner.bearer.clone();
    for _ in 0..20 {
        let seen = get(&world.house, &owner, &contact, &Uuid::now_v7().to_string()).await.unwrap();
        assert_eq!(seen.phones[0].value, PHONE, "on record here; the manager may have it later");
    }
    world.business.say(&contact, yinyom_proto::types::v1::Channel::Phone, Granted).await;
    let asked = man::GetContactHistoryRequest { contact: contact.clone(), ..Default::default() };
    let mut ledger = world.business.owner.ledger.clone();
    let told = eventually(
        async || ledger.get_contact_history(asked.clone()).await.unwrap().into_inner(),
        |history| history.entries.first().is_some_and(|entry| entry.channels[0].to_state == 2),
    );
    told.await;
    // It is refused for good, visibly, and kept.
    let asked = dir::GetOutboxStatusRequest { parent: world.business.name.clone() };
    let mut outbox = world.business.owner.outbox.clone();
    let status = eventually(
        async || outbox.get_outbox_status(asked.clone()).await.unwrap().into_inner(),
        |status| status.quarantined_reveals.is_some() && status.backlog == 0,
    );
    let status = status.await;
    assert_eq!(status.quarantined_reveals.unwrap().reason, "GAP");
    assert!(status.reveal_backlog >= 20 && status.quarantined.is_empty());
}
