//! What can go wrong with what is stored.

use std::time::Duration;

use yinyom_consent::UnknownCode;
use yinyom_db::DbError;
use yinyom_kernel::{Code, Fault, Text};
use yinyom_privacy::{OpenError, WrapError};

/// A store's answer that is no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Db(#[from] DbError),
    /// Something sealed cannot be opened: damage, or the wrong master key.
    #[error(transparent)]
    Sealed(#[from] OpenError),
    /// A key of a business cannot be had from its master key.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// Sealed under a key of the business that was made since this replica asked for them, or is gone.
    #[error("something is sealed under a key of the business that is not known here")]
    UnknownSealKey,
    /// A row holds a number that stands for nothing.
    #[error(transparent)]
    Code(#[from] UnknownCode),
    /// The record of a merge is none.
    #[error("the record of a merge cannot be read")]
    Unreadable,
    /// A business's key is neither there nor could it be made.
    #[error("a business has no key")]
    MissingKey,
}

impl Fault for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::Db(error) => error.code(),
            Self::Wrap(error) => error.code(),
            Self::UnknownSealKey => Code::Unavailable,
            Self::Sealed(_) | Self::Code(_) | Self::Unreadable | Self::MissingKey => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Db(error) => error.reason(),
            Self::Wrap(error) => error.reason(),
            Self::UnknownSealKey => "KEYS_UNAVAILABLE",
            Self::Sealed(_) | Self::Code(_) | Self::Unreadable | Self::MissingKey => "INTERNAL",
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::Db(error) => error.text(),
            Self::Sealed(error) => error.text(),
            Self::Wrap(error) => error.text(),
            Self::UnknownSealKey => Text::new(
                "The keys are being renewed. Please try again shortly.",
                "กำลังเปลี่ยนกุญแจเข้ารหัส กรุณาลองใหม่ในอีกสักครู่",
            ),
            Self::Code(_) | Self::Unreadable | Self::MissingKey => {
                Text::new("Something went wrong on our side.", "เกิดข้อผิดพลาดภายในระบบ")
            }
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Db(error) => error.retry_after(),
            Self::Wrap(error) => error.retry_after(),
            Self::UnknownSealKey => Some(Duration::from_secs(1)),
            Self::Sealed(_) | Self::Code(_) | Self::Unreadable | Self::MissingKey => None,
        }
    }
}
