//! The services in protobuf: parse, call, render. No rule is here.

mod audit;
mod export;
mod ledger;
mod pages;
mod proofs;
mod receipts;
mod reports;
mod retention;
mod watch;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use yinyom_kernel::{Code, Fault, InvalidInput, Text, Violation};
use yinyom_privacy::{InvalidPageToken, TokenSealer};

use crate::commands::{Manager, Refused};
use export::ExportFault;
use pages::Pages;

/// Implements `AuditService`, `LedgerService`, `ProofService` and `ReportService`.
pub struct Api {
    manager: Manager,
    pages: Pages,
}

impl Api {
    /// The services over `manager`, with what seals page tokens.
    pub fn new(manager: Manager, sealer: TokenSealer) -> Arc<Self> {
        Arc::new(Self { manager, pages: Pages::new(sealer) })
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
    #[error(transparent)]
    Export(#[from] ExportFault),
}

impl Unanswered {
    fn inner(&self) -> &dyn Fault {
        match self {
            Self::Input(fault) => fault,
            Self::Token(fault) => fault,
            Self::Refused(fault) => fault,
            Self::Export(fault) => fault,
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
