//! The ledger itself: written once, never changed.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;
use yinyom_consent::{Channel, ChannelChange, ConsentChange, ConsentState, EvidenceMethod};
use yinyom_db::{Rows, Tx};
use yinyom_kernel::{BusinessId, ContactId, PageSize, from_micros};
use yinyom_transparency::Record;

use super::StoreError;
use super::rows::{self, ActorColumns, instant, micros};
use super::tree::unsigned;
use crate::domain::{Recorded, evidence_hash};
use crate::notary::Notary;

/// Records, those whose content is destroyed among them.
macro_rules! select_all {
    ($($rest:literal),+) => {
        concat!(
            "SELECT ledger_index, contact_id, seq, leaf_hash, recorded_at, ingested_at, cause, surface,
                    parent_kind, parent_id, actor_kind, actor_id, actor_name, actor_role, method,
                    notice_version, claimed_at, evidence_commitment, sealed_evidence,
                    phone_changed, phone_from, phone_to, phone_expires_at,
                    email_changed, email_from, email_to, email_expires_at, signature,
                    evidence_erasure, erasure
             FROM ledger WHERE business_id = $1 AND ",
            $($rest),+
        )
    };
}
pub(super) use select_all;

/// Records with content.
macro_rules! select {
    ($rest:literal) => {
        $crate::store::ledger::select_all!("erasure IS NULL AND ", $rest)
    };
}
pub(super) use select;

#[derive(Debug, yinyom_db::Record)]
pub(super) struct LedgerRow {
    ledger_index: i64,
    contact_id: Uuid,
    seq: i64,
    leaf_hash: Vec<u8>,
    recorded_at: i64,
    ingested_at: i64,
    cause: i32,
    surface: i32,
    parent_kind: Option<i32>,
    parent_id: Option<Uuid>,
    #[record(flatten)]
    actor: ActorColumns,
    method: Option<i32>,
    notice_version: Option<String>,
    claimed_at: Option<i64>,
    evidence_commitment: Option<Vec<u8>>,
    sealed_evidence: Option<Vec<u8>>,
    phone_changed: bool,
    phone_from: Option<i32>,
    phone_to: Option<i32>,
    phone_expires_at: Option<i64>,
    email_changed: bool,
    email_from: Option<i32>,
    email_to: Option<i32>,
    email_expires_at: Option<i64>,
    signature: Option<Vec<u8>>,
    evidence_erasure: Option<Vec<u8>>,
    erasure: Option<Vec<u8>>,
}

impl LedgerRow {
    fn export(mut self, business: BusinessId, notary: &Notary) -> Result<Record, StoreError> {
        // That evidence is gone is believed if the ledger itself has destroyed it.
        let destroyed = || {
            let (index, leaf) = (unsigned(self.ledger_index).ok()?, hash(&self.leaf_hash).ok()?);
            notary.destroyed_evidence(business, index, leaf, self.evidence_erasure.as_deref()?)
        };
        let evidence = self.sealed_evidence.as_deref().map(evidence_hash).or_else(destroyed);
        let erasure = self.erasure.take();
        // An erasure that stands beside content is for who verifies to find; so is content that is gone without one.
        Ok(Record {
            index: unsigned(self.ledger_index)?,
            contact: self.contact_id,
            seq: self.seq,
            ingested_at: self.ingested_at,
            leaf_hash: self.leaf_hash.clone(),
            evidence_hash: evidence.map(Vec::from).unwrap_or_default(),
            signature: self.signature.take().unwrap_or_default(),
            erasure: erasure.unwrap_or_default(),
            content: self.read(business).map(|read| read.change.canonical()).unwrap_or_default(),
        })
    }

    fn read(self, business: BusinessId) -> Result<Recorded, StoreError> {
        let surface_parent = rows::read_parent(self.parent_kind, self.parent_id)?;
        let phone = (self.phone_changed, self.phone_from, self.phone_to, self.phone_expires_at);
        let email = (self.email_changed, self.email_from, self.email_to, self.email_expires_at);
        let mut channels = Vec::with_capacity(2);
        for (channel, (changed, from, to, expires_at)) in
            [(Channel::Phone, phone), (Channel::Email, email)]
        {
            if changed {
                channels.push(ChannelChange {
                    channel,
                    from: from.map(rows::state).transpose()?,
                    to: to.map(rows::state).transpose()?,
                    expires_at: instant(expires_at),
                });
            } else if from.or(to).is_some() || expires_at.is_some() {
                // Nothing that is not hashed may be there to be found by.
                return Err(StoreError::Unreadable("a change of a channel that did not change"));
            }
        }
        let change = ConsentChange {
            business,
            contact: self.contact_id.into(),
            seq: self.seq,
            recorded_at: from_micros(self.recorded_at),
            cause: rows::cause(self.cause)?,
            surface: rows::surface(self.surface)?,
            surface_parent,
            actor: self.actor.read()?,
            channels,
            method: self.method.map(rows::method).transpose()?,
            notice_version: self.notice_version,
            claimed_at: instant(self.claimed_at),
            evidence_commitment: self.evidence_commitment.as_deref().map(hash).transpose()?,
        };
        Ok(Recorded {
            change,
            ledger_index: self.ledger_index,
            leaf_hash: hash(&self.leaf_hash)?,
            ingested_at: from_micros(self.ingested_at),
            sealed_evidence: self.sealed_evidence,
            evidence_erasure: self.evidence_erasure,
        })
    }
}

pub(super) fn hash(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Unreadable("no hash"))
}

/// The leaf hashes that the ledger has for these changes.
pub async fn leaves(
    tx: &mut Tx,
    changes: &[(ContactId, i64)],
) -> Result<HashMap<ContactId, BTreeMap<i64, [u8; 32]>>, StoreError> {
    // On PostgreSQL change by change, as in `consents::of`. `CROSS JOIN` keeps SQLite from starting at the ledger.
    let sql = tx.dialect(
        "SELECT l.contact_id, l.seq, l.leaf_hash FROM {rows} CROSS JOIN ledger l
         WHERE l.business_id = $1 AND l.contact_id = batch.contact_id AND l.seq = batch.seq",
        "SELECT l.* FROM {rows} CROSS JOIN LATERAL (
             SELECT contact_id, seq, leaf_hash FROM ledger
             WHERE business_id = $1 AND contact_id = batch.contact_id AND seq = batch.seq OFFSET 0
         ) AS l",
    );
    let rows = tx
        .scoped(sql)
        .rows(
            Rows::new()
                .uuids("contact_id", changes.iter().map(|(contact, _)| contact.uuid()))
                .ints("seq", changes.iter().map(|(_, seq)| *seq)),
        )
        .fetch_all::<(Uuid, i64, Vec<u8>)>()
        .await?;
    let mut found: HashMap<ContactId, BTreeMap<i64, [u8; 32]>> = HashMap::new();
    for (contact, seq, leaf) in rows {
        found.entry(contact.into()).or_default().insert(seq, hash(&leaf)?);
    }
    Ok(found)
}

/// Appends changes. Their indexes are the caller's, who holds the ledger's end locked. `signatures` are one for each, or
/// none at all.
pub async fn append(
    tx: &mut Tx,
    entries: &[Recorded],
    signatures: &[Vec<u8>],
) -> Result<(), StoreError> {
    tx.scoped(
        "INSERT INTO ledger (business_id, ledger_index, contact_id, seq, leaf_hash, recorded_at,
             ingested_at, cause, surface, parent_kind, parent_id, actor_kind, actor_id, actor_name,
             actor_role, method, notice_version, claimed_at, evidence_commitment, sealed_evidence,
             phone_changed, phone_from, phone_to, phone_expires_at,
             email_changed, email_from, email_to, email_expires_at, signature, evidence_erasure)
         SELECT $1, ledger_index, contact_id, seq, leaf_hash, recorded_at,
             ingested_at, cause, surface, parent_kind, parent_id, actor_kind, actor_id, actor_name,
             actor_role, method, notice_version, claimed_at, evidence_commitment, sealed_evidence,
             phone_changed, phone_from, phone_to, phone_expires_at,
             email_changed, email_from, email_to, email_expires_at, signature, evidence_erasure
         FROM {rows}",
    )
    .rows(
        columns(entries)
            .bytes("signature", (0..entries.len()).map(|i| signatures.get(i).map(|s| &s[..]))),
    )
    .execute()
    .await?;
    Ok(())
}

fn columns(entries: &[Recorded]) -> Rows<'_> {
    let all = || entries.iter().map(|entry| &entry.change);
    let actors: Vec<_> = all().map(|change| rows::actor(&change.actor)).collect();
    let parents = || all().map(|change| rows::parent(change.surface_parent));
    let commitments = all().map(|c| c.evidence_commitment.as_ref().map(|bytes| &bytes[..]));
    let rows = Rows::new()
        .ints("ledger_index", entries.iter().map(|entry| entry.ledger_index))
        .uuids("contact_id", all().map(|change| change.contact.uuid()))
        .ints("seq", all().map(|change| change.seq))
        .bytes("leaf_hash", entries.iter().map(|entry| &entry.leaf_hash[..]))
        .ints("recorded_at", all().map(|change| change.recorded_at.as_microsecond()))
        .ints("ingested_at", entries.iter().map(|entry| entry.ingested_at.as_microsecond()))
        .ints("cause", all().map(|change| i64::from(change.cause.code())))
        .ints("surface", all().map(|change| i64::from(change.surface.code())))
        .ints("parent_kind", parents().map(|parent| parent.map(|(kind, _)| i64::from(kind))))
        .uuids("parent_id", parents().map(|parent| parent.map(|(_, id)| id)))
        .ints("actor_kind", actors.iter().map(|actor| actor.0))
        .uuids("actor_id", actors.iter().map(|actor| actor.1))
        .texts("actor_name", actors.iter().map(|actor| actor.2))
        .ints("actor_role", actors.iter().map(|actor| actor.3))
        .ints("method", all().map(|c| c.method.map(EvidenceMethod::code).map(i64::from)))
        .texts("notice_version", all().map(|change| change.notice_version.as_deref()))
        .ints("claimed_at", all().map(|change| micros(change.claimed_at)))
        .bytes("evidence_commitment", commitments)
        .bytes("sealed_evidence", entries.iter().map(|entry| entry.sealed_evidence.as_deref()))
        .bytes("evidence_erasure", entries.iter().map(|entry| entry.evidence_erasure.as_deref()));
    let rows = channel_columns(
        rows,
        entries,
        Channel::Phone,
        ["phone_changed", "phone_from", "phone_to", "phone_expires_at"],
    );
    channel_columns(
        rows,
        entries,
        Channel::Email,
        ["email_changed", "email_from", "email_to", "email_expires_at"],
    )
}

fn channel_columns<'a>(
    rows: Rows<'a>,
    entries: &'a [Recorded],
    channel: Channel,
    [changed, from, to, expires_at]: [&'static str; 4],
) -> Rows<'a> {
    let all = || {
        entries.iter().map(move |entry| {
            entry.change.channels.iter().find(|carried| carried.channel == channel)
        })
    };
    let code = |state: Option<ConsentState>| state.map(|state| i64::from(state.code()));
    rows.flags(changed, all().map(|carried| carried.is_some()))
        .ints(from, all().map(|carried| carried.and_then(|carried| code(carried.from))))
        .ints(to, all().map(|carried| carried.and_then(|carried| code(carried.to))))
        .ints(expires_at, all().map(|carried| carried.and_then(|c| micros(c.expires_at))))
}

/// Changes of a contact, newest first, before the one of number `before`.
pub async fn history(
    tx: &mut Tx,
    contact: ContactId,
    before: Option<i64>,
    size: PageSize,
) -> Result<Vec<Recorded>, StoreError> {
    let rows = tx
        .scoped(select!("contact_id = $2 AND seq < $3 ORDER BY seq DESC LIMIT $4"))
        .bind(contact.uuid())
        .bind(before.unwrap_or(i64::MAX))
        .bind(size.fetch())
        .fetch_all()
        .await?;
    read(tx, rows)
}

/// Changes from index `from` on, before `to`, in their order.
pub async fn stretch(
    tx: &mut Tx,
    from: i64,
    to: i64,
    most: i64,
) -> Result<Vec<Recorded>, StoreError> {
    let rows = tx
        .scoped(select!("ledger_index >= $2 AND ledger_index < $3 ORDER BY ledger_index LIMIT $4"))
        .bind(from)
        .bind(to)
        .bind(most)
        .fetch_all()
        .await?;
    read(tx, rows)
}

/// All of them, to be verified by others: nothing is believed, and what cannot be read has no content.
pub async fn records(
    tx: &mut Tx,
    notary: &Notary,
    from: i64,
    to: i64,
    most: i64,
) -> Result<Vec<Record>, StoreError> {
    let business = tx.scope()?.business();
    let rows = rows_of(tx, from, to, most).await?;
    rows.into_iter().map(|row| row.export(business, notary)).collect()
}

async fn rows_of(tx: &mut Tx, from: i64, to: i64, most: i64) -> Result<Vec<LedgerRow>, StoreError> {
    let rows = tx
        .scoped(select_all!(
            "ledger_index >= $2 AND ledger_index < $3 ORDER BY ledger_index LIMIT $4"
        ))
        .bind(from)
        .bind(to)
        .bind(most)
        .fetch_all()
        .await?;
    Ok(rows)
}

/// The last index there is, whatever the ledger's end says.
pub async fn last_index(tx: &mut Tx) -> Result<Option<i64>, StoreError> {
    let last = tx
        .scoped(
            "SELECT ledger_index FROM ledger WHERE business_id = $1
             ORDER BY ledger_index DESC LIMIT 1",
        )
        .scalar_optional()
        .await?;
    Ok(last)
}

/// Signs changes that are there.
pub async fn sign(
    tx: &mut Tx,
    entries: &[Recorded],
    signatures: &[Vec<u8>],
) -> Result<(), StoreError> {
    tx.scoped(
        "UPDATE ledger SET signature = batch.signature FROM {rows}
         WHERE ledger.business_id = $1 AND ledger.ledger_index = batch.ledger_index",
    )
    .rows(
        Rows::new()
            .ints("ledger_index", entries.iter().map(|entry| entry.ledger_index))
            .bytes("signature", signatures.iter().map(|signature| &signature[..])),
    )
    .execute()
    .await?;
    Ok(())
}

pub(super) fn read(tx: &Tx, rows: Vec<LedgerRow>) -> Result<Vec<Recorded>, StoreError> {
    let business = tx.scope()?.business();
    rows.into_iter().map(|row| row.read(business)).collect()
}
