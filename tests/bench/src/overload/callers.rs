//! Callers that cost almost nothing, who go on whatever they are told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::wire::{Method, Wire};

/// Enough to keep two cores busy, and fewer than would wait for each other.
const WORKERS: usize = 16;
/// Of a connection: a server takes 256.
const UNDER_WAY: usize = 250;

/// A kind of call, and over how many connections it comes.
pub(super) struct Kind {
    pub(super) to: SocketAddr,
    pub(super) method: Method,
    pub(super) connections: usize,
    pub(super) asked: Arc<Asked>,
}

/// What is asked, one after the other, and again from the first.
pub(super) struct Asked {
    messages: Vec<Vec<u8>>,
    next: AtomicUsize,
}

/// How a call ended, and when.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) at: Instant,
    pub(super) took: Duration,
    pub(super) answered: bool,
}

/// What came of many calls.
#[derive(Debug, Default)]
pub(super) struct Came {
    pub(super) ended: Vec<Ended>,
    /// For which there was no room on their connection.
    pub(super) unsent: usize,
}

impl Asked {
    pub(super) fn new(messages: Vec<Vec<u8>>) -> Self {
        Self { messages, next: AtomicUsize::new(0) }
    }

    fn next(&self) -> &[u8] {
        &self.messages[self.next.fetch_add(1, Ordering::Relaxed) % self.messages.len()]
    }
}

impl Came {
    pub(super) fn refused(&self) -> usize {
        self.ended.iter().filter(|ended| !ended.answered).count()
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.ended.extend(other.ended);
        self.unsent += other.unsent;
        self
    }
}

impl Kind {
    async fn connect(&self) -> Wire {
        Wire::connect(self.to, self.method.clone()).await.expect("a connection")
    }
}

/// As many as there can be: `many`, and each `one_in`th time one of `few`.
pub(super) async fn closed(many: &Kind, few: &Kind, one_in: usize, lasts: Duration) -> Vec<Ended> {
    let mut workers = JoinSet::new();
    let until = Instant::now() + lasts;
    for worker in 0..WORKERS {
        let (mut often, mut seldom) = (many.connect().await, few.connect().await);
        let (many, few) = (Arc::clone(&many.asked), Arc::clone(&few.asked));
        workers.spawn(async move {
            let mut all = Vec::new();
            for number in worker.. {
                let began = Instant::now();
                if began >= until {
                    break;
                }
                let call = if number.is_multiple_of(one_in) {
                    seldom.call(few.next()).await
                } else {
                    often.call(many.next()).await
                };
                let (at, answered) = (Instant::now(), call.expect("it goes on").answered);
                all.push(Ended { at, took: at - began, answered });
            }
            all
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

/// So many a second, whatever is answered.
pub(super) async fn open(kind: &Kind, a_second: f64, lasts: Duration) -> Came {
    let mut connections = JoinSet::new();
    let every = Duration::from_secs_f64(kind.connections as f64 / a_second);
    for _ in 0..kind.connections {
        let (wire, asked) = (kind.connect().await, Arc::clone(&kind.asked));
        connections.spawn(Connection::new(wire).run(asked, every, lasts));
    }
    connections.join_all().await.into_iter().fold(Came::default(), Came::and)
}

struct Connection {
    wire: Wire,
    under_way: HashMap<u32, Instant>,
    came: Came,
}

impl Connection {
    fn new(wire: Wire) -> Self {
        Self { wire, under_way: HashMap::new(), came: Came::default() }
    }

    async fn run(mut self, asked: Arc<Asked>, every: Duration, lasts: Duration) -> Came {
        let began = Instant::now();
        let end = began + lasts;
        let mut number = 0_u32;
        loop {
            let now = Instant::now();
            while now < end && began + every * number <= now {
                number += 1;
                self.begin(&asked, now);
            }
            if now < end {
                // Cancelled, it loses nothing: reading is all that waits.
                tokio::select! {
                    stepped = self.wire.step() => stepped.expect("it goes on"),
                    () = sleep_until(began + every * number) => {}
                }
            } else if self.under_way.is_empty() {
                return self.came;
            } else {
                self.wire.step().await.expect("it goes on");
            }
            self.take();
        }
    }

    fn begin(&mut self, asked: &Asked, now: Instant) {
        let room = self.under_way.len() < UNDER_WAY;
        match room.then(|| self.wire.begin(asked.next())).flatten() {
            Some(stream) => {
                self.under_way.insert(stream, now);
            }
            None => self.came.unsent += 1,
        }
    }

    fn take(&mut self) {
        let at = Instant::now();
        while let Some(ended) = self.wire.ended() {
            let began = self.under_way.remove(&ended.stream).expect("it was begun");
            let answered = ended.answered;
            self.came.ended.push(Ended { at, took: at - began, answered });
        }
    }
}
