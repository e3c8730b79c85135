//! What can go wrong, in the words of a caller.
//!
//! An error type says what happened; as a [`Fault`] it also says which gRPC code, stable reason and
//! safe text that is. `yinyom-rpc` alone turns it into a status.

use std::time::Duration;

use crate::Text;

/// The gRPC codes that Yinyom answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    InvalidArgument,
    Unauthenticated,
    PermissionDenied,
    NotFound,
    AlreadyExists,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    ResourceExhausted,
    DeadlineExceeded,
    Unavailable,
    Unimplemented,
    Internal,
}

impl Code {
    /// Its number in the gRPC protocol.
    pub const fn number(self) -> i32 {
        match self {
            Self::InvalidArgument => 3,
            Self::DeadlineExceeded => 4,
            Self::NotFound => 5,
            Self::AlreadyExists => 6,
            Self::PermissionDenied => 7,
            Self::ResourceExhausted => 8,
            Self::FailedPrecondition => 9,
            Self::Aborted => 10,
            Self::OutOfRange => 11,
            Self::Unimplemented => 12,
            Self::Internal => 13,
            Self::Unavailable => 14,
            Self::Unauthenticated => 16,
        }
    }
}

/// An error that a client may be told of.
///
/// Neither the text nor the metadata may hold personal data. Causes stay in `source()`: they are
/// logged once, at the edge, and never sent.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    /// The gRPC code.
    fn code(&self) -> Code;

    /// `UPPER_SNAKE_CASE`, stable for ever: clients branch on it (AIP-193).
    fn reason(&self) -> &'static str;

    /// What a person reads.
    fn text(&self) -> Text;

    /// Facts that a client may use, by stable key.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The fields that are wrong, all of them at once.
    fn violations(&self) -> &[Violation] {
        &[]
    }

    /// When trying again makes sense.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where, as a path from the request's root: `contact.phones[1].value`.
    pub field: String,
    /// `UPPER_SNAKE_CASE`, stable.
    pub reason: &'static str,
    /// What a person reads; never holds the value.
    pub text: Text,
}

/// A request that could not be read. Holds every wrong field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid input in {} field(s)", .violations.len())]
pub struct InvalidInput {
    violations: Vec<Violation>,
}

impl InvalidInput {
    /// A request with one wrong field.
    pub fn one(field: impl Into<String>, reason: &'static str, text: Text) -> Self {
        Self { violations: vec![Violation { field: field.into(), reason, text }] }
    }
}

impl Fault for InvalidInput {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn reason(&self) -> &'static str {
        "INVALID_INPUT"
    }

    fn text(&self) -> Text {
        let mut en = String::from("The request cannot be taken.");
        let mut th = String::from("ไม่สามารถรับคำขอนี้ได้");
        for v in &self.violations {
            en = format!("{en} {}: {}", v.field, v.text.en());
            th = format!("{th} {}: {}", v.field, v.text.th());
        }
        Text::new(en, th)
    }

    fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

/// Collects wrong fields while a request is read, so that the caller hears of all of them at once.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a wrong field.
    pub fn push(&mut self, field: impl Into<String>, reason: &'static str, text: Text) {
        self.0.push(Violation { field: field.into(), reason, text });
    }

    /// Keeps what could be read, or notes why it could not.
    pub fn take<T, E: Fault>(&mut self, field: impl Into<String>, read: Result<T, E>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(fault) => {
                self.push(field, fault.reason(), fault.text());
                None
            }
        }
    }

    /// Takes over the wrong fields of something that was read beside.
    pub fn merge<T>(&mut self, read: Result<T, InvalidInput>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.0.extend(invalid.violations);
                None
            }
        }
    }

    /// Moves the wrong fields of a nested message under `prefix`.
    pub fn nest<T>(&mut self, prefix: &str, read: Result<T, InvalidInput>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.0.extend(
                    invalid
                        .violations
                        .into_iter()
                        .map(|v| Violation { field: format!("{prefix}.{}", v.field), ..v }),
                );
                None
            }
        }
    }

    /// Notes that a required field is missing.
    pub fn missing(&mut self, field: impl Into<String>) {
        self.push(field, "REQUIRED", Text::new("is required.", "จำเป็นต้องระบุ"));
    }

    /// Whether nothing was wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that was wrong so far.
    pub fn into_inner(self) -> Vec<Violation> {
        self.0
    }

    /// `value`, if nothing was wrong. Call it with what `take` returned: `None` there has left a
    /// violation here, so a missing value cannot pass.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, InvalidInput> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(InvalidInput { violations: self.0 }),
        }
    }
}
