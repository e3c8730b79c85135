//! The audit record: takes events from their producers, each exactly once and in order (TRAPS 2, 18), and lists them.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;
use yinyom_audit::{AuditEvent, What};
use yinyom_db::{DbError, Tx};
use yinyom_failpoints::{Point, reached};
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, PageSize};

use super::record::wrong_fields;
use super::{Manager, Reading, Refused};
use crate::domain::{AuditFilter, AuditStream, Audited, Outcome, Page, StreamResult, judge};
use crate::store::StoreError;
use crate::store::audit::{self as store, Placed};

/// The most subjects that one page names, so that the answer stays below what a client takes.
const MAX_PAGE_SUBJECTS: usize = 15_000;

/// Takes what can be taken of each stream of the caller, who is their producer. Streams do not hold each other up, and a
/// batch that is sent twice is harmless.
pub async fn record_audit(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    streams: Vec<AuditStream>,
) -> Result<Vec<StreamResult>, Refused> {
    let scope = caller.scope(business)?;
    let Caller::Service(producer) = caller else { return Err(NotFound.into()) };
    let (producer, clock) = (producer.name.clone(), manager.clock.clone());
    let results = manager
        .db
        .write(scope, move |mut tx| async move {
            let next = store::lock(&mut tx).await?;
            let judged = judge_streams(&mut tx, &producer, streams).await?;
            if !judged.taken.is_empty() {
                let events = i64::try_from(judged.taken.len()).unwrap_or(i64::MAX);
                let placed: Vec<_> = (next..)
                    .zip(judged.taken)
                    .map(|(index, event)| Placed { index, event })
                    .collect();
                // Under the lock, so that the times of ingestion follow the indexes.
                let now = clock.now().as_microsecond();
                store::append(&mut tx, &producer, &placed, now).await?;
                store::advance(&mut tx, &producer, events, &judged.heads).await?;
            }
            tx.done::<_, StoreError>(judged.results)
        })
        .await?;
    reached(Point::AfterIngest).await.map_err(DbError::from)?;
    Ok(results)
}

#[derive(Default)]
struct Judged {
    results: Vec<StreamResult>,
    taken: Vec<AuditEvent>,
    /// The last number of each stream that moves on.
    heads: Vec<(Uuid, i64)>,
}

async fn judge_streams(
    tx: &mut Tx,
    producer: &str,
    streams: Vec<AuditStream>,
) -> Result<Judged, StoreError> {
    let business = tx.scope()?.business();
    let named: Vec<Uuid> = streams.iter().filter_map(|stream| stream.stream).collect();
    let lasts = store::lasts(tx, producer, &named).await?;
    let last = |stream: Uuid| lasts.get(&stream).copied().unwrap_or_default();
    let repeated: Vec<(Uuid, i64)> = (streams.iter())
        .flat_map(|stream| stream.events.iter().flatten())
        .map(|event| (event.stream, event.seq))
        .filter(|(stream, seq)| *seq <= last(*stream))
        .collect();
    let known = match &repeated[..] {
        [] => HashMap::new(),
        repeated => store::known(tx, producer, repeated).await?,
    };
    let none = BTreeMap::new();
    let mut judged = Judged::default();
    for AuditStream { name, stream, events } in streams {
        let last_seq = stream.map(last).unwrap_or_default();
        let (stream, events) = match (stream, events) {
            (Some(stream), Ok(events)) => (stream, events),
            (_, events) => {
                let fields = events.err().map(|invalid| wrong_fields(&invalid));
                tracing::error!(%business, producer, fields, "an audit event cannot be read");
                let outcome = Outcome::Invalid;
                judged.results.push(StreamResult { name, outcome, last_seq });
                continue;
            }
        };
        let sent: Vec<_> = (events.iter())
            .map(|event| (event.seq, store::fingerprint(&event.act.encode())))
            .collect();
        let verdict = judge(last_seq, known.get(&stream).unwrap_or(&none), &sent);
        if let Some(seq) = verdict.conflict {
            tracing::error!(%business, producer, seq, "an audit event differs from the one on record");
        }
        let mut taken = verdict.taken.iter().peekable();
        let events = events.into_iter().enumerate();
        judged.taken.extend(
            events
                .filter(|(i, _)| taken.next_if(|next| *next == i).is_some())
                .map(|(_, event)| event),
        );
        if verdict.last_seq > last_seq {
            judged.heads.push((stream, verdict.last_seq));
        }
        let (outcome, last_seq) = (verdict.outcome, verdict.last_seq);
        judged.results.push(StreamResult { name, outcome, last_seq });
    }
    Ok(judged)
}

/// Events that match `filter`, newest first, before the one at index `before`. What arrives meanwhile is newer, so it
/// moves no page.
pub async fn audited(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    filter: &AuditFilter,
    before: Option<i64>,
    size: PageSize,
) -> Result<Page<Audited>, Refused> {
    let reading = Reading::open(manager, caller, business).await?;
    let mut tx = manager.db.read(reading.scope()).await?;
    let found = store::page(&mut tx, filter, before, size).await?;
    drop(tx);
    reading.close(Page::cut_to(found, size, MAX_PAGE_SUBJECTS, subjects)).await
}

fn subjects(audited: &Audited) -> usize {
    match &audited.act.what {
        What::Reveal(reveal) => reveal.contacts.len(),
        What::Settings(changes) => changes.len(),
    }
}
