//! Consent receipts.
