//! The code that `proto/` generates, and nothing else: no rule, no conversion.
//!
//! `yinyom_proto::directory::v1` is the package `yinyom.directory.v1`; `yinyom.type.v1` is
//! [`types::v1`](types), since `type` is a word of Rust's.

mod generated {
    #![allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/yinyom.rs"));
}

pub use generated::yinyom::{directory, manager, settings};

/// Operations that take a while, as the public API of that name has them.
pub use generated::google::{longrunning, rpc};

/// `yinyom.type`.
pub use generated::yinyom::r#type as types;

/// All protobuf files with their imports and comments, as reflection serves them.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
