//! What is measured of calls, by OpenTelemetry's names for RPC servers, and of those that were turned away.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};
use tonic::Code;

/// In seconds: a read that finds everything in memory takes less than one thousandth.
const DURATIONS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("yinyom")
        .f64_histogram("rpc.server.call.duration")
        .with_unit("s")
        .with_description("From the arrival of a call to the end of its answer.")
        .with_boundaries(DURATIONS.to_vec())
        .build()
});

static SHED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("yinyom")
        .u64_counter("yinyom.calls.shed")
        .with_description("Calls that were turned away for want of room, by reason.")
        .build()
});

static RESTS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("yinyom")
        .u64_counter("yinyom.client.rests")
        .with_description(
            "Times that a replica of another service was left alone because calls to it failed.",
        )
        .build()
});

static RETRIES: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("yinyom")
        .u64_counter("yinyom.client.retries")
        .with_description("Calls to another service that were not taken: made once more, or not, for want of budget.")
        .build()
});

/// `rpc` is a path of the access table, or a word of our own: never what a stranger wrote.
pub(crate) fn answered(rpc: &'static str, code: Code, took: Duration) {
    let of = [
        KeyValue::new("rpc.system.name", "grpc"),
        KeyValue::new("rpc.method", rpc.trim_matches('/')),
        KeyValue::new("rpc.response.status_code", name(code)),
    ];
    DURATION.record(took.as_secs_f64(), &of);
}

/// A call was turned away; its caller is told when to come again.
pub(crate) fn shed(reason: &'static str) {
    SHED.add(1, &[KeyValue::new("reason", reason)]);
}

/// A replica of another service is left alone for a while.
pub(crate) fn rested() {
    RESTS.add(1, &[]);
}

/// A call to another service may be made once more, or too many were already.
pub(crate) fn retried(within_budget: bool) {
    let outcome = if within_budget { "made" } else { "over_budget" };
    RETRIES.add(1, &[KeyValue::new("outcome", outcome)]);
}

const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
