//! SQL over a transaction, by aggregate: rows to domain values and back.
//!
//! Nothing here decides anything, opens a transaction or asks for the time. Whoever changes a
//! business takes its lock first ([`businesses::lock`]).

pub mod businesses;
pub mod key;
pub mod leases;
pub mod members;
pub mod policy;
pub mod settings;

use yinyom_db::DbError;
use yinyom_kernel::{Code, Fault, Text};

/// The store could not be asked, or what it answered is not what this version wrote.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Db(#[from] DbError),
    /// A newer version was here, or the row is damaged.
    #[error("a stored {0} is unknown")]
    Unknown(&'static str),
    /// Its master key cannot be reached, or is not there.
    #[error("the service's key cannot be had")]
    Key(#[from] yinyom_privacy::WrapError),
}

impl Fault for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::Db(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Unknown(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Db(error) => error.reason(),
            Self::Key(error) => error.reason(),
            Self::Unknown(_) => "INTERNAL",
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::Db(error) => error.text(),
            Self::Key(error) => error.text(),
            Self::Unknown(_) => {
                Text::new("Something went wrong on our side.", "เกิดข้อผิดพลาดภายในระบบ")
            }
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Db(error) => error.retry_after(),
            Self::Key(error) => error.retry_after(),
            Self::Unknown(_) => None,
        }
    }
}
