//! Opt-outs: another tool's suppression list, of addresses that must not be used.
//!
//! A list knows an address and nobody's name, so here, and here alone, rows match by address. That is harmless where
//! nothing but `DENIED` can come of it: whoever has the address refuses in its channel, and what nobody has is kept as
//! a deleted contact's refusal is, for whoever comes with it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use yinyom_consent::{ByChannel, Channel, ConsentState, Surface};
use yinyom_db::Tx;
use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, ContactId, InvalidInput};
use yinyom_outbox::{Event, enqueue};
use yinyom_privacy::Address;

use super::result::Rejection;
use crate::commands::contacts::change_of;
use crate::commands::request::{Request, begin, finish};
use crate::commands::{Change, Directory, Error, Session, record};
use crate::domain::evidence::Evidence;
use crate::domain::import::known_contact;
use crate::domain::points::channel_of;
use crate::domain::viewer::may_import;
use crate::domain::{Contact, import};
use crate::store::opt_outs::{self as store, Holder};
use crate::store::{BusinessKeys, contacts, import as turns, merges};

/// How many contacts are changed in one statement.
const AT_ONCE: usize = 500;

/// A row as it was read.
pub struct OptOut {
    /// What it refuses, as far as that could be read; each address once.
    pub refused: Vec<Address>,
    /// When the customer said so, as the list claims.
    pub said_at: Option<Timestamp>,
    /// Everything that is wrong with the row itself.
    pub wrong: Option<InvalidInput>,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOutResult {
    /// What is wrong with it. What could be read of it is refused all the same.
    pub wrong: Option<InvalidInput>,
    /// How many contacts became `DENIED` by it.
    pub denied: u64,
    /// How many of its addresses nobody had, and are kept from now on.
    pub kept: u64,
}

/// What the request record keeps of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Receipt {
    #[n(0)]
    denied: u64,
    #[n(1)]
    kept: u64,
    #[n(2)]
    rejection: Rejection,
}

impl Receipt {
    fn result(self, wrong: Option<InvalidInput>) -> OptOutResult {
        let Self { denied, kept, rejection } = self;
        let is_wrong = wrong.is_some() || rejection != Rejection::default();
        OptOutResult { wrong: is_wrong.then(|| rejection.with(wrong)), denied, kept }
    }
}

impl Directory {
    /// Takes a batch of opt-outs; what became of each, in their order. Refused as
    /// [`import`](Self::import) is.
    pub async fn opt_out(
        &self,
        caller: &Caller,
        business: BusinessId,
        rows: Vec<OptOut>,
        request: Option<Request>,
    ) -> Result<Vec<OptOutResult>, Error> {
        let session = Session::open(self, caller, business).await?;
        may_import(session.view().viewer())?;
        let keys = self.keys_of(&session).await?;
        let (now, owned) = (self.now(), session.clone());
        let turn = self.imports.of(business).lock().await;
        let (results, changed) = self
            .db
            .write(session.scope, move |mut tx| async move {
                let micros = now.as_microsecond();
                let before: Option<Vec<Receipt>> =
                    begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
                let (receipts, changed) = match before {
                    Some(receipts) => (receipts, Vec::new()),
                    None => {
                        let (receipts, changed) = take(&mut tx, &owned, &keys, &rows, now).await?;
                        finish(&mut tx, &owned, request.as_ref(), &receipts).await?;
                        (receipts, changed)
                    }
                };
                let told = receipts.into_iter().zip(rows).map(|(r, row)| r.result(row.wrong));
                tx.done::<(Vec<OptOutResult>, Vec<ContactId>), Error>((told.collect(), changed))
            })
            .await?;
        drop(turn);
        self.publish(business, changed);
        may_import(session.look(self, caller).await?.viewer())?;
        Ok(results)
    }
}

async fn take(
    tx: &mut Tx,
    session: &Session,
    keys: &BusinessKeys,
    rows: &[OptOut],
    now: Timestamp,
) -> Result<(Vec<Receipt>, Vec<ContactId>), Error> {
    turns::take_turn(tx).await?;
    store::wait_for_comers(tx).await?;
    let first = Known::read(tx, keys, rows).await?;
    // Read again under their locks: somebody may have changed them in between.
    contacts::hold(tx, &first.concerned()).await?;
    let known = Known::read(tx, keys, rows).await?;
    let taken = Overlay::default().plan(rows, &known, now);
    let mut denied: BTreeMap<ContactId, Vec<(usize, ByChannel<bool>)>> = BTreeMap::new();
    for (row, of) in taken.iter().enumerate() {
        for (contact, channels) in &of.denies {
            denied.entry(*contact).or_default().push((row, *channels));
        }
    }
    let change = Change { surface: Surface::Import, ..change_of(session, keys, now) };
    let ids: Vec<_> = denied.keys().copied().collect();
    let mut changed = Vec::new();
    for ids in ids.chunks(AT_ONCE) {
        let mut found = contacts::lock(tx, keys, ids).await?;
        let mut events = Vec::new();
        for contact in &mut found {
            let said = denied.get(&contact.id).into_iter().flatten();
            let said = said.filter_map(|(row, of)| Some((rows.get(*row)?.claimed(now), *of)));
            events.extend(refuse(&change, contact, said)?);
        }
        contacts::update(tx, &found.iter().collect::<Vec<_>>()).await?;
        enqueue(tx, &events).await?;
        changed.extend(found.iter().map(|contact| contact.id));
    }
    for (contact, refused) in known.heard() {
        merges::refuse(tx, contact, refused).await?;
    }
    let kept: Vec<_> = taken.iter().flat_map(|row| &row.keeps).collect();
    store::keep(tx, keys, &kept, now.as_microsecond()).await?;
    Ok((taken.iter().map(Taken::receipt).collect(), changed))
}

/// Makes the contact refuse what rows say, each as a change of its own that rests on what the row claims.
fn refuse(
    change: &Change<'_>,
    contact: &mut Contact,
    said: impl Iterator<Item = (Option<Timestamp>, ByChannel<bool>)>,
) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    for (said_at, channels) in said {
        let says = channels.map(|_, refuses| refuses.then_some(ConsentState::Denied));
        let weighed = known_contact(&contact.consents, ByChannel::default(), says, change.now);
        let claim = Evidence { claimed_at: said_at, ..Evidence::default() };
        for outcome in weighed.outcomes {
            let claims = said_at.is_some() && import::is_word(&outcome);
            let change = Change { evidence: claims.then_some(&claim), ..change.clone() };
            events.push(record(&change, contact, outcome)?);
        }
    }
    contact.revision += 1;
    contact.updated_at = change.now;
    Ok(events)
}

impl OptOut {
    fn rejection(&self, now: Timestamp) -> Rejection {
        Rejection::of_time(self.said_at, now)
    }

    /// A time that is wrong is claimed by nobody.
    fn claimed(&self, now: Timestamp) -> Option<Timestamp> {
        self.said_at.filter(|_| self.rejection(now) == Rejection::default())
    }
}

/// Who has the addresses of the rows, and what a list has brought before.
pub(super) struct Known {
    holders: HashMap<Address, Vec<Holder>>,
    kept: HashSet<Address>,
}

impl Known {
    pub(super) async fn read(
        tx: &mut Tx,
        keys: &BusinessKeys,
        rows: &[OptOut],
    ) -> Result<Self, Error> {
        let addresses: HashSet<&Address> = rows.iter().flat_map(|row| &row.refused).collect();
        let addresses: Vec<_> = addresses.into_iter().collect();
        let holders = store::holders(tx, keys, &addresses).await?;
        Ok(Self { holders, kept: store::kept(tx, keys, &addresses).await? })
    }

    /// Those who have one of the addresses, and to whom a refusal of it is something, by id.
    fn concerned(&self) -> Vec<ContactId> {
        let holders = self.holders.values().flatten();
        let holders = holders.filter(|holder| !holder.denied || holder.merged);
        holders.map(|holder| holder.contact).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What merged contacts refuse, whether or not it is so already: each one of those who may part.
    fn heard(&self) -> BTreeMap<ContactId, ByChannel<bool>> {
        let mut heard: BTreeMap<_, ByChannel<bool>> = BTreeMap::new();
        for (address, holders) in &self.holders {
            for holder in holders.iter().filter(|holder| holder.merged) {
                *heard.entry(holder.contact).or_default().get_mut(channel_of(address)) = true;
            }
        }
        heard
    }
}

/// What rows before have made of what is known.
#[derive(Default)]
pub(super) struct Overlay {
    denied: HashSet<(ContactId, Channel)>,
    kept: HashSet<Address>,
}

/// What one row makes of it.
struct Taken {
    denies: BTreeMap<ContactId, ByChannel<bool>>,
    keeps: Vec<Address>,
    rejection: Rejection,
}

impl Taken {
    fn receipt(&self) -> Receipt {
        let number = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
        let (denied, kept) = (number(self.denies.len()), number(self.keeps.len()));
        Receipt { denied, kept, rejection: self.rejection }
    }
}

impl Overlay {
    /// What would become of the rows.
    pub(super) fn take(
        &mut self,
        rows: Vec<OptOut>,
        known: &Known,
        now: Timestamp,
    ) -> Vec<OptOutResult> {
        let taken = self.plan(&rows, known, now);
        taken.iter().zip(rows).map(|(taken, row)| taken.receipt().result(row.wrong)).collect()
    }

    fn plan(&mut self, rows: &[OptOut], known: &Known, now: Timestamp) -> Vec<Taken> {
        rows.iter().map(|row| self.row(row, known, now)).collect()
    }

    fn row(&mut self, row: &OptOut, known: &Known, now: Timestamp) -> Taken {
        let rejection = row.rejection(now);
        let mut taken = Taken { denies: BTreeMap::new(), keeps: Vec::new(), rejection };
        for address in &row.refused {
            let channel = channel_of(address);
            match known.holders.get(address) {
                Some(holders) => {
                    for Holder { contact, denied, .. } in holders {
                        if !denied && self.denied.insert((*contact, channel)) {
                            *taken.denies.entry(*contact).or_default().get_mut(channel) = true;
                        }
                    }
                }
                None if known.kept.contains(address) => {}
                None => {
                    if self.kept.insert(address.clone()) {
                        taken.keeps.push(address.clone());
                    }
                }
            }
        }
        taken
    }
}
