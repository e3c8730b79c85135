//! "Something changed": wakes whoever waits for work, in this process and, on PostgreSQL, in others.
//!
//! A wake-up can be lost and can come for nothing. Whoever listens also looks by itself now and
//! then; nothing may depend on a wake-up.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sqlx::Postgres;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::DbError;
use crate::kept::Kept;

const CHANNEL: &str = "yinyom_changes";
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A server that has been silent for so long is asked whether it is there: one that went away without a word would
/// else be listened to for ever.
const QUIET: Duration = Duration::from_secs(15);
/// How long it has to say so, and to take an announcement.
const ANSWER: Duration = Duration::from_secs(3);

/// Waits for changes of one topic.
#[derive(Debug)]
pub struct Listener(watch::Receiver<()>);

impl Listener {
    /// Returns when there was a change since the last return, or since [`crate::Db::listen`].
    /// Several changes make one return. Never returns once the database is closed.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[derive(Default)]
struct Topics(Mutex<HashMap<&'static str, watch::Sender<()>>>);

impl Topics {
    fn wake(&self, topic: &str) {
        let topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = topics.get(topic) {
            sender.send_replace(());
        }
    }

    fn wake_all(&self) {
        let topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        topics.values().for_each(|sender| {
            sender.send_replace(());
        });
    }

    fn subscribe(&self, topic: &'static str) -> Listener {
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Listener(topics.entry(topic).or_insert_with(|| watch::Sender::new(())).subscribe())
    }
}

/// The topics of one database.
pub(crate) struct Changes {
    topics: Arc<Topics>,
    network: Option<Network>,
}

/// What carries changes to other processes.
struct Network {
    announcements: mpsc::Sender<&'static str>,
    listening: PgConnectOptions,
    follower: Mutex<Option<AbortHandle>>,
    runtime: tokio::runtime::Handle,
}

impl Changes {
    /// For a database that only this process uses.
    pub(crate) fn in_process() -> Self {
        Self { topics: Arc::default(), network: None }
    }

    /// For a database that other processes use, too. `listening` makes one connection, when
    /// somebody listens.
    pub(crate) fn across_processes(writers: Kept<Postgres>, listening: PgConnectOptions) -> Self {
        let (announcements, queue) = mpsc::channel(64);
        let runtime = tokio::runtime::Handle::current();
        runtime.spawn(announce(writers, queue));
        let follower = Mutex::default();
        let network = Network { announcements, listening, follower, runtime };
        Self { topics: Arc::default(), network: Some(network) }
    }

    pub(crate) fn notify(&self, topic: &'static str) {
        self.topics.wake(topic);
        if let Some(network) = &self.network {
            // A full queue means that announcements are late, not that this one is the news.
            let _ = network.announcements.try_send(topic);
        }
    }

    pub(crate) fn listen(&self, topic: &'static str) -> Listener {
        // Subscribed first: the follower's own first wake-up must reach this listener.
        let listener = self.topics.subscribe(topic);
        if let Some(network) = &self.network {
            let mut follower = network.follower.lock().unwrap_or_else(PoisonError::into_inner);
            follower.get_or_insert_with(|| {
                let task = follow(network.listening.clone(), Arc::downgrade(&self.topics));
                network.runtime.spawn(task).abort_handle()
            });
        }
        listener
    }

    /// Stops listening to other processes.
    pub(crate) fn close(&self) {
        if let Some(network) = &self.network {
            let follower = network.follower.lock().unwrap_or_else(PoisonError::into_inner);
            follower.iter().for_each(AbortHandle::abort);
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.close();
    }
}

/// Sends what is queued. It is done outside any unit of work because a `NOTIFY` in one makes commits
/// wait for each other, all over the server.
async fn announce(writers: Kept<Postgres>, mut queue: mpsc::Receiver<&'static str>) {
    while let Some(first) = queue.recv().await {
        let mut topics = BTreeSet::from([first]);
        while let Ok(topic) = queue.try_recv() {
            topics.insert(topic);
        }
        for topic in topics {
            let sent = tokio::time::timeout(ANSWER, tell_others(&writers, topic)).await;
            if !matches!(sent, Ok(Ok(()))) {
                tracing::debug!(topic, "a change was not announced to other processes");
            }
        }
    }
}

async fn tell_others(writers: &Kept<Postgres>, topic: &'static str) -> Result<(), DbError> {
    let mut connection = writers.acquire(None).await?;
    let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(topic);
    notify.execute(&mut *connection).await?;
    let told = connection.told();
    connection.keep(told);
    Ok(())
}

/// Wakes topics as other processes announce them, and all of them whenever announcements may have
/// been missed.
async fn follow(options: PgConnectOptions, topics: Weak<Topics>) {
    let mut pause = FIRST_PAUSE;
    loop {
        // A new pool each time: an old one waits for the goodbye of a server that says nothing.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ANSWER)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options.clone());
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            pause = FIRST_PAUSE;
            let Some(listed) = topics.upgrade() else { return };
            listed.wake_all();
            drop(listed);
            while let Ok(announcement) = next(&mut listener).await {
                let Some(topics) = topics.upgrade() else { return };
                match announcement {
                    Some(announcement) => topics.wake(announcement.payload()),
                    None => topics.wake_all(),
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The next announcement, or nothing where some may have been missed.
async fn next(listener: &mut PgListener) -> sqlx::Result<Option<PgNotification>> {
    loop {
        if let Ok(heard) = tokio::time::timeout(QUIET, listener.try_recv()).await {
            return heard;
        }
        let asked = sqlx::query("SELECT 1").execute(&mut *listener);
        tokio::time::timeout(ANSWER, asked).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    }
}
