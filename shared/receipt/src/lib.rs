//! Consent receipts: what a person is given in proof of what they said.
//!
//! - [`Receipt`]: a consent record in the shape of ISO/IEC TS 27560, of one contact and channel, and what ties it to the
//!   ledger: for each event the canonical bytes of the change, its leaf hash and an inclusion proof, and a checkpoint.
//! - [`Receipt::sign`]: as a compact JWS with the ledger's key, whose payload is the JSON.
//! - [`Receipt::page`]: one page for a person, in Thai or English, which holds the JWS, too. The same receipt makes the same
//!   page.
//! - [`verify`]: whether a receipt, or a page, is what was signed, and what it says is what the ledger has. Offline.
//!
//! Who the contact is stands nowhere here, nor do reference and note of the evidence.

mod page;
mod record;
mod verify;
mod words;

pub use record::{
    Controller, Event, Facts, InLedger, Ledger, Notice, Processing, Purpose, Receipt, ReceiptId,
};
pub use verify::{ReceiptError, Said, verify};

/// What the JWS says that it is over: `application/vnd.yinyom.consent-receipt+json`.
pub const TYPE: &str = "vnd.yinyom.consent-receipt+json";
