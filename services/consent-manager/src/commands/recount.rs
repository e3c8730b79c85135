//! Recounts what is kept beside the ledger: current consents, ends of streams, totals, counts by time.
//!
//! [`recount`] compares in a snapshot and changes nothing. [`repair`] writes everything anew, in one unit of work that keeps
//! the business's other changes waiting. [`count_earlier`] counts by time what is older than such counts, contact by
//! contact, while changes arrive. The three fold the same histories by the same rules, a few contacts at a time.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;
use yinyom_consent::{ByChannel, Channel, ConsentChange, ConsentState};
use yinyom_db::{Db, DbError, Tx};
use yinyom_kernel::{BusinessId, ContactId, Scope};

use crate::domain::{Consent, Difference, Prints, Recorded, StreamEnd, Tally, retrace};
use crate::store::{StoreError, consents, exports, heads, past, rollups};

/// How many changes are read together.
const STEP: i64 = 1_000;

/// A contact and all its changes.
type History = (ContactId, Vec<ConsentChange>);

/// What a recount found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recount {
    pub changes: u64,
    pub contacts: u64,
    pub differences: u64,
    /// Contacts whose content is destroyed. If there are any, counts by time are not compared.
    pub destroyed: u64,
}

/// What is kept was not written anew.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Their changes are in the counts by time, and would be lost from these.
    #[error(
        "the content of {0} erased contacts is destroyed, so the counts by time cannot be made anew"
    )]
    Destroyed(i64),
}

impl From<DbError> for RepairError {
    fn from(error: DbError) -> Self {
        Self::Store(error.into())
    }
}

/// Compares what is kept of a business with its ledger, and tells each difference.
pub async fn recount(
    db: &Db,
    scope: Scope,
    mut tell: impl FnMut(&Difference),
) -> Result<Recount, StoreError> {
    let mut tx = db.snapshot(scope).await?;
    let mut found = Recount::default();
    let mut differences = 0;
    let mut differs = |difference: &Difference| {
        differences += 1;
        tell(difference);
    };
    let (mut counted, mut tally, mut after) = (Prints::default(), Tally::default(), None);
    loop {
        let histories = histories(&mut tx, after, STEP).await?;
        let to = histories.last().map(|(contact, _)| *contact);
        let mut now = HashMap::new();
        for (contact, history) in &histories {
            found.changes += history.len() as u64;
            found.contacts += 1;
            let mut of = Tally::default();
            if let Some(consents) = retrace(history, &mut of) {
                now.insert(*contact, consents);
            }
            for (spot, counts) in of.rollups() {
                counted.add(&spot, &counts);
                spot.derived(&counts).for_each(|(spot, counts)| counted.add(&spot, &counts));
            }
            tally.take_states(&of);
        }
        compare_consents(&mut tx, (after, to), now, &mut differs).await?;
        compare_streams(&mut tx, &histories, &mut differs).await?;
        if to.is_none() {
            break;
        }
        after = to;
    }
    compare_totals(&mut tx, &tally, &mut differs).await?;
    found.destroyed = past::destroyed(&mut tx).await?.unsigned_abs();
    if found.destroyed > 0 {
        // What they did is in the counts, and in nothing that could be counted.
    } else if heads::is_counted(&mut tx).await? {
        let kept = kept(&mut tx).await?;
        counted.differences(&kept).iter().for_each(&mut differs);
    } else {
        differs(&Difference::NotCountedYet);
    }
    Ok(Recount { differences, ..found })
}

async fn kept(tx: &mut Tx) -> Result<Prints, StoreError> {
    let (mut kept, mut last) = (Prints::default(), None);
    loop {
        let mut some = rollups::kept(tx, last.as_ref(), STEP).await?;
        for (spot, counts) in &some {
            kept.add(spot, counts);
        }
        match some.pop() {
            Some((spot, _)) => last = Some(spot),
            None => return Ok(kept),
        }
    }
}

/// The current consents of contacts after one, up to another.
async fn compare_consents(
    tx: &mut Tx,
    (after, to): (Option<ContactId>, Option<ContactId>),
    mut counted: HashMap<ContactId, ByChannel<Consent>>,
    differs: &mut impl FnMut(&Difference),
) -> Result<(), StoreError> {
    let mut last = None;
    let mut seen: BTreeMap<ContactId, ByChannel<bool>> = BTreeMap::new();
    loop {
        let kept = consents::between(tx, after, to, last, STEP).await?;
        for (contact, channel, consent) in &kept {
            let should = counted.get(contact).map(|both| both.get(*channel));
            *seen.entry(*contact).or_default().get_mut(*channel) = true;
            if should != Some(consent) {
                differs(&Difference::Consent { contact: *contact, channel: *channel });
            }
        }
        match kept.last() {
            Some((contact, channel, _)) => last = Some((*contact, *channel)),
            None => break,
        }
    }
    for (contact, _) in counted.drain() {
        let seen = seen.remove(&contact).unwrap_or_default();
        for (channel, seen) in seen.iter() {
            if !seen {
                differs(&Difference::Consent { contact, channel });
            }
        }
    }
    Ok(())
}

async fn compare_streams(
    tx: &mut Tx,
    histories: &[History],
    differs: &mut impl FnMut(&Difference),
) -> Result<(), StoreError> {
    if histories.is_empty() {
        return Ok(());
    }
    let contacts: Vec<Uuid> = histories.iter().map(|(contact, _)| contact.uuid()).collect();
    let kept = heads::streams(tx, &contacts).await?;
    for end in histories.iter().filter_map(end) {
        // When it was recorded may be not known yet.
        let fits = kept
            .get(&end.contact)
            .is_some_and(|(seq, at)| *seq == end.seq && at.is_none_or(|at| at == end.at));
        if !fits {
            differs(&Difference::Stream { contact: end.contact });
        }
    }
    Ok(())
}

async fn compare_totals(
    tx: &mut Tx,
    tally: &Tally,
    differs: &mut impl FnMut(&Difference),
) -> Result<(), StoreError> {
    let kept: BTreeMap<(Channel, ConsentState), i64> =
        rollups::totals(tx).await?.into_iter().map(|(of, state, n)| ((of, state), n)).collect();
    let counted: BTreeMap<_, _> = tally.totals().map(|(of, state, n)| ((of, state), n)).collect();
    for channel in [Channel::Phone, Channel::Email] {
        for state in ConsentState::ALL {
            let of = |counts: &BTreeMap<_, i64>| counts.get(&(channel, *state)).copied();
            let (kept, counted) = (of(&kept).unwrap_or(0), of(&counted).unwrap_or(0));
            if kept != counted {
                differs(&Difference::Total { channel, state: *state, kept, counted });
            }
        }
    }
    let (kept, counted) = (heads::read(tx).await?.map_or(0, |head| head.contacts), tally.contacts);
    if kept != counted {
        differs(&Difference::Contacts { kept, counted });
    }
    Ok(())
}

/// Writes anew what is kept of a business, from its ledger. Whoever sends changes of it meanwhile has to wait.
pub async fn repair(db: &Db, scope: Scope) -> Result<(), RepairError> {
    db.write(scope, |mut tx| async move {
        heads::lock(&mut tx).await?;
        match past::destroyed(&mut tx).await? {
            0 => {}
            destroyed => return Err(RepairError::Destroyed(destroyed)),
        }
        rollups::forget(&mut tx).await?;
        rollups::forget_totals(&mut tx).await?;
        consents::forget(&mut tx).await?;
        let (mut after, mut contacts) = (None, 0);
        loop {
            let histories = histories(&mut tx, after, STEP).await?;
            let Some((last, _)) = histories.last() else { break };
            after = Some(*last);
            let mut tally = Tally::default();
            let mut current = Vec::new();
            for (contact, history) in &histories {
                current.extend(retrace(history, &mut tally).map(|both| (*contact, both)));
            }
            contacts += tally.contacts;
            consents::add(&mut tx, &current).await?;
            ends(&mut tx, &histories).await?;
            rollups::add(&mut tx, &tally).await?;
        }
        heads::correct_contacts(&mut tx, contacts).await?;
        heads::counted(&mut tx, None).await?;
        tx.done::<_, RepairError>(())
    })
    .await
}

/// Counts by time what is older than such counts, business by business. Can be stopped at any time: what is done is done. A
/// ledger that cannot be counted is said in the log, and left.
pub async fn count_earlier(db: &Db) -> Result<(), DbError> {
    let businesses = {
        let mut tx = db.read_unscoped().await?;
        heads::uncounted_ledgers(&mut tx).await
    };
    let businesses = match businesses {
        Ok(businesses) => businesses,
        Err(StoreError::Db(error)) => return Err(error),
        Err(_) => Vec::new(),
    };
    for business in businesses.into_iter().map(BusinessId::from) {
        // Named by the table of what is to be done (TRAPS 16).
        #[expect(clippy::disallowed_methods, reason = "work across businesses, one at a time")]
        let scope = Scope::assume(business);
        loop {
            match count_some(db, scope, STEP).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::info!(%business, "earlier changes are counted by time");
                    break;
                }
                Err(StoreError::Db(error)) => return Err(error),
                Err(error) => {
                    tracing::error!(%business, %error, "earlier changes are not counted by time");
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Counts some more contacts, of so many changes together; whether there may be others.
pub async fn count_some(db: &Db, scope: Scope, changes: i64) -> Result<bool, StoreError> {
    db.write(scope, move |mut tx| async move {
        let Some(after) = heads::lock(&mut tx).await?.counted_to else {
            heads::counted(&mut tx, None).await?;
            return tx.done(false);
        };
        let histories = histories(&mut tx, Some(after), changes).await?;
        let Some((last, _)) = histories.last() else {
            heads::counted(&mut tx, None).await?;
            return tx.done(false);
        };
        let mut tally = Tally::default();
        for (_, history) in &histories {
            retrace(history, &mut tally);
        }
        ends(&mut tx, &histories).await?;
        rollups::add(&mut tx, &tally.by_time()).await?;
        heads::counted(&mut tx, Some(*last)).await?;
        tx.done::<_, StoreError>(true)
    })
    .await
}

async fn ends(tx: &mut Tx, histories: &[History]) -> Result<(), StoreError> {
    let ends: Vec<_> = histories.iter().filter_map(end).collect();
    heads::advance_streams(tx, &ends).await
}

fn end((contact, history): &History) -> Option<StreamEnd> {
    let last = history.last()?;
    Some(StreamEnd { contact: *contact, seq: last.seq, at: last.recorded_at })
}

/// The next contacts after one, with all their changes.
async fn histories(
    tx: &mut Tx,
    after: Option<ContactId>,
    changes: i64,
) -> Result<Vec<History>, StoreError> {
    let place = (after.map_or(Uuid::nil(), ContactId::uuid), i64::MAX);
    let found = exports::by_contact(tx, place, i64::MAX, changes).await?;
    let full = i64::try_from(found.len()).is_ok_and(|rows| rows == changes);
    let mut histories: Vec<History> = Vec::new();
    for Recorded { change, .. } in found {
        match histories.last_mut() {
            Some((contact, history)) if *contact == change.contact => history.push(change),
            _ => histories.push((change.contact, vec![change])),
        }
    }
    if full && let Some((contact, cut)) = histories.pop() {
        // It may go on in what was not read; if it is the only one, it is read whole.
        if histories.is_empty() {
            drop(cut);
            histories.push((contact, past::all_of(tx, contact).await?));
        }
    }
    Ok(histories)
}
