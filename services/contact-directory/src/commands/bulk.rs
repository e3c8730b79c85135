//! The same word of many contacts, as an operation that goes on after its call was answered (AIP-151).
//!
//! Whom it covers is settled when it is begun, as the caller sees the contacts then, and kept as ids: so a filter is not kept,
//! and a filter by address finds no more than a search does. From then on [`work`] goes through the ids in their order, a block in
//! a unit of work: what becomes of its contacts, the changes and their events, and how far the operation is are committed
//! together, so that each contact is dealt with once, whatever dies whenever.
//!
//! What is said of each is [`say_each`](super::consents)'s, as for one contact. By whose rights is asked anew for each block.

mod word;
mod work;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use tokio::sync::{Notify, watch};
use uuid::Uuid;
use yinyom_identity::{Authenticator, Caller};
use yinyom_kernel::{Code, ContactId, Fault, InvalidInput, OperationId, Text, from_micros};

use super::request::{Request, begin, finish, uuid_bytes};
use super::{Directory, Error, Session};
use crate::domain::Refusal;
use crate::domain::bulk::{Operation, in_turn};
use crate::domain::evidence::Evidence;
use crate::domain::set::Assignments;
use crate::domain::surface::Place;
use crate::store::find::{self, Wanted};
use crate::store::operations::{self, Begun, Words};

pub use work::Work;

/// The method that begins one. A service goes on with it while it may call this.
pub const RPC: &str = "/yinyom.directory.v1.BulkConsentService/BulkSetContactConsents";

/// How many operations of a business may go on at a time.
const MOST: i64 = 20;

/// How many contacts the record of a request names whose filter may name a person.
const NAMED: usize = 1_000;

/// How long operations are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct OperationRetention {
    /// Days that an operation which has ended is kept, with what became of each contact
    #[arg(
        id = "operation_days",
        long = "operation-days",
        env = "YINYOM_OPERATION_DAYS",
        default_value = "30",
        value_name = "DAYS",
        value_parser = clap::value_parser!(u16).range(1..=365)
    )]
    pub days: u16,
}

impl Default for OperationRetention {
    fn default() -> Self {
        Self { days: 30 }
    }
}

impl OperationRetention {
    const fn duration(self) -> Duration {
        Duration::from_hours(24 * self.days as u64)
    }

    fn micros(self) -> i64 {
        i64::try_from(self.duration().as_micros()).unwrap_or(i64::MAX)
    }

    /// When what ended at `ended` is forgotten.
    pub fn end_of(self, ended: Timestamp) -> Timestamp {
        ended.saturating_add(self.duration()).unwrap_or(Timestamp::MAX)
    }
}

/// Where those who begin operations, work at them and wait for their ends hear of each other, in one replica.
pub(crate) struct Desk {
    /// There is something to do.
    begun: Notify,
    /// One has ended.
    pub(super) ended: watch::Sender<u64>,
    /// What a service may do by now.
    services: Option<Arc<Authenticator>>,
    pub(super) retention: OperationRetention,
}

impl Default for Desk {
    fn default() -> Self {
        let retention = OperationRetention::default();
        Self { begun: Notify::new(), ended: watch::Sender::new(0), services: None, retention }
    }
}

impl Desk {
    /// For operations that are kept so long, of members and of the services that `services` knows.
    pub(crate) fn new(services: Arc<Authenticator>, retention: OperationRetention) -> Self {
        Self { services: Some(services), retention, ..Self::default() }
    }

    pub(super) fn tell_of_end(&self) {
        self.ended.send_modify(|times| *times = times.wrapping_add(1));
    }
}

/// Which contacts.
#[derive(Debug, Clone)]
pub enum Covers {
    Named(Vec<ContactId>),
    Matching(Wanted),
}

/// What is said of each.
#[derive(Debug, Clone)]
pub struct Said {
    pub place: Place,
    pub assignments: Assignments,
    pub evidence: Evidence,
}

/// What is wrong with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OperationFault {
    #[error("as many operations as may go on")]
    TooMany,
    #[error("the operation goes on")]
    NotDone,
    #[error("who began the operation may not go on with it")]
    Stopped,
}

impl Fault for OperationFault {
    fn code(&self) -> Code {
        match self {
            Self::TooMany => Code::ResourceExhausted,
            Self::NotDone => Code::FailedPrecondition,
            Self::Stopped => Code::PermissionDenied,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::TooMany => "TOO_MANY_OPERATIONS",
            Self::NotDone => "OPERATION_NOT_DONE",
            Self::Stopped => "OPERATION_STOPPED",
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::TooMany => Text::new(
                "As many operations of the business as may be are under way. Wait for one, or cancel it.",
                "มีงานที่กำลังดำเนินการของธุรกิจนี้ครบจำนวนสูงสุดแล้ว กรุณารอให้งานใดงานหนึ่งเสร็จ หรือยกเลิกก่อน",
            ),
            Self::NotDone => Text::new(
                "The operation goes on. Cancel it first.",
                "งานนี้ยังดำเนินการอยู่ กรุณายกเลิกก่อน",
            ),
            Self::Stopped => Text::new(
                "Who began the operation may not go on with it. What it did before stays.",
                "ผู้ที่เริ่มงานนี้ไม่มีสิทธิ์ดำเนินการต่อแล้ว รายการที่บันทึกไปก่อนหน้ายังคงอยู่",
            ),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::TooMany).then_some(Duration::from_secs(5))
    }
}

/// What the request record keeps: how the operation was when it was begun. A person who is covered by a filter that may name
/// them is named, too: whose erasure then forgets what was asked.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Receipt {
    #[n(0)]
    #[cbor(with = "uuid_bytes")]
    id: Uuid,
    #[n(1)]
    total: i64,
    #[n(2)]
    created_at: i64,
    #[n(3)]
    contacts: Vec<ByteArray<16>>,
}

impl Directory {
    /// Begins to say that of those contacts, unless it is `untimely`: wrong by the clock alone. Answers with how it is at the
    /// start, also when it is repeated.
    pub async fn begin_bulk(
        &self,
        session: &Session,
        caller: &Caller,
        covers: Covers,
        (said, untimely): (Said, Option<InvalidInput>),
        request: Option<Request>,
    ) -> Result<Operation, Error> {
        let keys = self.keys_of(session).await?;
        let (contacts, named) = self.covered(session, caller, covers).await?;
        let (now, owned) = (self.now(), session.clone());
        let begun = self.db.write(session.scope, move |mut tx| async move {
            let micros = now.as_microsecond();
            let before: Option<Receipt> =
                begin(&mut tx, &keys, &owned, request.as_ref(), micros).await?;
            if let Some(Receipt { id, total, created_at, .. }) = before {
                return tx.done(Operation::new(id.into(), total, from_micros(created_at)));
            }
            if let Some(untimely) = untimely {
                return Err(untimely.into());
            }
            if operations::under_way(&mut tx).await? >= MOST {
                return Err(OperationFault::TooMany.into());
            }
            let total = i64::try_from(contacts.len()).unwrap_or(i64::MAX);
            let operation = Operation::new(OperationId::generate(), total, now);
            let sealed = word::seal(&keys, operation.id, &said.evidence.personal);
            let sealed = sealed.as_ref().map(|sealed| (&sealed[..], keys.current()));
            let begun = Begun { operation, caller: owned.caller_key.clone() };
            let word = word::write(&said);
            operations::insert(&mut tx, &begun, Words { word: &word, sealed }, &contacts).await?;
            let named = contacts.iter().take(if named { NAMED } else { 0 });
            let receipt = Receipt {
                id: operation.id.uuid(),
                total,
                created_at: micros,
                contacts: named.map(|id| id.uuid().into_bytes().into()).collect(),
            };
            finish(&mut tx, &owned, request.as_ref(), &receipt).await?;
            tx.done::<_, Error>(operation)
        });
        let begun = begun.await?;
        self.desk.begun.notify_one();
        Ok(begun)
    }

    /// The contacts in the order of their turns; and whether it is a filter that says who they are.
    async fn covered(
        &self,
        session: &Session,
        caller: &Caller,
        covers: Covers,
    ) -> Result<(Vec<ContactId>, bool), Error> {
        let wanted = match covers {
            Covers::Named(contacts) => return Ok((in_turn(contacts), false)),
            Covers::Matching(wanted) => wanted,
        };
        if !wanted.addresses.is_empty() {
            self.lookups.take(session.business(), &session.caller_key)?;
        }
        let keys = self.keys_of(session).await?;
        let mut tx = self.db.read(session.scope).await?;
        let now = self.now().as_microsecond();
        let found = find::ids(&mut tx, &keys, &wanted, session.view(), now).await?;
        drop(tx);
        // Who is found tells of their addresses: what the caller sees must not have shrunk since.
        if !wanted.addresses.is_empty() && session.look(self, caller).await? != *session.view() {
            return Err(Refusal::PolicyUnavailable.into());
        }
        let names = !wanted.addresses.is_empty()
            || wanted.external_id.is_some()
            || wanted.name_prefix.is_some();
        Ok((found, names))
    }
}
