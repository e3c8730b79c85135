//! What can go wrong before a handler is reached, or in its place.

use std::time::Duration;

use yinyom_kernel::{Code, Fault, Text};

/// A fault of the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EdgeFault {
    #[error("the call carries no message")]
    EmptyRequest,
    #[error("the message cannot be decoded")]
    MalformedRequest,
    #[error("the message is too large")]
    MessageTooLarge,
    #[error("the compression is not supported")]
    UnsupportedEncoding,
    #[error("there is no such method")]
    UnknownMethod,
    #[error("the method has no entry in the access table")]
    NoAccessEntry,
    #[error("the deadline has passed")]
    DeadlineExceeded,
    #[error("the server has as many calls under way as it takes")]
    Overloaded,
    #[error("the business has as many calls under way as it may")]
    BusinessOverloaded,
    /// Says when the next call may come.
    #[error("more calls come than the server takes")]
    RateLimited(Duration),
    /// Says when the next call may come.
    #[error("more calls come from the business than may")]
    BusinessRateLimited(Duration),
    #[error("the server is starting")]
    Starting,
    #[error("the server is stopping")]
    ShuttingDown,
    #[error("the other service cannot be reached")]
    PeerUnavailable,
    #[error("a handler panicked")]
    Panicked,
    #[error("a handler was reached around the server stack")]
    Unguarded,
    /// A status that was made elsewhere without details: its code is kept, its text is not.
    #[error("a status without details ({0:?})")]
    Foreign(Code),
}

impl Fault for EdgeFault {
    fn code(&self) -> Code {
        match self {
            Self::EmptyRequest | Self::MalformedRequest => Code::InvalidArgument,
            Self::MessageTooLarge
            | Self::Overloaded
            | Self::BusinessOverloaded
            | Self::RateLimited(_)
            | Self::BusinessRateLimited(_) => Code::ResourceExhausted,
            Self::UnsupportedEncoding | Self::UnknownMethod => Code::Unimplemented,
            Self::NoAccessEntry => Code::PermissionDenied,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::Starting | Self::ShuttingDown | Self::PeerUnavailable => Code::Unavailable,
            Self::Panicked | Self::Unguarded => Code::Internal,
            Self::Foreign(code) => *code,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::EmptyRequest => "EMPTY_REQUEST",
            Self::MalformedRequest => "MALFORMED_REQUEST",
            Self::MessageTooLarge => "MESSAGE_TOO_LARGE",
            Self::UnsupportedEncoding => "UNSUPPORTED_ENCODING",
            Self::UnknownMethod => "UNKNOWN_METHOD",
            Self::NoAccessEntry => "NO_ACCESS_ENTRY",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Overloaded => "OVERLOADED",
            Self::BusinessOverloaded => "BUSINESS_OVERLOADED",
            Self::RateLimited(_) => "RATE_LIMITED",
            Self::BusinessRateLimited(_) => "BUSINESS_RATE_LIMITED",
            Self::Starting => "STARTING",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::PeerUnavailable => "PEER_UNAVAILABLE",
            Self::Panicked | Self::Unguarded => "INTERNAL",
            Self::Foreign(code) => foreign_reason(*code),
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::EmptyRequest => Text::new("The call carries no message.", "คำขอไม่มีข้อความ"),
            Self::MalformedRequest => {
                Text::new("The message cannot be decoded.", "ไม่สามารถอ่านข้อความของคำขอได้")
            }
            Self::MessageTooLarge => Text::new(
                "The message is too large: send less at once.",
                "ข้อความมีขนาดใหญ่เกินไป กรุณาส่งให้น้อยลงต่อครั้ง",
            ),
            Self::UnsupportedEncoding => {
                Text::new("The compression is not supported.", "ไม่รองรับรูปแบบการบีบอัดนี้")
            }
            Self::UnknownMethod => Text::new("There is no such method.", "ไม่มีคำสั่งนี้"),
            Self::NoAccessEntry => Text::new("Nobody may call this method.", "คำสั่งนี้ไม่เปิดให้เรียกใช้"),
            Self::DeadlineExceeded => {
                Text::new("The answer did not come in time.", "ระบบตอบไม่ทันภายในเวลาที่กำหนด")
            }
            Self::Overloaded => Text::new(
                "The server has too much to do. Try again.",
                "เซิร์ฟเวอร์มีงานมากเกินไปในขณะนี้ กรุณาลองอีกครั้ง",
            ),
            Self::BusinessOverloaded => Text::new(
                "The business has too many calls under way. Try again.",
                "ธุรกิจนี้มีคำขอที่กำลังทำงานอยู่มากเกินไป กรุณาลองอีกครั้ง",
            ),
            Self::RateLimited(_) => Text::new(
                "More calls come than the server takes. Try again later.",
                "มีคำขอเข้ามามากเกินกว่าที่เซิร์ฟเวอร์รับได้ กรุณาลองอีกครั้งภายหลัง",
            ),
            Self::BusinessRateLimited(_) => Text::new(
                "More calls come from the business than may. Try again later.",
                "ธุรกิจนี้ส่งคำขอถี่เกินไป กรุณาลองอีกครั้งภายหลัง",
            ),
            Self::Starting => {
                Text::new("The server is starting. Try again.", "เซิร์ฟเวอร์กำลังเริ่มทำงาน กรุณาลองอีกครั้ง")
            }
            Self::ShuttingDown => {
                Text::new("The server is stopping. Try again.", "เซิร์ฟเวอร์กำลังหยุดทำงาน กรุณาลองอีกครั้ง")
            }
            Self::PeerUnavailable => Text::new(
                "A service that is needed cannot be reached. Try again.",
                "ไม่สามารถเชื่อมต่อบริการที่จำเป็นได้ กรุณาลองอีกครั้ง",
            ),
            Self::Panicked | Self::Unguarded => {
                Text::new("Something went wrong on our side.", "เกิดข้อผิดพลาดในระบบ")
            }
            Self::Foreign(_) => Text::new("The call cannot be answered.", "ไม่สามารถตอบคำขอนี้ได้"),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(wait) | Self::BusinessRateLimited(wait) => Some(*wait),
            Self::Overloaded
            | Self::BusinessOverloaded
            | Self::Starting
            | Self::ShuttingDown
            | Self::PeerUnavailable => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

const fn foreign_reason(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::Unavailable => "UNAVAILABLE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
    }
}
