//! The three services in protobuf: parse, call, render. No rule is here.

mod audit;
mod ledger;
mod pages;
mod reports;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use yinyom_kernel::{Code, Fault, InvalidInput, Text, Violation};
use yinyom_privacy::InvalidPageToken;

use crate::commands::{Manager, Refused};
use pages::Pages;

/// Implements `AuditService`, `LedgerService` and `ReportService`.
pub struct Api {
    manager: Manager,
    pages: Pages,
}

impl Api {
    /// The services over `manager`.
    pub fn new(manager: Manager) -> Arc<Self> {
        let pages = Pages::new(&manager.masters);
        Arc::new(Self { manager, pages })
    }
}

/// A call that is not answered.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    Input(#[from] InvalidInput),
    #[error(transparent)]
    Token(#[from] InvalidPageToken),
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Unanswered {
    fn inner(&self) -> &dyn Fault {
        match self {
            Self::Input(fault) => fault,
            Self::Token(fault) => fault,
            Self::Refused(fault) => fault,
        }
    }
}

impl Fault for Unanswered {
    fn code(&self) -> Code {
        self.inner().code()
    }

    fn reason(&self) -> &'static str {
        self.inner().reason()
    }

    fn text(&self) -> Text {
        self.inner().text()
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        self.inner().metadata()
    }

    fn violations(&self) -> &[Violation] {
        self.inner().violations()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.inner().retry_after()
    }
}
