//! The use cases: open a unit of work, load, ask the domain, save with outbox and request record, commit.
//!
//! A command neither reads nor renders protobuf (that is `api`) and holds no rule (that is `domain`). Each
//! write is one unit of work of [`Db::write`](yinyom_db::Db::write), which runs to its end whatever becomes of its
//! caller (TRAPS 5).

pub mod accounts;
pub mod bulk;
pub mod catch_up;
pub mod check;
pub mod consents;
pub mod contacts;
pub mod erase;
mod error;
pub mod expiries;
pub mod import;
pub mod leads;
mod linger;
mod lookups;
pub mod merges;
pub mod operations;
pub mod outbox;
mod points;
pub mod previews;
pub mod reach;
mod record;
pub mod renewal;
mod request;
mod reveals;
mod seen;
mod session;
pub mod shared_addresses;

use std::sync::Arc;

use jiff::Timestamp;
use yinyom_db::Db;
use yinyom_identity::Authenticator;
use yinyom_kernel::{BusinessId, ContactId, SharedClock};
use yinyom_outbox::RelayHandle;
use yinyom_policy::Policies;
use yinyom_privacy::TokenSealer;

pub use bulk::OperationRetention;
pub use error::Error;
pub use lookups::{LookupRate, TooManyLookups};
pub use merges::MergeRetention;
pub use record::{Change, record};
pub use request::{Receipt, Request, Written};
pub use reveals::Recorder;
pub use seen::{Asked, Look, Seen};
pub use session::Session;

use crate::store::KeyRing;

/// Who is told of what was committed.
#[derive(Debug, Clone)]
pub struct Relays {
    /// Of consent changes.
    pub ledger: RelayHandle,
    /// Of reveals.
    pub audit: RelayHandle,
}

/// What every use case needs. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    pub(crate) db: Db,
    pub(crate) clock: SharedClock,
    pub(crate) policies: Policies,
    pub(crate) keys: KeyRing,
    pub(crate) relay: RelayHandle,
    pub(crate) reveals: Recorder,
    pub(crate) sealer: Arc<TokenSealer>,
    imports: Arc<import::Queues>,
    rehearsals: Arc<import::rehearsal::Room>,
    lookups: Arc<lookups::Lookups>,
    together: Arc<consents::Together>,
    /// How long a merge can be undone.
    merges: MergeRetention,
    desk: Arc<bulk::Desk>,
    streams: Arc<reach::Streams>,
}

impl Directory {
    /// The use cases over these parts, with the default rate of look-ups. Needs a running tokio runtime.
    pub fn new(
        db: Db,
        clock: SharedClock,
        policies: Policies,
        keys: KeyRing,
        relays: Relays,
        sealer: TokenSealer,
    ) -> Self {
        let Relays { ledger: relay, audit } = relays;
        let reveals = Recorder::start(db.clone(), audit);
        let (sealer, imports, rehearsals) = (Arc::new(sealer), Arc::default(), Arc::default());
        let own = SharedClock::clone(&clock);
        let lookups = Arc::new(lookups::Lookups::new(LookupRate::default(), own));
        Self {
            db,
            clock,
            policies,
            keys,
            relay,
            reveals,
            sealer,
            imports,
            rehearsals,
            lookups,
            together: Arc::default(),
            merges: MergeRetention::default(),
            desk: Arc::default(),
            streams: Arc::default(),
        }
    }

    /// With operations that are kept so long, and go on for the services that `services` knows as well as for members.
    #[must_use]
    pub fn with_operations(
        mut self,
        services: Arc<Authenticator>,
        retention: OperationRetention,
    ) -> Self {
        self.desk = Arc::new(bulk::Desk::new(services, retention));
        self
    }

    /// With another time that merges can be undone in.
    #[must_use]
    pub const fn with_merge_retention(mut self, merges: MergeRetention) -> Self {
        self.merges = merges;
        self
    }

    /// With another rate of look-ups by address. What was used up so far is forgotten.
    #[must_use]
    pub fn with_lookup_rate(mut self, rate: LookupRate) -> Self {
        let clock = SharedClock::clone(&self.clock);
        self.lookups = Arc::new(lookups::Lookups::new(rate, clock));
        self
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sends the committed changes of `contacts` on their way to the ledger at once.
    pub(crate) fn publish(
        &self,
        business: BusinessId,
        contacts: impl IntoIterator<Item = ContactId>,
    ) {
        self.relay.wake(business, contacts.into_iter().map(ContactId::uuid));
    }
}
