//! Reads that the store holds up while a right is taken away: they show by the rules of their end, not of their
//! beginning. So does each message of an open stream.

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use yinyom_db::DbError;
use yinyom_testkit::TestDb;
use yinyom_tests::eventually;
use yinyom_tests::proxy::Flow;

use crate::probe::{Asker, Heard, Probe, READS};
use crate::right::Right;
use crate::{LEASE, World};

/// Nobody reads or writes contacts until this is let go.
struct Locked {
    let_go: oneshot::Sender<()>,
    lock: JoinHandle<Result<(), DbError>>,
}

impl Locked {
    async fn contacts(directory: &TestDb) -> Self {
        let (let_go, end) = oneshot::channel();
        let (locked, is_locked) = oneshot::channel();
        let db = directory.handle();
        let lock = tokio::spawn(async move {
            db.write_unscoped(|mut tx| async move {
                tx.query("LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE").execute().await?;
                let _ = locked.send(());
                let _ = end.await;
                tx.done(())
            })
            .await
        });
        is_locked.await.expect("the lock");
        Self { let_go, lock }
    }

    async fn open(self) {
        self.let_go.send(()).expect("the lock is held");
        self.lock.await.unwrap().unwrap();
    }
}

/// Until as many wait for the lock.
async fn waiting(directory: &TestDb, many: usize) {
    let sql = "SELECT COUNT(*) FROM pg_locks
               WHERE NOT granted AND relation = 'contacts'::regclass";
    let count = async || {
        let mut tx = directory.read_unscoped().await.unwrap();
        tx.query(sql).scalar::<i64>().await.unwrap()
    };
    eventually(count, |waiting| usize::try_from(*waiting).unwrap() >= many).await;
}

async fn give(world: &World, right: Right) {
    right.give(world, &world.business.owner).await;
    for directory in 0..3 {
        let mut asker =
            Asker::new(world, &right.holder(world), directory, &right.contact(world).await);
        eventually(async || asker.ask(Probe::Get).await, |heard| *heard == Heard::Revealed).await;
    }
}

/// Begins every read at every directory, and returns when all of them wait for the store.
async fn begin(world: &World, right: Right) -> Vec<JoinHandle<(Probe, Heard)>> {
    let contact = right.contact(world).await;
    let mut reads = Vec::new();
    for directory in 0..3 {
        for probe in READS {
            let mut asker = Asker::new(world, &right.holder(world), directory, &contact);
            reads.push(tokio::spawn(async move { (probe, asker.ask(probe).await) }));
        }
    }
    waiting(&world.house.databases[1], reads.len()).await;
    reads
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_the_store_holds_up_shows_by_the_rules_of_its_end() {
    let (world, _) = World::standing_still().await;
    for right in [
        Right::Listing,
        Right::Admin,
        Right::Ownership,
        Right::NoEnforcement,
        Right::NotSetShown,
        Right::Membership,
    ] {
        give(&world, right).await;
        let locked = Locked::contacts(&world.house.databases[1]).await;
        let reads = begin(&world, right).await;
        right.take(&world, &world.business.owner).await;
        locked.open().await;
        for read in reads {
            let (probe, heard) = read.await.unwrap();
            assert!(!right.is_broken_by(&heard), "{right:?} {probe:?}: {heard:?}");
        }
    }
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_outlasts_its_lease_is_masked() {
    let (world, clock) = World::standing_still().await;
    give(&world, Right::Listing).await;
    let locked = Locked::contacts(&world.house.databases[1]).await;
    let reads = begin(&world, Right::Listing).await;
    for wire in &world.house.wires {
        wire.set(Flow::Held);
    }
    clock.advance(LEASE);
    locked.open().await;
    for read in reads {
        let (probe, heard) = read.await.unwrap();
        assert_eq!(heard, Heard::Hidden, "{probe:?}");
    }
    for wire in &world.house.wires {
        wire.set(Flow::Open);
    }
    world.house.close().await;
}

/// An import's answer tells which contacts have which addresses: it is for who may see them when it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_tells_nothing_once_the_right_is_gone() {
    let (world, _) = World::standing_still().await;
    for (right, refused) in [
        (Right::Listing, "IMPORT_NOT_ALLOWED"),
        (Right::Admin, "IMPORT_NOT_ALLOWED"),
        (Right::Membership, "NOT_FOUND"),
    ] {
        give(&world, right).await;
        let mut open = Vec::new();
        for directory in 0..3 {
            let mut asker = Asker::new(&world, &right.holder(&world), directory, &world.denied);
            assert_eq!(asker.ask(Probe::Import).await, Heard::Revealed);
            open.push(asker);
        }
        // One has a batch under way when the right is taken; the others send one after that.
        let locked = Locked::contacts(&world.house.databases[1]).await;
        let mut first = open.remove(0);
        let batch = tokio::spawn(async move { first.ask(Probe::Import).await });
        waiting(&world.house.databases[1], 1).await;
        right.take(&world, &world.business.owner).await;
        locked.open().await;
        let mut heard = vec![batch.await.unwrap()];
        for asker in &mut open {
            heard.push(asker.ask(Probe::Import).await);
        }
        for heard in heard {
            let Heard::Refused(_, reason) = heard else { panic!("{right:?}: {heard:?}") };
            assert_eq!(reason, refused, "{right:?}");
        }
    }
    world.house.close().await;
}
