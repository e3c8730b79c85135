//! The id that ties one call's log lines together, over all the services that it goes through.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

/// The header that carries it, in and out.
pub const REQUEST_ID: &str = "x-request-id";

const MAX_LENGTH: usize = 64;

/// The caller's id if it is one, else a new one. It goes into our log: what could be a phone number
/// with a plus sign, a line break or a novel does not.
pub(crate) fn read_or_make(headers: &HeaderMap) -> Arc<str> {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_uuid_like(id))
        .map_or_else(|| uuid::Uuid::now_v7().to_string().into(), Arc::from)
}

pub(crate) fn header(id: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(id).ok()
}

/// Hexadecimal digits and hyphens, as UUIDs and trace ids have, and more of them than a phone number
/// or a citizen's id has.
fn is_uuid_like(id: &str) -> bool {
    (20..=MAX_LENGTH).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &'static str) -> Arc<str> {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static(value));
        read_or_make(&headers)
    }

    #[test]
    fn an_id_is_kept_and_anything_else_is_replaced() {
        let id = "0192f0c1-7b1e-7c3a-9d52-3f6f6b0a7e11";
        assert_eq!(&*read(id), id);
        for other in ["", "0812345678", "somchai@example.com", "a b", "\"x\""] {
            assert_ne!(&*read(other), other);
        }
    }
}
