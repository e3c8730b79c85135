//! The database is restarted under load, gently and not.

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use yinyom_proto::directory::v1::{GetContactRequest, Visibility};
use yinyom_tests::writer::{Patience, patiently};
use yinyom_tests::{OwnPostgres, Stop};

use super::{DEADLINE, SESSIONS, World, goes_on};

const WRITERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_restarted_under_load_loses_nothing_and_everything_goes_on() {
    let services = ["settings", "directory", "manager"];
    let world = World::start(OwnPostgres::start(3 * SESSIONS), &services).await;
    let seen = world.business.contact(&["+66898765432"], &[]).await.name;
    let mut witness = world.writer().await;
    let mut idle = Vec::new();
    for _ in 0..WRITERS {
        idle.push(world.writer().await);
    }
    for how in [Stop::Immediate, Stop::Fast, Stop::Immediate] {
        let stop = CancellationToken::new();
        let mut writing = JoinSet::new();
        for mut writer in idle.drain(..) {
            let stop = stop.clone();
            writing.spawn(async move {
                while !stop.is_cancelled() {
                    let _ = writer.write(Patience::Until(DEADLINE)).await;
                }
                writer
            });
        }
        // In the middle of it.
        goes_on(&mut witness, 2).await;
        world.server.stop(how);
        world.server.start_again();
        goes_on(&mut witness, 2).await;
        stop.cancel();
        idle = writing.join_all().await;
        // The relay goes on, too: `check` waits for the ledger.
        for writer in &mut idle {
            goes_on(writer, 2).await;
            writer.check().await;
        }
    }
    witness.check().await;
    // The lease lives again, so that whoever may see sees.
    let question = GetContactRequest { name: seen };
    let visibility = async || {
        let contact = world.business.owner.contacts.clone().get_contact(question.clone()).await;
        contact.map(|answer| answer.into_inner().contact.unwrap().phones[0].visibility())
    };
    let seen = patiently(visibility, |seen| matches!(seen, Ok(Visibility::Visible))).await;
    seen.expect("a contact");
    // Settings listens again, by which a right that is taken away reaches its other replicas at once.
    let listeners = async || {
        let sql = "SELECT datname::text FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
        world.server.sql("postgres", sql).await.unwrap()
    };
    patiently(listeners, |of| of.iter().any(|database| database == "settings")).await;
    for service in services {
        // A read ends its transaction without that anybody waits for it.
        let open = async || world.server.sessions(service, "idle in transaction%").await;
        patiently(open, |open| *open == 0).await;
    }
    world.house.close().await;
}
