//! What can go wrong with what is stored.

use std::time::Duration;

use yinyom_consent::UnknownCode;
use yinyom_db::DbError;
use yinyom_kernel::{Code, Fault, Text};
use yinyom_privacy::OpenError;

/// A store's answer that is no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Db(#[from] DbError),
    /// Something sealed cannot be opened: damage, or the wrong master key.
    #[error(transparent)]
    Sealed(#[from] OpenError),
    /// A row holds a number that stands for nothing.
    #[error(transparent)]
    Code(#[from] UnknownCode),
    /// A business's key is neither there nor could it be made.
    #[error("a business has no key")]
    MissingKey,
}

impl Fault for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::Db(error) => error.code(),
            Self::Sealed(_) | Self::Code(_) | Self::MissingKey => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Db(error) => error.reason(),
            Self::Sealed(_) | Self::Code(_) | Self::MissingKey => "INTERNAL",
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::Db(error) => error.text(),
            Self::Sealed(error) => error.text(),
            Self::Code(_) | Self::MissingKey => {
                Text::new("Something went wrong on our side.", "เกิดข้อผิดพลาดภายในระบบ")
            }
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Db(error) => error.retry_after(),
            Self::Sealed(_) | Self::Code(_) | Self::MissingKey => None,
        }
    }
}
