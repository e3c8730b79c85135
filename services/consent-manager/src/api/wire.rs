//! Protobuf to domain and back. The words and the change itself are in `yinyom_consent::wire`.

pub(super) mod answers;
pub(super) mod audit;
pub(super) mod batch;
pub(super) mod export;
pub(super) mod proofs;
pub(super) mod questions;
pub(super) mod receipts;
pub(super) mod retention;
pub(super) mod watch;
