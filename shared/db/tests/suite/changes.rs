//! Wake-ups come after the commit, in this process and in others.

use std::time::Duration;

use uuid::Uuid;
use yinyom_db::{Db, DbError, Listener};
use yinyom_testkit::{TestDb, both_databases};

use crate::{MIGRATIONS, insert, some_scope, units};

both_databases!(MIGRATIONS =>
    who_listens_is_woken_after_the_commit,
    work_that_is_undone_wakes_nobody,
    another_topic_wakes_nobody,
    many_changes_are_one_wake_up,
);

/// Far longer than a wake-up takes, for those that must come.
const LONG: Duration = Duration::from_secs(20);

async fn woken(listener: &mut Listener) {
    tokio::time::timeout(LONG, listener.changed()).await.expect("a wake-up");
}

/// On PostgreSQL the first listener is woken once more when its connection stands.
async fn settled(db: &Db, topic: &'static str) -> Listener {
    let mut listener = db.listen(topic);
    if db.is_postgres() {
        woken(&mut listener).await;
    }
    listener
}

fn is_awake(listener: &mut Listener) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::pin!(listener.changed()).poll(&mut context).is_ready()
}

async fn who_listens_is_woken_after_the_commit(db: TestDb) {
    let scope = some_scope();
    let mut listener = settled(&db, "outbox").await;
    db.write::<_, DbError, _, _>(scope, |mut tx| async move {
        tx.announce("outbox");
        insert(&mut tx, Uuid::now_v7(), 1).await?;
        tx.done(())
    })
    .await
    .unwrap();
    woken(&mut listener).await;
    assert_eq!(units(&db, scope).await, [1]);
}

async fn work_that_is_undone_wakes_nobody(db: TestDb) {
    let mut listener = settled(&db, "outbox").await;
    let error = db
        .write::<(), DbError, _, _>(some_scope(), |mut tx| async move {
            tx.announce("outbox");
            tx.query("not a statement").execute().await?;
            tx.done(())
        })
        .await;
    error.unwrap_err();
    assert!(!is_awake(&mut listener));
}

async fn another_topic_wakes_nobody(db: TestDb) {
    let mut listener = settled(&db, "outbox").await;
    db.notify("policy");
    assert!(!is_awake(&mut listener));
}

async fn many_changes_are_one_wake_up(db: TestDb) {
    let mut listener = settled(&db, "outbox").await;
    for _ in 0..1_000 {
        db.notify("outbox");
    }
    woken(&mut listener).await;
}

#[test]
fn a_change_wakes_other_processes() {
    yinyom_testkit::on_postgres(&MIGRATIONS, |db| async move {
        let other = Db::connect(db.config(), &MIGRATIONS).await.unwrap();
        let mut listener = settled(&other, "outbox").await;
        db.notify("outbox");
        woken(&mut listener).await;
    });
}
