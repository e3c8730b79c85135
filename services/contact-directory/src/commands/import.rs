//! Imports: a batch of rows in one unit of work, each row taken or rejected by itself (PRODUCT.md, "Import").
//!
//! A batch is planned in memory and costs a fixed number of statements, however many rows it has. The rows are taken
//! one after the other: two of them may be one person, or of one account.
//!
//! Imports of a business take turns ([`store::import::take_turn`](crate::store::import::take_turn)), so that the
//! same file, imported twice at once, creates nobody twice. Locks are taken in the order accounts, contacts by
//! id, as everywhere.

mod load;
pub mod opt_outs;
mod plan;
pub mod rehearsal;
mod result;
mod save;

use jiff::Timestamp;
use tokio::sync::Mutex;
use yinyom_consent::{ByChannel, ConsentState, Surface};
use yinyom_db::Tx;
use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, ContactId, InvalidInput};
use yinyom_privacy::Address;

use super::contacts::change_of;
use super::request::{Request, begin, finish};
use super::{Change, Directory, Error, Session};
use crate::domain::contact::{ContactName, ExternalId};
use crate::domain::expiry::default_end;
use crate::domain::import::identity;
use crate::domain::viewer::may_import;
use crate::store::BusinessKeys;
use load::Purpose;
use plan::Plan;
use result::{Receipt, Rejection};

pub use result::{Became, RowResult};

/// A row as it was read.
pub struct Line {
    /// Who it is about, or everything that is wrong with the row itself.
    pub person: Result<Person, InvalidInput>,
    /// Who refuses, as far as a row says so that is wrong in something else: `DENIED` always applies.
    pub refuser: Option<Refuser>,
    /// When the customer said what the row says, as the file claims.
    pub said_at: Option<Timestamp>,
}

/// What a row says of a person.
#[derive(Clone)]
pub struct Person {
    pub external_id: Option<ExternalId>,
    pub name: ContactName,
    pub addresses: Vec<Address>,
    /// Display name of the account.
    pub account: Option<String>,
    pub lead: Option<LeadOf>,
    /// What the customer said, by channel.
    pub says: ByChannel<Option<ConsentState>>,
}

/// Who a row is about, and the channels that they refuse.
#[derive(Clone)]
pub struct Refuser {
    pub external_id: Option<ExternalId>,
    /// What the person is known by without one; `None` if that cannot be read.
    pub known_by: Option<(ContactName, Vec<Address>)>,
    pub refuses: ByChannel<bool>,
}

impl Refuser {
    /// `None` if nothing is refused.
    pub fn of(
        external_id: Option<ExternalId>,
        known_by: Option<(ContactName, Vec<Address>)>,
        says: ByChannel<Option<ConsentState>>,
    ) -> Option<Self> {
        let refuses = says.map(|_, says| says == Some(ConsentState::Denied));
        (refuses.phone || refuses.email).then_some(Self { external_id, known_by, refuses })
    }
}

/// A lead that has the person as its primary contact.
#[derive(Clone)]
pub struct LeadOf {
    pub title: String,
    /// Empty if it is not said.
    pub source: String,
}

const QUEUES: usize = 64;

/// Where batches of one business wait for each other in this process, so that those that wait do not hold
/// connections that others need.
pub struct Queues([Mutex<()>; QUEUES]);

impl Default for Queues {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Queues {
    pub(super) fn of(&self, business: BusinessId) -> &Mutex<()> {
        let queue = business.uuid().as_u128() % QUEUES as u128;
        &self.0[usize::try_from(queue).unwrap_or_default()]
    }
}

impl Directory {
    /// Takes a batch of rows; what became of each, in their order. Who may import is looked at anew for each
    /// batch, and once more before anything is told.
    ///
    /// [`Refusal::ImportNotAllowed`](crate::domain::Refusal::ImportNotAllowed) for who may not,
    /// [`Refusal::PolicyUnavailable`](crate::domain::Refusal::PolicyUnavailable) while nobody knows.
    pub async fn import(
        &self,
        caller: &Caller,
        business: BusinessId,
        lines: Vec<Line>,
        request: Option<Request>,
    ) -> Result<Vec<RowResult>, Error> {
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
                if let Some(receipts) = before {
                    let results = receipts.into_iter().zip(lines);
                    return tx.done((results.map(|(r, line)| r.again(line)).collect(), Vec::new()));
                }
                let (results, changed) = take(&mut tx, &owned, &keys, lines, now).await?;
                let receipts: Vec<_> = results.iter().map(|(receipt, _)| *receipt).collect();
                finish(&mut tx, &owned, request.as_ref(), &receipts).await?;
                let results = results.into_iter().map(|(_, result)| result).collect();
                tx.done::<(Vec<RowResult>, Vec<ContactId>), Error>((results, changed))
            })
            .await?;
        drop(turn);
        self.publish(business, changed);
        may_import(session.look(self, caller).await?.viewer())?;
        Ok(results)
    }
}

/// Takes the rows and saves what they change: what became of each, and which contacts' ledgers have grown.
async fn take(
    tx: &mut Tx,
    session: &Session,
    keys: &BusinessKeys,
    lines: Vec<Line>,
    now: Timestamp,
) -> Result<(Vec<(Receipt, RowResult)>, Vec<ContactId>), Error> {
    let change = Change { surface: Surface::Import, ..change_of(session, keys, now) };
    let (plan, results) = planned(tx, session, change, lines, Purpose::Storing).await?;
    save::save(tx, keys, &plan).await?;
    Ok((results, plan.changed()))
}

/// What the rows make of what is there, and what becomes of each.
async fn planned<'a>(
    tx: &mut Tx,
    session: &Session,
    change: Change<'a>,
    lines: Vec<Line>,
    purpose: Purpose<'_>,
) -> Result<(Plan<'a>, Vec<(Receipt, RowResult)>), Error> {
    let Change { keys, now, .. } = change;
    let rows: Vec<_> = lines.into_iter().map(|line| Row::of(line, keys, now)).collect();
    let known = load::load(tx, keys, &rows, now, purpose).await?;
    let mut plan = Plan::new(change, default_end(session.view().rules(), now), known);
    let mut results = Vec::with_capacity(rows.len());
    for row in rows {
        let (receipt, wrong) = match row {
            Err(rejected) => {
                let RejectedRow { rejection, wrong, refuser } = *rejected;
                (Receipt::Rejected(plan.reject(rejection, refuser)?), wrong)
            }
            Ok(row) => (plan.take(row)?, None),
        };
        results.push((receipt, receipt.result(wrong)));
    }
    Ok((plan, results))
}

/// A row that can be taken, unless its contact has no room for it.
struct Row {
    person: Person,
    said_at: Option<Timestamp>,
    /// Of name and addresses.
    fingerprint: [u8; 32],
}

/// A row that cannot be taken.
struct RejectedRow {
    rejection: Rejection,
    wrong: Option<InvalidInput>,
    refuser: Option<RefusingRow>,
}

/// What is taken of it all the same.
struct RefusingRow {
    external_id: Option<ExternalId>,
    fingerprint: Option<[u8; 32]>,
    refuses: ByChannel<bool>,
    said_at: Option<Timestamp>,
}

impl Row {
    fn of(line: Line, keys: &BusinessKeys, now: Timestamp) -> Result<Self, Box<RejectedRow>> {
        let rejection = Rejection::of_time(line.said_at, now);
        // A time that is wrong is claimed by nobody.
        let said_at = line.said_at.filter(|_| rejection == Rejection::default());
        let refusing = |refuser: Refuser| RefusingRow {
            fingerprint: refuser.known_by.map(|(name, of)| identity(keys.index(), &name, &of)),
            external_id: refuser.external_id,
            refuses: refuser.refuses,
            said_at,
        };
        match line.person {
            Err(wrong) => {
                let refuser = line.refuser.map(refusing);
                Err(Box::new(RejectedRow { rejection, wrong: Some(wrong), refuser }))
            }
            Ok(Person { external_id, name, addresses, says, .. })
                if rejection != Rejection::default() =>
            {
                let refuser = Refuser::of(external_id, Some((name, addresses)), says);
                let refuser = refuser.map(refusing);
                Err(Box::new(RejectedRow { rejection, wrong: None, refuser }))
            }
            Ok(person) => {
                let fingerprint = identity(keys.index(), &person.name, &person.addresses);
                Ok(Self { person, said_at, fingerprint })
            }
        }
    }
}
