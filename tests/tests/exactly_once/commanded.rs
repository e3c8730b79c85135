//! A stream that the ledger refuses: seen, alone, whole, and sent again on command (TRAPS 3).

use tonic::{Code, Response, Status};
use yinyom_consent::CONTACTS;
use yinyom_db::DbError;
use yinyom_kernel::{BusinessId, ContactId};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::ConsentState;
use yinyom_tests::{Database, Person, Plan, refusal};

use crate::World;
use crate::writers::{PATIENCE, assert_exactly_once, entries, nothing_waits, say_once};

/// What the manager believes to have of a contact. More than it has is what a restored backup of one table would do.
async fn pretend(world: &World, contact: &str, last_seq: i64) {
    let (_, contact): (BusinessId, ContactId) = CONTACTS.parse(contact).unwrap();
    let changed = world.house.databases[2].write(world.scope(), move |mut tx| async move {
        tx.scoped("UPDATE streams SET last_seq = $3 WHERE business_id = $1 AND contact_id = $2")
            .bind(contact.uuid())
            .bind(last_seq)
            .execute()
            .await?;
        tx.done::<_, DbError>(())
    });
    changed.await.unwrap();
}

async fn status(world: &World, who: &Person) -> dir::GetOutboxStatusResponse {
    let asked = dir::GetOutboxStatusRequest { parent: world.business.name.clone() };
    let ask = async || who.outbox.clone().get_outbox_status(asked.clone()).await;
    answer(ask).await.unwrap()
}

fn command(world: &World, contacts: &[&String]) -> dir::RetryQuarantinedStreamsRequest {
    dir::RetryQuarantinedStreamsRequest {
        parent: world.business.name.clone(),
        contacts: contacts.iter().copied().cloned().collect(),
    }
}

async fn retried(world: &World, who: &Person, contacts: &[&String]) -> i64 {
    ask(world, who, contacts).await.unwrap().retried_count
}

async fn ask(
    world: &World,
    who: &Person,
    contacts: &[&String],
) -> Result<dir::RetryQuarantinedStreamsResponse, Status> {
    let command = command(world, contacts);
    answer(async || who.outbox.clone().retry_quarantined_streams(command.clone()).await).await
}

/// On a busy machine a lease may run out, and who somebody is cannot be said for a moment.
async fn answer<T>(ask: impl AsyncFn() -> Result<Response<T>, Status>) -> Result<T, Status> {
    loop {
        match ask().await {
            Err(status) if status.code() == Code::Unavailable => {}
            answer => return answer.map(Response::into_inner),
        }
    }
}

/// Waits until nothing else waits than `of_each` changes of so many streams in quarantine.
async fn quarantined(
    world: &World,
    streams: usize,
    of_each: usize,
) -> dir::GetOutboxStatusResponse {
    let backlog = i64::try_from(streams * of_each).unwrap();
    let seen = async {
        loop {
            let status = status(world, &world.business.admin).await;
            if (status.quarantined.len(), status.backlog) == (streams, backlog) {
                return status;
            }
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("streams are quarantined")
}

async fn what_the_ledger_refused_is_sent_again_on_command(database: Database) {
    let world = World::of(Plan::on(database)).await;
    nothing_waits(&world.business).await;
    let (refused, others) = world.contacts.split_at(3);
    for contact in refused {
        pretend(&world, contact, 2).await;
    }
    let before = entries(&world.business).await.len();
    let mut said = Vec::new();
    for (state, so_far) in [(ConsentState::Granted, 1), (ConsentState::Denied, 2)] {
        for contact in &world.contacts {
            said.push(say_once(&mut [world.owner_at(0)], contact, state).await);
        }
        // In sight, with everything that is behind it, and holding up nobody.
        let status = quarantined(&world, refused.len(), so_far).await;
        let mut names: Vec<_> = status.quarantined.iter().map(|q| q.contact.clone()).collect();
        names.sort();
        assert_eq!(names, refused);
        assert!(status.quarantined.iter().all(|q| (q.consent_seq, &*q.reason) == (2, "CONFLICT")));
    }
    assert_eq!(entries(&world.business).await.len(), before + 2 * others.len());

    only_those_who_may_command_it(&world).await;
    // Nobody has mended anything: it is refused again, and nothing is lost.
    assert_eq!(retried(&world, &world.business.owner, &[&refused[0]]).await, 1);
    quarantined(&world, refused.len(), 2).await;

    for contact in refused {
        pretend(&world, contact, 1).await;
    }
    let vendor = world.house.named("vendor");
    assert_eq!(retried(&world, &vendor, &[&refused[0], &others[0]]).await, 1);
    quarantined(&world, 2, 2).await;
    assert_eq!(retried(&world, &world.business.admin, &[]).await, 2, "all that are left");
    assert_exactly_once(&world.business, &world.contacts, &said).await;
    assert_eq!(retried(&world, &vendor, &[]).await, 0);
    world.house.close().await;
}

async fn only_those_who_may_command_it(world: &World) {
    let foreign = world.house.found().await;
    let refusals = [
        (&world.business.user, Code::PermissionDenied, "OWNER_OR_ADMIN_ONLY"),
        (&world.business.officer, Code::PermissionDenied, "OWNER_OR_ADMIN_ONLY"),
        (&foreign.owner, Code::NotFound, "NOT_FOUND"),
    ];
    for (who, code, reason) in refusals {
        let status = ask(world, who, &[]).await.unwrap_err();
        assert_eq!(refusal(&status), (code, reason.to_owned(), Vec::new()));
    }
    quarantined(world, 3, 2).await;
}

mod what_the_ledger_refused {
    use yinyom_tests::Database;

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite() {
        super::what_the_ledger_refused_is_sent_again_on_command(Database::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn postgres() {
        super::what_the_ledger_refused_is_sent_again_on_command(Database::Postgres).await;
    }
}
