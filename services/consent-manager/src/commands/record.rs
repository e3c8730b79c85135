//! Takes changes from the directory: each exactly once and in order (TRAPS 2, 3).

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use jiff::Timestamp;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};
use tokio::time::Instant;
use uuid::Uuid;
use yinyom_db::{DbError, Tx};
use yinyom_failpoints::{Point, reached};
use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, ContactId, Fault};
use yinyom_transparency::Frontier;

use super::proofs::signatures;
use super::{Manager, Refused, erasures};
use crate::domain::{
    Batch, Counting, Growth, Known, Outcome, Recorded, Stream, StreamResult, Submission, judge,
};
use crate::notary::Notary;
use crate::store::heads::End;
use crate::store::{StoreError, consents, heads, ledger, past, rollups, subjects, tree};

/// Streams of batches, by what became of them. A conflict is an alarm: two histories of one contact.
static STREAMS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("consent-manager")
        .u64_counter("yinyom.ledger.streams")
        .with_description("Streams in batches of consent changes, by outcome")
        .build()
});

/// How long a batch took that added something, its commit included.
static APPEND: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("consent-manager")
        .f64_histogram("yinyom.ledger.append.duration")
        .with_unit("s")
        .with_description(
            "Batches that added to a ledger: how long they took, their commit included",
        )
        .with_boundaries(vec![
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
        ])
        .build()
});

/// Reports count what the ledger has: their roll-ups are of the same commit.
static LAG: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("consent-manager")
        .f64_histogram("yinyom.ledger.lag")
        .with_unit("s")
        .with_description("From a change to when the ledger, its roll-ups and so each report have it: the oldest of a batch")
        .with_boundaries(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 86_400.0])
        .build()
});

/// Takes what can be taken of each stream and says what became of it. Streams do not hold each other up. The whole is one
/// unit of work that can be repeated: a batch that is sent twice, by two relays, or was half taken, is harmless.
pub async fn record(
    manager: &Manager,
    caller: &Caller,
    business: BusinessId,
    streams: Vec<Stream>,
) -> Result<Vec<StreamResult>, Refused> {
    let scope = caller.scope(business)?;
    let Manager { masters, clock, notary, .. } = manager.clone();
    let began = Instant::now();
    let (judged, size, oldest) = manager
        .db
        .write(scope, move |mut tx| async move {
            let end = heads::lock(&mut tx).await?;
            let judged = judge_streams(&mut tx, streams).await?;
            let size = end.next_index + i64::try_from(judged.taken.len()).unwrap_or_default();
            let oldest = judged.taken.iter().map(|taken| taken.change.recorded_at).min();
            if !judged.taken.is_empty() {
                let known = known(&mut tx, &judged, end.counted_to).await?;
                // Under the lock, so that the times of ingestion follow the indexes.
                let now = clock.now();
                let mut batch = Batch::append(end.next_index, known, judged.taken, now);
                let erased = erasures::strip(&mut tx, &notary, &mut batch.entries).await?;
                let tree = append(&mut tx, &notary, end, &batch.entries).await?;
                let now = now.as_microsecond();
                let keys = erasures::take(&mut tx, &batch, &erased, now).await?;
                if !keys.is_empty() {
                    subjects::keep(&mut tx, &masters, &keys, now).await?;
                }
                write(&mut tx, &batch, tree.as_ref()).await?;
                if batch.tally.mismatches > 0 {
                    let channels = batch.tally.mismatches;
                    tracing::warn!(%business, channels, "changes from a state that was not");
                }
            }
            tx.done::<_, StoreError>((judged.results, size, oldest))
        })
        .await?;
    if let Some(oldest) = oldest {
        APPEND.record(began.elapsed().as_secs_f64(), &[]);
        LAG.record(manager.clock.now().duration_since(oldest).as_secs_f64().max(0.0), &[]);
    }
    manager.feeds.grown(business, size);
    reached(Point::AfterIngest).await.map_err(DbError::from)?;
    for result in &judged {
        let outcome = match result.outcome {
            Outcome::Recorded => "recorded",
            Outcome::Gap => "gap",
            Outcome::Conflict => "conflict",
            Outcome::Invalid => "invalid",
        };
        STREAMS.add(1, &[KeyValue::new("outcome", outcome)]);
    }
    Ok(judged)
}

struct Judged {
    results: Vec<StreamResult>,
    /// In the order in which they were sent.
    taken: Vec<Submission>,
    /// When the last change of each stream was recorded.
    last_at: HashMap<ContactId, Timestamp>,
}

/// What the ledger has of the contacts whose changes are taken, as far as these make something of it.
async fn known(
    tx: &mut Tx,
    judged: &Judged,
    counted_to: Option<ContactId>,
) -> Result<HashMap<ContactId, Known>, StoreError> {
    let mut earliest: BTreeMap<ContactId, Timestamp> = BTreeMap::new();
    for Submission { change, .. } in &judged.taken {
        let at = earliest.entry(change.contact).or_insert(change.recorded_at);
        *at = change.recorded_at.min(*at);
    }
    let contacts: Vec<Uuid> = earliest.keys().map(|contact| contact.uuid()).collect();
    let mut before = consents::of(tx, &contacts).await?;
    let mut known = HashMap::with_capacity(contacts.len());
    for (contact, at) in earliest {
        let later = counted_to.is_some_and(|counted| contact > counted);
        let counting = match judged.last_at.get(&contact) {
            _ if later => Counting::Later,
            // The directory's replicas have clocks of their own, and look at them before they write.
            Some(last) if at < *last => Counting::Anew(past::all_of(tx, contact).await?),
            _ => Counting::Onward,
        };
        known.insert(contact, Known { current: before.remove(&contact), counting });
    }
    Ok(known)
}

async fn judge_streams(tx: &mut Tx, streams: Vec<Stream>) -> Result<Judged, StoreError> {
    let business = tx.scope()?.business();
    let contacts: Vec<Uuid> =
        streams.iter().filter_map(|stream| stream.contact).map(ContactId::uuid).collect();
    let lasts = heads::streams(tx, &contacts).await?;
    let last = |contact: ContactId| lasts.get(&contact).map_or(0, |(last, _)| *last);
    let repeated: Vec<(ContactId, i64)> = streams
        .iter()
        .flat_map(|stream| stream.changes.iter().flatten())
        .map(|submission| (submission.change.contact, submission.change.seq))
        .filter(|(contact, seq)| *seq <= last(*contact))
        .collect();
    let known = match repeated.as_slice() {
        [] => HashMap::new(),
        repeated => ledger::leaves(tx, repeated).await?,
    };
    let none = BTreeMap::new();
    let mut judged = Judged {
        results: Vec::with_capacity(streams.len()),
        taken: Vec::new(),
        last_at: lasts.iter().filter_map(|(of, (_, at))| Some((*of, (*at)?))).collect(),
    };
    for Stream { name, contact, changes } in streams {
        let last_seq = contact.map(last).unwrap_or_default();
        let (contact, changes) = match (contact, changes) {
            (Some(contact), Ok(changes)) => (contact, changes),
            (contact, changes) => {
                let contact = contact.map(|contact| contact.to_string());
                let fields = changes.err().map(|invalid| wrong_fields(&invalid));
                tracing::error!(%business, contact, fields, "a change cannot be read");
                let outcome = Outcome::Invalid;
                judged.results.push(StreamResult { name, outcome, last_seq });
                continue;
            }
        };
        let sent: Vec<_> = changes.iter().map(|s| (s.change.seq, s.leaf_hash)).collect();
        let verdict = judge(last_seq, known.get(&contact).unwrap_or(&none), &sent);
        if let Some(seq) = verdict.conflict {
            tracing::error!(%business, %contact, seq, "a change differs from the one in the ledger");
        }
        let mut taken = verdict.taken.iter().peekable();
        judged.taken.extend(
            changes
                .into_iter()
                .enumerate()
                .filter(|(i, _)| taken.next_if(|next| *next == i).is_some())
                .map(|(_, submission)| submission),
        );
        let (outcome, last_seq) = (verdict.outcome, verdict.last_seq);
        judged.results.push(StreamResult { name, outcome, last_seq });
    }
    judged.taken.sort_unstable_by_key(|submission| submission.place);
    Ok(judged)
}

/// Paths and reasons; never a value.
pub(super) fn wrong_fields(invalid: &impl Fault) -> String {
    let fields =
        invalid.violations().iter().map(|wrong| format!("{} {}", wrong.field, wrong.reason));
    fields.collect::<Vec<_>>().join(", ")
}

/// Appends changes, signed, and puts them into the tree, whose right edge is returned. While records from before signatures
/// wait, those that come after wait with them: a tree has no gap.
async fn append(
    tx: &mut Tx,
    notary: &Notary,
    end: End,
    entries: &[Recorded],
) -> Result<Option<Frontier>, StoreError> {
    if i64::try_from(end.tree.size()) != Ok(end.next_index) {
        ledger::append(tx, entries, &[]).await?;
        return Ok(None);
    }
    let signatures = signatures(notary, entries).await;
    ledger::append(tx, entries, &signatures).await?;
    let growth = Growth::of(end.tree, entries.iter().map(|entry| entry.leaf_hash));
    tree::keep(tx, &growth.nodes).await?;
    Ok(Some(growth.tree))
}

async fn write(tx: &mut Tx, batch: &Batch, tree: Option<&Frontier>) -> Result<(), StoreError> {
    let uuids = |of: &[ContactId]| of.iter().map(|contact| contact.uuid()).collect::<Vec<_>>();
    heads::begin_streams(tx, &batch.begun).await?;
    heads::advance_streams(tx, &batch.moved).await?;
    consents::add(tx, &batch.appeared).await?;
    consents::put(tx, &batch.current).await?;
    if !batch.gone.is_empty() {
        consents::remove(tx, &uuids(&batch.gone)).await?;
    }
    rollups::add(tx, &batch.tally).await?;
    let changes = i64::try_from(batch.entries.len()).unwrap_or(i64::MAX);
    heads::advance(tx, changes, batch.tally.contacts, tree).await
}
