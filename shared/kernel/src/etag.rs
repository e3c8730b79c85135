//! Etags (AIP-154): they come from a revision counter, never from content, because two contacts that
//! differ only in a masked value must be answered alike.

use std::fmt;

use crate::{Code, Fault, Text};

/// The revision of a resource, as a client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Etag(i64);

impl Etag {
    /// The etag of `revision`.
    pub const fn of(revision: i64) -> Self {
        Self(revision)
    }

    /// Refuses a client's `claimed` etag unless it is empty (the client does not care) or this one.
    pub fn check(self, claimed: &str) -> Result<(), EtagMismatch> {
        if claimed.is_empty() || claimed == self.to_string() { Ok(()) } else { Err(EtagMismatch) }
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// Somebody changed the resource since the caller read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the etag is not the resource's current one")]
pub struct EtagMismatch;

impl Fault for EtagMismatch {
    fn code(&self) -> Code {
        Code::Aborted
    }

    fn reason(&self) -> &'static str {
        "ETAG_MISMATCH"
    }

    fn text(&self) -> Text {
        Text::new(
            "Somebody changed this since you read it. Read it again and repeat the change.",
            "ข้อมูลนี้ถูกแก้ไขหลังจากที่คุณอ่าน กรุณาอ่านใหม่แล้วทำรายการอีกครั้ง",
        )
    }
}
