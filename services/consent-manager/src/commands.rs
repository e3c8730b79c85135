//! What the manager does, one function for each use case. Each opens the business, asks the store for what it needs,
//! the domain for what that means, and answers in the domain's words.
//!
//! Whoever reads passes [`Reading`], the one gate: it knows the role, and looks at it again after the store was read.

mod audit;
mod entries;
mod erasures;
mod export;
mod history;
mod lists;
mod past;
mod proofs;
mod reading;
mod receipts;
mod record;
mod recount;
mod refused_requests;
mod reports;
mod retention;
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
pub(crate) use erasures::ERASURES;
pub use erasures::{confirm, destroy_due, erasures, erasures_across};
pub use export::TableExport;
pub use history::{History, history};
pub use lists::{Consents, changes, consents};
pub use proofs::{Export, Proof, SignedHead, checkpoint, consistency, inclusion, ledger_keys};
pub use reading::Reading;
pub use receipts::receipt;
pub use record::record;
pub use recount::{Recount, RepairError, count_earlier, count_some, recount, repair};
pub use refused_requests::{record_refused, refused_requests};
pub use reports::{breakdown, summary, trend};
pub use retention::{WantedHolds, holds, release_hold, retention, set_hold, set_retention};
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
    /// A reader of the ledger who is neither owner nor admin.
    #[error("not owner or admin")]
    OwnerOrAdminOnly,
    /// The id was used for another request.
    #[error("the request id was used for another request")]
    RequestReused,
    /// The role cannot be known now.
    #[error("no live policy lease")]
    PolicyUnavailable,
    /// A record that is older than signatures, and is not signed yet.
    #[error("the record is in no signed tree yet")]
    NotSigned,
    #[error(transparent)]
    Watches(#[from] TooManyWatches),
    /// What happened when is being counted anew.
    #[error("counts by time are being rebuilt")]
    BeingRebuilt,
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
            Self::LedgerReadersOnly | Self::OwnerOrAdminOnly => Code::PermissionDenied,
            Self::RequestReused => Code::AlreadyExists,
            Self::NotSigned => Code::FailedPrecondition,
            Self::PolicyUnavailable | Self::BeingRebuilt => Code::Unavailable,
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
            Self::OwnerOrAdminOnly => "OWNER_OR_ADMIN_ONLY",
            Self::RequestReused => "REQUEST_ID_REUSED",
            Self::PolicyUnavailable => "POLICY_UNAVAILABLE",
            Self::BeingRebuilt => "REPORTS_BEING_REBUILT",
            Self::NotSigned => "LEDGER_NOT_SIGNED",
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
            Self::OwnerOrAdminOnly => Text::new(
                "This is for the owner and the admins of the business.",
                "ใช้ได้เฉพาะเจ้าของธุรกิจและผู้ดูแล",
            ),
            Self::RequestReused => Text::new(
                "This request id was used before, for another request. Use a new one.",
                "request id นี้ถูกใช้กับคำขออื่นไปแล้ว กรุณาใช้ค่าใหม่",
            ),
            Self::PolicyUnavailable => Text::new(
                "Your role cannot be checked at the moment. Please try again shortly.",
                "ไม่สามารถตรวจสอบสิทธิ์ของคุณได้ในขณะนี้ กรุณาลองใหม่ในอีกสักครู่",
            ),
            Self::NotSigned => Text::new(
                "This part of the ledger is older than signatures, and the operator has not had it signed.",
                "บันทึกส่วนนี้มีมาก่อนการลงลายมือชื่อดิจิทัล และผู้ดูแลระบบยังไม่ได้สั่งให้ลงลายมือชื่อ",
            ),
            Self::Watches(fault) => fault.text(),
            Self::BeingRebuilt => Text::new(
                "The reports of this business are being rebuilt. Please try again shortly.",
                "กำลังจัดทำรายงานของธุรกิจนี้ใหม่ กรุณาลองใหม่ในอีกสักครู่",
            ),
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
            Self::BeingRebuilt => Some(Duration::from_secs(10)),
            Self::Watches(fault) => fault.retry_after(),
            Self::Store(fault) => fault.retry_after(),
            _ => None,
        }
    }
}
