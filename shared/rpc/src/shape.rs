//! Gives a status that tonic made the code and the details that ours have (TRAPS 12).
//!
//! Ours are known by their details: whatever comes without them was made by tonic, or by a service of
//! tonic's (health, reflection).

use http::HeaderMap;
use tonic::{Code as GrpcCode, Status};
use yinyom_kernel::{Code, Language};

use crate::{EdgeFault, status};

/// Replaces a status without details in `headers` (or trailers) and returns the code that leaves, if
/// there is any.
pub(crate) fn shape(headers: &mut HeaderMap, language: Language) -> Option<GrpcCode> {
    let code = GrpcCode::from_bytes(headers.get(Status::GRPC_STATUS)?.as_bytes());
    if code == GrpcCode::Ok || headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return Some(code);
    }
    let made = status(&fault(code, headers), language);
    put(&made, headers);
    Some(made.code())
}

/// Writes `status` into headers or trailers.
pub(crate) fn put(status: &Status, headers: &mut HeaderMap) {
    headers.remove(Status::GRPC_MESSAGE);
    headers.remove(Status::GRPC_STATUS_DETAILS);
    // It fails on values that no header can hold, and a status of ours is percent-encoded.
    if status.add_header(headers).is_err() {
        headers.insert(Status::GRPC_STATUS, http::HeaderValue::from_static("13"));
    }
}

fn fault(code: GrpcCode, headers: &HeaderMap) -> EdgeFault {
    let message = headers.get(Status::GRPC_MESSAGE).map_or(&b""[..], http::HeaderValue::as_bytes);
    match code {
        // What tonic says before a handler runs is about the request; only an answer that cannot be
        // encoded is our fault.
        GrpcCode::Internal if message.starts_with(b"Error%20encoding") => foreign(Code::Internal),
        GrpcCode::Internal if message.starts_with(b"Error%20compressing") => {
            foreign(Code::Internal)
        }
        GrpcCode::Internal if message.starts_with(b"Missing%20request") => EdgeFault::EmptyRequest,
        GrpcCode::Internal => EdgeFault::MalformedRequest,
        GrpcCode::OutOfRange | GrpcCode::ResourceExhausted => EdgeFault::MessageTooLarge,
        GrpcCode::Cancelled | GrpcCode::DeadlineExceeded => EdgeFault::DeadlineExceeded,
        GrpcCode::Unimplemented if headers.contains_key("grpc-accept-encoding") => {
            EdgeFault::UnsupportedEncoding
        }
        GrpcCode::Unimplemented => EdgeFault::UnknownMethod,
        GrpcCode::InvalidArgument => foreign(Code::InvalidArgument),
        GrpcCode::NotFound => foreign(Code::NotFound),
        GrpcCode::AlreadyExists => foreign(Code::AlreadyExists),
        GrpcCode::PermissionDenied => foreign(Code::PermissionDenied),
        GrpcCode::FailedPrecondition => foreign(Code::FailedPrecondition),
        GrpcCode::Aborted => foreign(Code::Aborted),
        GrpcCode::Unavailable => foreign(Code::Unavailable),
        GrpcCode::Unauthenticated => foreign(Code::Unauthenticated),
        GrpcCode::Ok | GrpcCode::Unknown | GrpcCode::DataLoss => foreign(Code::Internal),
    }
}

const fn foreign(code: Code) -> EdgeFault {
    EdgeFault::Foreign(code)
}
