//! A receiver as the manager is one: it keeps heads, takes each event once, refuses gaps and other
//! content. It can be told to misbehave.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;
use yinyom_kernel::BusinessId;
use yinyom_outbox::{Event, Outcome, Sink, SinkError, StreamOutcome};

pub type Key = (BusinessId, Uuid, i64);

/// What was sent in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub business: BusinessId,
    pub events: Vec<(Uuid, i64)>,
}

#[derive(Clone)]
pub struct Receiver(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    held: watch::Sender<BTreeSet<BusinessId>>,
    news: mpsc::UnboundedSender<Key>,
    calls: mpsc::UnboundedSender<Delivery>,
}

#[derive(Default)]
pub struct State {
    ledger: BTreeMap<(BusinessId, Uuid), Vec<Bytes>>,
    /// Does not answer.
    pub down: bool,
    /// Takes so many deliveries and then does not answer them.
    pub lost_replies: usize,
    /// Takes each delivery and never answers.
    pub hangs: bool,
    /// Cannot read these.
    pub poison: BTreeSet<(Uuid, i64)>,
    /// Says nothing of these.
    pub mute: BTreeSet<Uuid>,
    /// Does not know these.
    pub rejected: BTreeSet<BusinessId>,
    /// Takes no larger batches.
    pub largest: Option<usize>,
    /// Falls over at these.
    pub panics: BTreeSet<BusinessId>,
}

/// What a test hears from its receiver.
pub struct Ear {
    /// Each event when it is recorded for the first time.
    pub news: mpsc::UnboundedReceiver<Key>,
    /// Each call when it comes in, answered or not.
    pub calls: mpsc::UnboundedReceiver<Delivery>,
}

impl Receiver {
    pub fn new() -> (Self, Ear) {
        let (news, news_ear) = mpsc::unbounded_channel();
        let (calls, calls_ear) = mpsc::unbounded_channel();
        let (state, held) = (Mutex::default(), watch::Sender::default());
        let inner = Inner { state, held, news, calls };
        (Self(Arc::new(inner)), Ear { news: news_ear, calls: calls_ear })
    }

    pub fn set(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// Keeps deliveries of `business` waiting until it is [`Self::release`]d.
    pub fn hold(&self, business: BusinessId) {
        self.0.held.send_modify(|held| {
            held.insert(business);
        });
    }

    pub fn release(&self, business: BusinessId) {
        self.0.held.send_modify(|held| {
            held.remove(&business);
        });
    }

    /// The payloads of a stream, in order of their numbers.
    pub fn ledger(&self, business: BusinessId, stream: Uuid) -> Vec<Bytes> {
        self.set().ledger.get(&(business, stream)).cloned().unwrap_or_default()
    }

    /// Loses a stream, as a restored backup would.
    pub fn forget(&self, business: BusinessId, stream: Uuid) {
        self.set().ledger.remove(&(business, stream));
    }
}

impl Sink for Receiver {
    async fn deliver(
        &self,
        business: BusinessId,
        events: Vec<Event>,
    ) -> Result<Vec<StreamOutcome>, SinkError> {
        let sent = events.iter().map(|e| (e.stream, e.seq)).collect();
        let _ = self.0.calls.send(Delivery { business, events: sent });
        let mut held = self.0.held.subscribe();
        held.wait_for(|held| !held.contains(&business)).await.unwrap();
        let panics = self.set().panics.contains(&business);
        assert!(!panics, "told to");
        let (answer, hangs) = {
            let mut state = self.set();
            let answer = state.take(business, &events, &self.0.news);
            (answer, state.hangs)
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        answer
    }
}

impl State {
    fn take(
        &mut self,
        business: BusinessId,
        events: &[Event],
        news: &mpsc::UnboundedSender<Key>,
    ) -> Result<Vec<StreamOutcome>, SinkError> {
        if self.down {
            return Err(SinkError::Unavailable);
        }
        if self.rejected.contains(&business) {
            return Err(SinkError::Rejected { reason: "NOT_FOUND" });
        }
        if self.largest.is_some_and(|largest| events.len() > largest) {
            return Err(SinkError::Rejected { reason: "MESSAGE_TOO_LARGE" });
        }
        let mut streams = HashMap::<Uuid, Vec<&Event>>::new();
        for event in events {
            streams.entry(event.stream).or_default().push(event);
        }
        let mut outcomes = Vec::new();
        for (stream, events) in streams {
            let outcome = self.take_stream(business, stream, &events, news);
            if !self.mute.contains(&stream) {
                outcomes.push(StreamOutcome { stream, outcome });
            }
        }
        if self.lost_replies > 0 {
            self.lost_replies -= 1;
            return Err(SinkError::Unavailable);
        }
        Ok(outcomes)
    }

    fn take_stream(
        &mut self,
        business: BusinessId,
        stream: Uuid,
        events: &[&Event],
        news: &mpsc::UnboundedSender<Key>,
    ) -> Outcome {
        if events.iter().any(|e| self.poison.contains(&(stream, e.seq))) {
            return Outcome::Refused { reason: "INVALID" };
        }
        let had = self.ledger.get(&(business, stream)).cloned().unwrap_or_default();
        let mut now = had.clone();
        for event in events {
            let index = usize::try_from(event.seq - 1).unwrap();
            match now.get(index) {
                Some(known) if *known == event.payload => {}
                Some(_) => return Outcome::Refused { reason: "CONFLICT" },
                None if index == now.len() => now.push(event.payload.clone()),
                None => {
                    return Outcome::Gap { last_seq: self.keep(business, stream, &had, now, news) };
                }
            }
        }
        Outcome::Recorded { last_seq: self.keep(business, stream, &had, now, news) }
    }

    fn keep(
        &mut self,
        business: BusinessId,
        stream: Uuid,
        had: &[Bytes],
        now: Vec<Bytes>,
        news: &mpsc::UnboundedSender<Key>,
    ) -> i64 {
        let last = i64::try_from(now.len()).unwrap();
        for seq in i64::try_from(had.len()).unwrap() + 1..=last {
            let _ = news.send((business, stream, seq));
        }
        self.ledger.insert((business, stream), now);
        last
    }
}
