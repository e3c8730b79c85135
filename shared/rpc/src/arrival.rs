//! What is known of a call before its token is looked at: where it goes, in which language it is answered, until when.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use yinyom_kernel::Language;

use crate::edge::Shared;
use crate::methods::Door;
use crate::{EdgeFault, request_id, status};

const HEALTH: &str = "/grpc.health.v1.Health/";

/// Services of tonic's that need no token: a prober has none, and what they tell is public.
const OPEN: [&str; 3] =
    [HEALTH, "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];

/// Where a path leads.
#[derive(Clone, Copy)]
pub(crate) enum Gate {
    /// To health or reflection.
    Open,
    /// To a method that is described.
    Door(Door),
    /// Nowhere.
    Unknown,
}

/// What is known of a call before its token is looked at.
pub(crate) struct Arrival {
    pub(crate) gate: Gate,
    /// For the log: a path that we do not know is a stranger's text and stays out of it.
    pub(crate) name: &'static str,
    pub(crate) language: Language,
    pub(crate) request_id: Arc<str>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) started: Instant,
}

impl Arrival {
    /// Sets the deadline here and not at the first poll: tonic's own timer for `grpc-timeout` starts
    /// right after, answers without details, and so never comes first.
    pub(crate) fn of(request: &Request<Body>, shared: &Shared) -> Self {
        let (headers, path) = (request.headers(), request.uri().path());
        let open = OPEN.iter().copied().find(|prefix| path.starts_with(prefix));
        let (gate, name) = match (open, shared.doors.get(path)) {
            (Some(prefix), _) => (Gate::Open, prefix),
            (None, Some(door)) => {
                (Gate::Door(*door), door.access.map_or("no access entry", |access| access.rpc))
            }
            (None, None) => (Gate::Unknown, "unknown"),
        };
        let started = Instant::now();
        let asked = grpc_timeout(headers);
        let limit = match gate {
            Gate::Door(Door { streaming: true, .. }) | Gate::Open => asked,
            Gate::Door(_) | Gate::Unknown => {
                Some(asked.map_or(shared.unary_timeout, |asked| asked.min(shared.unary_timeout)))
            }
        };
        let accept = headers.get(http::header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        Self {
            gate,
            name,
            language: Language::negotiate(accept),
            request_id: request_id::read_or_make(headers),
            deadline: limit.and_then(|limit| started.checked_add(limit)),
            started,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.gate, Gate::Open)
    }

    /// Whether it goes before others.
    pub(crate) fn is_urgent(&self) -> bool {
        matches!(self.gate, Gate::Door(Door { access: Some(access), .. }) if access.urgent)
    }

    /// Whether it ends by itself when its work is done.
    pub(crate) fn takes_turns(&self) -> bool {
        matches!(self.gate, Gate::Door(Door { streaming: false, .. }) | Gate::Unknown)
    }

    /// Reflection, which tells much to whoever asks for little.
    pub(crate) fn is_reflection(&self) -> bool {
        self.is_open() && self.name != HEALTH
    }

    pub(crate) fn status(&self, fault: EdgeFault) -> Status {
        status(&fault, self.language)
    }
}

/// `grpc-timeout`: up to eight digits and a unit. One that cannot be read is no deadline, as in tonic.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_hours(amount),
        "M" => Duration::from_mins(amount),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(value: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", http::HeaderValue::from_static(value));
        grpc_timeout(&headers)
    }

    #[test]
    fn a_timeout_is_read_as_grpc_writes_it() {
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_hours(99_999_999)));
        for wrong in ["", "m", "5", "123456789m", "-1S", "1.5S", "5s", "+5S"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }
}
