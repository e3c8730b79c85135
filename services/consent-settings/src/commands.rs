//! What callers can ask of settings: one function is one use case.
//!
//! A read opens a read, asks whether the caller is still a member, and loads. A change is one unit of
//! work (`unit`): lock the business, load who asks, recognise a repeated request, ask `domain`,
//! save, tell the audit record, give the policy its revision; and after the commit, if a right was taken away, wait until
//! nobody can use it any more ([`leases`]).
//!
//! No protobuf and no SQL here.

mod businesses;
mod error;
mod housekeeping;
pub mod leases;
mod members;
mod pages;
mod policy;
mod record;
mod settings;
mod unit;
mod viewers;

use yinyom_db::{Db, Tx};
use yinyom_identity::{Caller, NotFound};
use yinyom_kernel::{BusinessId, RequestId, Scope, SharedClock};
use yinyom_outbox::RelayHandle;
use yinyom_privacy::{DataKey, TokenSealer};

pub use businesses::Founded;
pub use error::CommandError;
pub use leases::Leases;
pub use members::Transferred;
pub use pages::{Page, PageAsked};

use crate::domain::Actor;
use crate::store::{StoreError, members as store};

/// All use cases. Cheap to clone.
#[derive(Clone)]
pub struct Commands {
    db: Db,
    clock: SharedClock,
    leases: Leases,
    pages: TokenSealer,
    audit: RelayHandle,
}

/// Who asks for a change, and what a repetition of it is recognised by.
#[derive(Debug, Clone)]
pub struct Asker {
    pub caller: Caller,
    /// The method's path.
    pub rpc: &'static str,
    /// The call's `x-request-id`.
    pub call_id: String,
    /// Absent if the caller gave no request id.
    pub once: Option<Once>,
}

/// A request that takes effect once, however often it is sent (TRAPS 4).
#[derive(Debug, Clone, Copy)]
pub struct Once {
    /// The client's own id.
    pub id: RequestId,
    /// A keyed hash of everything else in the request.
    pub fingerprint: [u8; 32],
}

impl Commands {
    /// Use cases over `db`. `key` is the service's own; page tokens are sealed under it. `audit` relays what was
    /// changed.
    pub fn new(db: Db, clock: SharedClock, key: &DataKey, audit: RelayHandle) -> Self {
        let leases = Leases::new(db.clone(), SharedClock::clone(&clock));
        Self { db, clock, leases, pages: TokenSealer::new(key), audit }
    }

    /// Sends committed changes of `business` on their way to the audit record at once.
    fn publish(&self, business: BusinessId) {
        self.audit.wake(business, [yinyom_audit::stream(business)]);
    }

    /// The leases on the rules.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    /// A read of `business` by somebody who may know of it, and who that is.
    async fn open(
        &self,
        caller: &Caller,
        business: BusinessId,
    ) -> Result<(Tx, Actor), CommandError> {
        let scope: Scope = caller.scope(business)?;
        let mut tx = self.db.read(scope).await?;
        let actor = actor(&mut tx, caller).await?.ok_or(NotFound)?;
        Ok((tx, actor))
    }
}

/// Who `caller` is by now. `None` is somebody whose token says "member" and whom settings does not
/// know, or not any more: the business does not exist for them.
async fn actor(tx: &mut Tx, caller: &Caller) -> Result<Option<Actor>, StoreError> {
    Ok(match caller {
        Caller::Member { member, .. } => store::get(tx, *member).await?.map(Actor::Member),
        Caller::Service(_) => Some(Actor::Service),
        Caller::Operator { .. } => Some(Actor::Operator),
    })
}
