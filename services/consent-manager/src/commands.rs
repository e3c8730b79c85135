//! What the manager does, one function for each use case. Each opens the business, asks the store for what it needs,
//! the domain for what that means, and answers in the domain's words.
//!
//! Whoever reads passes [`Reading`], the one gate: it knows the role, and looks at it again after the store was read.

mod audit;
mod entries;
mod history;
mod lists;
mod proofs;
mod reading;
mod record;
mod reports;
mod sign_earlier;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use yinyom_db::{Db, DbError};
use yinyom_identity::NotFound;
use yinyom_kernel::{Code, Fault, InvalidInput, SharedClock, Text, Violation};
use yinyom_policy::Policies;
use yinyom_privacy::MasterKeys;

use crate::domain::TrendError;
use crate::feed::{Feeds, TooManyWatches};
use crate::notary::Notary;
use crate::store::StoreError;

pub use audit::{audited, record_audit};
pub use history::{History, history};
pub use lists::{changes, consents};
pub use proofs::{Export, Proof, SignedHead, checkpoint, consistency, inclusion, ledger_keys};
pub use reading::Reading;
pub use record::record;
pub use reports::{summary, trend};
pub use sign_earlier::sign_earlier;
pub use watch::{Place, Start, Wanted, Watch};

/// What the use cases work with. Cheap to clone.
#[derive(Clone)]
pub struct Manager {
    pub db: Db,
    pub policies: Policies,
    /// Wrap the contacts' keys.
    pub masters: Arc<MasterKeys>,
    /// Signs the ledger.
    pub notary: Arc<Notary>,
    pub clock: SharedClock,
    /// Hear what the ledgers take.
    pub feeds: Feeds,
}

/// The manager does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// A member of the business who is neither owner nor admin nor protection officer.
    #[error("the ledger is not for this member")]
    LedgerReadersOnly,
    /// The role cannot be known now.
    #[error("no live policy lease")]
    PolicyUnavailable,
    #[error(transparent)]
    Watches(#[from] TooManyWatches),
    #[error(transparent)]
    Trend(#[from] TrendError),
    /// Something is asked for that the ledger does not have.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Store(error.into())
    }
}

impl Fault for Refused {
    fn code(&self) -> Code {
        match self {
            Self::NotFound(fault) => fault.code(),
            Self::LedgerReadersOnly => Code::PermissionDenied,
            Self::PolicyUnavailable => Code::Unavailable,
            Self::Watches(fault) => fault.code(),
            Self::Trend(fault) => fault.code(),
            Self::Input(fault) => fault.code(),
            Self::Store(fault) => fault.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(fault) => fault.reason(),
            Self::LedgerReadersOnly => "LEDGER_READERS_ONLY",
            Self::PolicyUnavailable => "POLICY_UNAVAILABLE",
            Self::Watches(fault) => fault.reason(),
            Self::Trend(fault) => fault.reason(),
            Self::Input(fault) => fault.reason(),
            Self::Store(fault) => fault.reason(),
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::NotFound(fault) => fault.text(),
            Self::LedgerReadersOnly => Text::new(
                "The consent ledger is for the owner, admins and protection officers.",
                "บันทึกความยินยอมดูได้เฉพาะเจ้าของธุรกิจ ผู้ดูแล และเจ้าหน้าที่คุ้มครองข้อมูล",
            ),
            Self::PolicyUnavailable => Text::new(
                "Your role cannot be checked at the moment. Please try again shortly.",
                "ไม่สามารถตรวจสอบสิทธิ์ของคุณได้ในขณะนี้ กรุณาลองใหม่ในอีกสักครู่",
            ),
            Self::Watches(fault) => fault.text(),
            Self::Trend(fault) => fault.text(),
            Self::Input(fault) => fault.text(),
            Self::Store(fault) => fault.text(),
        }
    }

    fn violations(&self) -> &[Violation] {
        match self {
            Self::Trend(fault) => fault.violations(),
            Self::Input(fault) => fault.violations(),
            _ => &[],
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::PolicyUnavailable => Some(Duration::from_secs(1)),
            Self::Watches(fault) => fault.retry_after(),
            Self::Store(fault) => fault.retry_after(),
            _ => None,
        }
    }
}
