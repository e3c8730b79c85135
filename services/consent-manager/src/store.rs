//! SQL over a transaction, one file for each table or two; rows to domain and back.
//!
//! Everything is about the one business of the transaction. What belongs together is written in one transaction by
//! `commands`: nothing here begins or commits one. A batch costs a handful of statements, whatever its size.

pub mod audit;
pub mod changes;
pub mod consents;
pub mod erasures;
pub mod exports;
pub mod heads;
pub mod ledger;
pub mod past;
pub mod receipts;
pub mod retention;
pub mod rollups;
mod rows;
pub mod subjects;
pub mod tree;

use yinyom_consent::UnknownCode;
use yinyom_db::DbError;
use yinyom_kernel::{Code, Fault, Text};
use yinyom_privacy::WrapError;

/// The store cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Db(#[from] DbError),
    /// Damage, or a newer version has been here.
    #[error("a row of the ledger cannot be read: {0}")]
    Unreadable(&'static str),
    #[error("a row of the ledger cannot be read: {0}")]
    UnknownCode(#[from] UnknownCode),
    /// The database may have come back from a backup of before an erasure.
    #[error("the directory has not said yet that no erasure is missing")]
    Unconfirmed,
    /// Its master key cannot be reached, or is not the one that wrapped it.
    #[error("a contact's key cannot be had: {0}")]
    Key(#[from] WrapError),
}

impl Fault for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::Db(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Unconfirmed => Code::Unavailable,
            _ => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Db(error) => error.reason(),
            Self::Key(error) => error.reason(),
            Self::Unconfirmed => "ERASURES_UNCONFIRMED",
            _ => "INTERNAL",
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::Db(error) => error.text(),
            Self::Key(error) => error.text(),
            Self::Unconfirmed => Text::new(
                "Evidence cannot be shown until it is certain that no erased person is in it. Please try again shortly.",
                "ยังแสดงหลักฐานไม่ได้จนกว่าจะแน่ใจว่าไม่มีข้อมูลของผู้ที่ถูกลบแล้ว กรุณาลองใหม่ในอีกสักครู่",
            ),
            _ => Text::new("Something went wrong on our side.", "เกิดข้อผิดพลาดภายในระบบ"),
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Db(error) => error.retry_after(),
            Self::Key(error) => error.retry_after(),
            Self::Unconfirmed => Some(std::time::Duration::from_secs(2)),
            _ => None,
        }
    }
}
