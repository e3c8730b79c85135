//! What is said at the same time, in one unit of work.
//!
//! Of each business one such unit is under way at a time; what is said meanwhile, or [a moment](Linger) later, is in the next
//! one. So who is alone waits for nobody, and many share the price of a commit. Each is still heard by itself: by its own rights,
//! with its own answer. A contact that somebody else has locked is left out, and so is a request that was sent before: each of
//! these is in a unit of its own, in which it may wait. So is whoever has no time: nobody else shall have as little.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tracing::Span;
use yinyom_db::idempotency::{self, RequestError};
use yinyom_db::{DbError, Tx};
use yinyom_kernel::{BusinessId, time_left, waited_for};

use super::{Directory, Error, Heard, Hearing, Said, is_row};
use crate::commands::linger::{self, Linger};
use crate::commands::request::{Written, kept, key};
use crate::store::{BusinessKeys, StoreError, contacts};

/// The most sayings of one unit.
const MOST: usize = 100;

/// Who has less time than that is no part of it: a unit takes milliseconds, unless the database is in trouble.
const TIME: Duration = Duration::from_secs(1);

/// Those who wait, by their business, which is here for as long as somebody sees to it.
#[derive(Default)]
pub struct Together(Mutex<HashMap<BusinessId, Room>>);

#[derive(Default)]
struct Room {
    waiting: Vec<Waiting>,
    /// Somebody came.
    came: Arc<Notify>,
}

struct Waiting {
    said: Arc<Said>,
    /// The call that it is part of, and its end.
    span: Span,
    deadline: Option<Instant>,
    heard: oneshot::Sender<Answer>,
}

/// What became of a saying. Who hears nothing goes on alone.
type Answer = Result<Written<Heard>, Error>;

/// Says it together with what others say; `None` if it has to be said alone.
pub(super) async fn say(directory: &Directory, said: &Arc<Said>) -> Option<Answer> {
    let left = time_left();
    if left.is_some_and(|left| left < TIME) {
        return None;
    }
    let (heard, answer) = oneshot::channel();
    let (business, said) = (said.session.business(), Arc::clone(said));
    let deadline = left.map(|left| Instant::now() + left);
    let waiting = Waiting { said, span: Span::current(), deadline, heard };
    if directory.together.join(business, waiting) {
        tokio::spawn(see_to(directory.clone(), business));
    }
    answer.await.ok()
}

impl Together {
    fn all(&self) -> MutexGuard<'_, HashMap<BusinessId, Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody sees to that business yet.
    fn join(&self, business: BusinessId, waiting: Waiting) -> bool {
        let mut all = self.all();
        let nobody = !all.contains_key(&business);
        let room = all.entry(business).or_default();
        room.waiting.push(waiting);
        room.came.notify_one();
        nobody
    }

    /// How many wait.
    fn waiting(&self, business: BusinessId) -> usize {
        self.all().get(&business).map_or(0, |room| room.waiting.len())
    }

    /// Until so many wait.
    async fn crowd(&self, business: BusinessId, wanted: usize) {
        let Some(came) = self.all().get(&business).map(|room| Arc::clone(&room.came)) else {
            return;
        };
        while self.waiting(business) < wanted {
            came.notified().await;
        }
    }

    /// Who is next. When there is nobody more, nobody sees to that business any more.
    fn next(&self, business: BusinessId) -> Option<Vec<Waiting>> {
        let mut all = self.all();
        let room = all.get_mut(&business)?;
        let (mut next, mut rest) = (Vec::new(), Vec::new());
        let (mut contacts, mut requests) = (HashSet::new(), HashSet::new());
        // Whoever has given up said nothing.
        for waiting in room.waiting.drain(..).filter(|waiting| !waiting.heard.is_closed()) {
            let Said { saying, request, .. } = &*waiting.said;
            let request = request.as_ref().map(|request| request.id);
            // What is said twice of a contact, or sent twice, is said one after the other.
            if next.len() < MOST
                && !contacts.contains(&saying.contact)
                && request.is_none_or(|id| !requests.contains(&id))
            {
                contacts.insert(saying.contact);
                requests.extend(request);
                next.push(waiting);
            } else {
                rest.push(waiting);
            }
        }
        room.waiting = rest;
        if next.is_empty() {
            all.remove(&business);
            return None;
        }
        Some(next)
    }
}

async fn see_to(directory: Directory, business: BusinessId) {
    let mut linger = Linger::default();
    while let Some(next) = directory.together.next(business) {
        let answered = next.len();
        // A panic ends the unit that it happens in: each of these then goes on alone, and may meet it again.
        let _ = AssertUnwindSafe(hear(&directory, next)).catch_unwind().await;
        if let Some(wanted) = linger.wanted(answered, directory.together.waiting(business)) {
            let crowd = directory.together.crowd(business, wanted.min(MOST));
            linger.waited(linger::moment(crowd).await);
        }
    }
}

async fn hear(directory: &Directory, all: Vec<Waiting>) {
    let Some(first) = all.first() else { return };
    let scope = first.said.session.scope;
    let Ok(keys) = directory.keys_of(&first.said.session).await else { return };
    let now = directory.now();
    let deadline = all.iter().filter_map(|waiting| waiting.deadline).min();
    let apart = |waiting: Waiting| ((waiting.said, waiting.span), waiting.heard);
    let (said, waiting): (Vec<_>, Vec<_>) = all.into_iter().map(apart).unzip();
    let begun = Arc::new(AtomicBool::new(false));
    let begins = Arc::clone(&begun);
    let unit = directory.db.write(scope, move |mut tx| async move {
        begins.store(true, Ordering::Relaxed);
        let heard = hear_each(&mut tx, &keys, said, now).await?;
        tx.done::<_, Error>(heard)
    });
    match waited_for(deadline, unit).await {
        Ok(heard) => {
            // Who does not wait any more is not told; who is told nothing goes on alone.
            for (waiting, heard) in waiting.into_iter().zip(heard) {
                if let Some(heard) = heard {
                    drop(waiting.send(heard));
                }
            }
        }
        // It may have taken effect: whether it is said again is for the caller to decide.
        Err(Error::Store(StoreError::Db(error @ DbError::Unavailable(_))))
            if begun.load(Ordering::Relaxed) =>
        {
            for waiting in waiting {
                drop(waiting.send(Err(error.clone().into())));
            }
        }
        // It did not. Whose fault it was shows when each is alone.
        Err(error) => tracing::debug!(%error, "what was said together is said one by one"),
    }
}

async fn hear_each(
    tx: &mut Tx,
    keys: &BusinessKeys,
    mut said: Vec<(Arc<Said>, Span)>,
    now: Timestamp,
) -> Result<Vec<Option<Answer>>, Error> {
    let requests = said.iter().filter_map(|(of, _)| Some(key(&of.session, of.request.as_ref()?)));
    let requests: Vec<_> = requests.collect();
    let known = idempotency::known(tx, &requests).await?;
    let known =
        requests.iter().zip(known).filter_map(|(key, known)| known.then_some(key.request_id));
    let known: HashSet<_> = known.collect();
    let new = said
        .iter()
        .map(|(of, _)| &**of)
        .filter(|of| of.request.as_ref().is_none_or(|request| !known.contains(&request.id)));
    let ids: Vec<_> = new.clone().map(|of| of.saying.contact).collect();
    let locked = contacts::lock_free_to_hear(tx, &ids).await?;
    let free: HashSet<_> = locked.iter().map(|contact| contact.id).collect();
    let sayings = new.map(|of| &of.saying);
    let mut hearing = Hearing::open(tx, keys, locked, sayings, now).await?;
    let (mut all, mut carried_out) = (Vec::with_capacity(said.len()), Vec::new());
    for (said, span) in said.drain(..) {
        let Said { session, saying, request } = &*said;
        let request = request.as_ref();
        if request.is_some_and(|request| known.contains(&request.id))
            || !free.contains(&saying.contact)
        {
            all.push(None);
            continue;
        }
        all.push(Some(match span.in_scope(|| hearing.hear(session, saying)) {
            Ok(written) => {
                let kept = request.map(|request| kept(keys, session, request, &written.receipt));
                carried_out.extend(kept);
                Ok(written)
            }
            Err(error) if is_row(&error) => Err(error),
            Err(error) => return Err(error),
        }));
    }
    hearing.close(tx).await?;
    if idempotency::keep(tx, &carried_out, now.as_microsecond()).await? {
        Ok(all)
    } else {
        // Another replica carries out one of them in this moment.
        Err(RequestError::Reused.into())
    }
}
