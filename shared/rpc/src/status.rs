//! From a fault to a status. Nothing else in Yinyom makes one.

use std::collections::HashMap;
use std::error::Error;

use tonic::{Code as GrpcCode, Status};
use tonic_types::{ErrorDetails, FieldViolation, LocalizedMessage, StatusExt};
use yinyom_kernel::{Code, Fault, Language, Violation};

use crate::metrics;

/// The domain of every `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "yinyom.dev";

/// A status travels in HTTP/2 trailers, and common clients take 8 KiB of them. A request with
/// hundreds of wrong rows must still be answered with an error that arrives.
const MAX_TEXT_CHARS: usize = 400;
const MAX_VIOLATION_BYTES: usize = 3 * 1024;

/// The status of `fault`: English in its message, `language` in `LocalizedMessage`, `ErrorInfo`
/// always, `BadRequest` with the wrong fields, `RetryInfo` when a retry makes sense.
///
/// Faults of ours (`INTERNAL`, `UNAVAILABLE`) are logged here, once, with their causes; the causes
/// are not sent. Whoever is turned away for want of room, and told when to come again, is counted here.
pub fn status(fault: &dyn Fault, language: Language) -> Status {
    if fault.retry_after().is_some() && matches!(fault.code(), Code::ResourceExhausted) {
        metrics::shed(fault.reason());
    }
    made(fault, language)
}

/// The same, of which nobody is told yet.
pub(crate) fn made(fault: &dyn Fault, language: Language) -> Status {
    let code = grpc_code(fault.code());
    if matches!(fault.code(), Code::Internal | Code::Unavailable) {
        tracing::error!(reason = fault.reason(), error = %chain(fault), "a fault of ours");
    }
    let text = fault.text();
    let mut metadata: HashMap<String, String> =
        fault.metadata().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let mut details = ErrorDetails::new();
    if !fault.violations().is_empty() {
        let fields = fields(fault.violations(), language);
        if fields.len() < fault.violations().len() {
            metadata.insert("violations".to_owned(), fault.violations().len().to_string());
        }
        details.set_bad_request(fields);
    }
    details.set_error_info(fault.reason(), DOMAIN, metadata);
    details.set_localized_message(language.tag(), cut(text.get(language)));
    if let Some(delay) = fault.retry_after() {
        details.set_retry_info(Some(delay));
    }
    Status::with_error_details(code, cut(text.en()), details)
}

/// The reason in a status's `ErrorInfo`, if it has one of our domain.
pub fn reason(status: &Status) -> Option<String> {
    status.get_details_error_info().filter(|info| info.domain == DOMAIN).map(|info| info.reason)
}

/// The code on the wire.
const fn grpc_code(code: Code) -> GrpcCode {
    match code {
        Code::InvalidArgument => GrpcCode::InvalidArgument,
        Code::Unauthenticated => GrpcCode::Unauthenticated,
        Code::PermissionDenied => GrpcCode::PermissionDenied,
        Code::NotFound => GrpcCode::NotFound,
        Code::AlreadyExists => GrpcCode::AlreadyExists,
        Code::FailedPrecondition => GrpcCode::FailedPrecondition,
        Code::Aborted => GrpcCode::Aborted,
        Code::OutOfRange => GrpcCode::OutOfRange,
        Code::ResourceExhausted => GrpcCode::ResourceExhausted,
        Code::DeadlineExceeded => GrpcCode::DeadlineExceeded,
        Code::Unavailable => GrpcCode::Unavailable,
        Code::Unimplemented => GrpcCode::Unimplemented,
        Code::Internal => GrpcCode::Internal,
    }
}

/// As many wrong fields as fit.
fn fields(violations: &[Violation], language: Language) -> Vec<FieldViolation> {
    let mut left = MAX_VIOLATION_BYTES;
    let mut fields = Vec::new();
    for violation in violations {
        let mut field = FieldViolation::new(&violation.field, violation.text.en());
        violation.reason.clone_into(&mut field.reason);
        let mut size = violation.field.len() + violation.text.en().len() + violation.reason.len();
        if language != Language::English {
            let text = violation.text.get(language);
            size += text.len();
            field.localized_message = Some(LocalizedMessage::new(language.tag(), text));
        }
        match left.checked_sub(size) {
            Some(rest) => left = rest,
            None => break,
        }
        fields.push(field);
    }
    fields
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An error with all of its causes, on one line.
fn chain(fault: &dyn Fault) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = Error::source(error);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use yinyom_kernel::{InvalidInput, Text, Violations};

    use super::*;

    fn wrong(fields: usize) -> InvalidInput {
        let mut wrong = Violations::new();
        for field in 0..fields {
            wrong.push(
                format!("rows[{field}].phone"),
                "TOO_LONG",
                Text::new("must be shorter.", "ต้องสั้นกว่านี้"),
            );
        }
        wrong.finish::<()>(None).unwrap_err()
    }

    #[test]
    fn every_wrong_field_is_named_with_its_reason_in_the_callers_language() {
        let status = status(&wrong(2), Language::Thai);
        assert_eq!(status.code(), GrpcCode::InvalidArgument);
        let fields = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(fields.len(), 2);
        assert_eq!(fields[1].field, "rows[1].phone");
        assert_eq!(fields[1].reason, "TOO_LONG");
        assert_eq!(fields[1].localized_message.as_ref().unwrap().message, "ต้องสั้นกว่านี้");
        assert_eq!(status.get_details_error_info().unwrap().metadata.len(), 0);
    }

    #[test]
    fn a_status_fits_into_the_trailers_that_clients_take() {
        for language in [Language::English, Language::Thai] {
            let status = status(&wrong(10_000), language);
            let mut headers = http::HeaderMap::new();
            status.add_header(&mut headers).unwrap();
            let size: usize = headers.iter().map(|(k, v)| k.as_str().len() + v.len() + 32).sum();
            assert!(size < 8 * 1024, "{size} bytes");
            let info = status.get_details_error_info().unwrap();
            assert_eq!(info.metadata["violations"], "10000");
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the store is away")]
    struct Away(#[source] std::io::Error);

    impl Fault for Away {
        fn code(&self) -> Code {
            Code::Unavailable
        }
        fn reason(&self) -> &'static str {
            "STORE_UNAVAILABLE"
        }
        fn text(&self) -> Text {
            Text::new("Try again.", "ลองอีกครั้ง")
        }
        fn retry_after(&self) -> Option<Duration> {
            Some(Duration::from_secs(2))
        }
    }

    #[test]
    fn a_cause_is_not_sent() {
        let fault = Away(std::io::Error::other("10.0.0.7 refused"));
        assert_eq!(chain(&fault), "the store is away: 10.0.0.7 refused");
        let status = status(&fault, Language::English);
        let mut headers = http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        assert!(!format!("{headers:?}{:?}", status.details()).contains("10.0.0.7"));
        let details = status.get_error_details();
        let retry = details.retry_info().unwrap();
        assert_eq!(retry.retry_delay, Some(Duration::from_secs(2)));
    }
}
