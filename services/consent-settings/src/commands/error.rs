//! Why a command was not carried out.

use std::time::Duration;

use yinyom_db::DbError;
use yinyom_db::idempotency::RequestError;
use yinyom_identity::{AccessDenied, NotFound};
use yinyom_kernel::{Code, EtagMismatch, Fault, InvalidInput, Text, Violation};
use yinyom_privacy::InvalidPageToken;

use crate::domain::Refusal;
use crate::store::StoreError;

/// Why a command was not carried out. As a fault it is the one inside.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum CommandError {
    NotFound(#[from] NotFound),
    Refused(#[from] Refusal),
    Etag(#[from] EtagMismatch),
    Invalid(#[from] InvalidInput),
    PageToken(#[from] InvalidPageToken),
    Access(#[from] AccessDenied),
    Request(#[from] RequestError),
    Store(#[from] StoreError),
}

impl From<DbError> for CommandError {
    fn from(error: DbError) -> Self {
        Self::Store(error.into())
    }
}

impl CommandError {
    fn inside(&self) -> &dyn Fault {
        match self {
            Self::NotFound(fault) => fault,
            Self::Refused(fault) => fault,
            Self::Etag(fault) => fault,
            Self::Invalid(fault) => fault,
            Self::PageToken(fault) => fault,
            Self::Access(fault) => fault,
            Self::Request(fault) => fault,
            Self::Store(fault) => fault,
        }
    }
}

impl Fault for CommandError {
    fn code(&self) -> Code {
        self.inside().code()
    }

    fn reason(&self) -> &'static str {
        self.inside().reason()
    }

    fn text(&self) -> Text {
        self.inside().text()
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        self.inside().metadata()
    }

    fn violations(&self) -> &[Violation] {
        self.inside().violations()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.inside().retry_after()
    }
}
