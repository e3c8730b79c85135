//! Why a use case did not do what it was asked.

use std::time::Duration;

use yinyom_db::DbError;
use yinyom_db::idempotency::RequestError;
use yinyom_identity::NotFound;
use yinyom_kernel::{Code, EtagMismatch, Fault, InvalidInput, Text, Violation};
use yinyom_privacy::InvalidPageToken;

use super::bulk::OperationFault;
use super::import::rehearsal::TooManyRehearsals;
use super::lookups::TooManyLookups;
use super::reach::TooManyStreams;
use crate::domain::Refusal;
use crate::store::StoreError;

/// A use case's refusal or failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Absent, another business's, or hidden: nobody can tell which.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// A rule says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Somebody changed it since.
    #[error(transparent)]
    Etag(#[from] EtagMismatch),
    /// The page token is of another question.
    #[error(transparent)]
    PageToken(#[from] InvalidPageToken),
    /// The request id cannot be used.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The caller asks for too many addresses.
    #[error(transparent)]
    Lookups(#[from] TooManyLookups),
    /// Something is wrong with an operation.
    #[error(transparent)]
    Operation(#[from] OperationFault),
    /// Too many streams.
    #[error(transparent)]
    Streams(#[from] TooManyStreams),
    /// Too many dry runs of imports.
    #[error(transparent)]
    Rehearsals(#[from] TooManyRehearsals),
    /// The store did not answer well.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another contact of the business has that external id.
    #[error("the external id is taken")]
    ExternalIdTaken,
    /// A lead's primary contact can be neither deleted nor unlinked.
    #[error("the contact is the primary one of a lead")]
    PrimaryContact,
    /// A lead that was turned into an account cannot be turned again.
    #[error("the lead was converted")]
    AlreadyConverted,
    /// Merged, the contacts would have more addresses in a channel than one may have.
    #[error("more contact points than a contact may have")]
    TooManyPoints,
    /// The contact would have more merged into it than one may have.
    #[error("more merged contacts than a contact may have")]
    TooManyMerges,
    /// What an undo needs is not kept any more.
    #[error("the merge cannot be undone any more")]
    MergeExpired,
    /// Another contact was merged into the survivor since.
    #[error("not the survivor's latest merge")]
    MergeNotLatest,
    /// The call is for the owner and the admins.
    #[error("not owner or admin")]
    OwnerOrAdminOnly,
    /// Erasing is for owner, admins and protection officers.
    #[error("not one who may erase")]
    ErasureNotAllowed,
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        Self::Store(error.into())
    }
}

impl From<InvalidInput> for Error {
    fn from(invalid: InvalidInput) -> Self {
        Self::Refused(invalid.into())
    }
}

impl Error {
    /// The fault that says it all, unless it is one of this enum's own.
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            Self::NotFound(fault) => Some(fault),
            Self::Refused(fault) => Some(fault),
            Self::Etag(fault) => Some(fault),
            Self::PageToken(fault) => Some(fault),
            Self::Request(fault) => Some(fault),
            Self::Lookups(fault) => Some(fault),
            Self::Operation(fault) => Some(fault),
            Self::Streams(fault) => Some(fault),
            Self::Rehearsals(fault) => Some(fault),
            Self::Store(fault) => Some(fault),
            Self::ExternalIdTaken
            | Self::PrimaryContact
            | Self::AlreadyConverted
            | Self::TooManyPoints
            | Self::TooManyMerges
            | Self::MergeExpired
            | Self::MergeNotLatest
            | Self::OwnerOrAdminOnly
            | Self::ErasureNotAllowed => None,
        }
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        match (self.inner(), self) {
            (Some(fault), _) => fault.code(),
            (None, Self::ExternalIdTaken) => Code::AlreadyExists,
            (None, Self::OwnerOrAdminOnly | Self::ErasureNotAllowed) => Code::PermissionDenied,
            (None, _) => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match (self.inner(), self) {
            (Some(fault), _) => fault.reason(),
            (None, Self::ExternalIdTaken) => "EXTERNAL_ID_TAKEN",
            (None, Self::PrimaryContact) => "PRIMARY_CONTACT",
            (None, Self::TooManyPoints) => "TOO_MANY_POINTS",
            (None, Self::TooManyMerges) => "TOO_MANY_MERGES",
            (None, Self::MergeExpired) => "MERGE_EXPIRED",
            (None, Self::MergeNotLatest) => "MERGE_NOT_LATEST",
            (None, Self::OwnerOrAdminOnly) => "OWNER_OR_ADMIN_ONLY",
            (None, Self::ErasureNotAllowed) => "ERASURE_NOT_ALLOWED",
            (None, _) => "ALREADY_CONVERTED",
        }
    }

    fn text(&self) -> Text {
        match (self.inner(), self) {
            (Some(fault), _) => fault.text(),
            (None, Self::ExternalIdTaken) => {
                Text::new("Another contact has this external id.", "มีผู้ติดต่อรายอื่นใช้ external id นี้แล้ว")
            }
            (None, Self::PrimaryContact) => Text::new(
                "The contact is the primary one of a lead. Give the lead another one first.",
                "ผู้ติดต่อรายนี้เป็นผู้ติดต่อหลักของ Lead กรุณาเปลี่ยนผู้ติดต่อหลักก่อน",
            ),
            (None, Self::TooManyPoints) => Text::new(
                "Together the contacts have more phone numbers or e-mail addresses than one may have. Remove some first.",
                "ผู้ติดต่อทั้งสองมีเบอร์โทรศัพท์หรืออีเมลรวมกันเกินกว่าที่ผู้ติดต่อรายเดียวมีได้ กรุณาลบบางรายการก่อน",
            ),
            (None, Self::TooManyMerges) => Text::new(
                "As many contacts as can be were merged into this one already.",
                "ผู้ติดต่อรายนี้ถูกรวมครบจำนวนสูงสุดแล้ว",
            ),
            (None, Self::MergeExpired) => Text::new(
                "The merge was too long ago to be undone.",
                "การรวมผู้ติดต่อนี้เกินกำหนดเวลาที่ยกเลิกได้แล้ว",
            ),
            (None, Self::MergeNotLatest) => Text::new(
                "Another contact was merged into this one later. Undo that merge first.",
                "มีผู้ติดต่อรายอื่นถูกรวมเข้ามาภายหลัง กรุณายกเลิกการรวมครั้งหลังก่อน",
            ),
            (None, Self::OwnerOrAdminOnly) => Text::new(
                "This is for the owner and the admins of the business.",
                "ใช้ได้เฉพาะเจ้าของธุรกิจและผู้ดูแล",
            ),
            (None, Self::ErasureNotAllowed) => Text::new(
                "Erasing a person is for the owner, admins and protection officers.",
                "การลบข้อมูลส่วนบุคคลทำได้เฉพาะเจ้าของธุรกิจ ผู้ดูแล และเจ้าหน้าที่คุ้มครองข้อมูล",
            ),
            (None, _) => Text::new(
                "The lead was turned into an account already.",
                "Lead นี้ถูกแปลงเป็นทะเบียนลูกค้าแล้ว",
            ),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        self.inner().map(Fault::metadata).unwrap_or_default()
    }

    fn violations(&self) -> &[Violation] {
        self.inner().map_or(&[], Fault::violations)
    }

    fn retry_after(&self) -> Option<Duration> {
        self.inner().and_then(Fault::retry_after)
    }
}
