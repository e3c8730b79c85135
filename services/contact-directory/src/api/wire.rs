//! Protobuf to domain and back.

pub mod accounts;
pub mod bulk;
pub mod consents;
pub mod contacts;
pub mod import;
pub mod leads;
pub mod merges;
pub mod opt_outs;
pub mod previews;
pub mod reach;
pub mod read;
pub mod refusal;
pub mod shared_addresses;
