//! Where two at once meet on PostgreSQL, not left to chance: the one stands still where it needs a table that is locked, until
//! the other waits, too, or is done without.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use yinyom_db::DbError;

use crate::support::House;

/// A lock that is held until it is opened.
pub struct Gate {
    open: oneshot::Sender<()>,
    unit: JoinHandle<()>,
}

impl Gate {
    pub async fn open(self) {
        self.open.send(()).unwrap();
        self.unit.await.unwrap();
    }
}

/// Holds what the statement locks.
pub async fn lock(house: &House, sql: &'static str) -> Gate {
    let (held, is_held) = oneshot::channel();
    let (open, opened) = oneshot::channel();
    let (db, scope) = (house.db.clone(), house.scope());
    let unit = tokio::spawn(async move {
        let unit = db.write::<_, DbError, _, _>(scope, move |mut tx| async move {
            tx.query(sql).execute().await?;
            held.send(()).unwrap();
            opened.await.unwrap();
            tx.done(())
        });
        unit.await.unwrap();
    });
    is_held.await.unwrap();
    Gate { open, unit }
}

/// Until so many wait for a lock in this database, or that one is done without.
pub async fn waiting<T>(house: &House, task: &JoinHandle<T>, number: i64) {
    const WAITING: &str = "SELECT COUNT(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let all = async {
        while !task.is_finished() {
            let mut tx = house.db.read(house.scope()).await.unwrap();
            if tx.query(WAITING).scalar::<i64>().await.unwrap() >= number {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(2), all).await.expect("nobody waits");
}
